"""Examples: the best and the worst patches of a split, with the pixels that they have."""

from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss

from landscribe.core.scores import Scores
from landscribe.evaluation.examples import (
    collect_examples,
    compute_cross_entropy,
    rank_patches,
    read_examples,
    write_examples,
)
from landscribe.pipeline.backend import tf
from tests.support.problems import draw_named_scores as draw_scores


def test_cross_entropy_is_that_of_scikit_learn() -> None:
    scores = draw_scores(20)
    expected = [log_loss(*row, labels=[0, 1]) for row in zip(scores.truth, scores.scores.astype(float), strict=True)]
    np.testing.assert_allclose(compute_cross_entropy(scores), expected, rtol=1e-6)


def test_patches_are_ranked_by_cross_entropy_and_among_equals_by_name() -> None:
    scores = draw_scores(40)
    scores.scores[7:12], scores.truth[7:12] = scores.scores[7], scores.truth[7]
    scores.scores[3] = 1 - scores.truth[3]  # wrong, and sure of it
    ranked = rank_patches(scores)
    assert sorted(ranked) == sorted(scores.patch_ids)
    losses = dict(zip(scores.patch_ids, compute_cross_entropy(scores).tolist(), strict=True))
    assert [(losses[name], name) for name in ranked] == sorted((losses[name], name) for name in scores.patch_ids)
    assert ranked[-1] == "patch 3"
    order = np.random.default_rng(0).permutation(40)
    names = tuple(scores.patch_ids[row] for row in order)
    assert rank_patches(Scores(names, scores.truth[order], scores.scores[order], scores.classes)) == ranked


def test_examples_are_the_pixels_of_the_wanted_patches(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (6, 3, 5, 5)).astype(np.uint16)
    bands = [{name: patch[number] for number, name in enumerate(("B02", "B04", "B03"))} for patch in pixels]
    batches = [
        (
            tf.constant([f"patch {row}" for row in rows]),
            {name: tf.stack([bands[row][name] for row in rows]) for name in bands[0]},
            None,
        )
        for rows in ((0, 1, 2, 3), (4, 5))
    ]
    for name in ("first.npz", "second.npz"):
        write_examples(tmp_path / name, collect_examples(batches, ["patch 5", "patch 1", "absent"]))
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    examples = read_examples(tmp_path / "first.npz")
    assert list(examples) == ["patch 5", "patch 1"]
    for row in (5, 1):
        np.testing.assert_equal(examples[f"patch {row}"], bands[row])
