"""The whole pipeline in a separate checkout, through the real `dvc repro`: what a user does, in the order of a day."""

import json
import math

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.support.checkout import Checkout

# One story, one checkout, one worker: a second checkout costs a minute of every core, and this one is done before the
# other tests are.
pytestmark = pytest.mark.slow(130)

# Val has 16 patches: of the usual eight, f1 and f2 may well take the same thresholds.
SMALL = (
    "demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials=1 search.epochs=1"
    " search.backbones=[SmallResNet] evaluate.bootstrap.draws=100 train.epochs=1 train.batch_size_patches=16"
)
PROMISED = {
    "test_macro_ap", "test_micro_ap", "test_macro_f1", "test_micro_f1", "test_sample_f1", "test_sample_f2",
    "test_macro_f1_at_half", "test_sample_f2_at_half", "test_macro_ap_prior", "test_num_patches",
    "test_num_classes_scored",
}  # fmt: skip

DRAWN = ("train/learning_curves.png", "score/best.png", "score/worst.png")  # by the stage draw
PICTURES = ("evaluate/precision_recall.png", "evaluate/average_precision.png", "evaluate/confusion.png")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout after its first `make repro`, committed."""
    made = Checkout(tmp_path_factory.mktemp("river"))
    text = made.repro(SMALL)
    assert "landscribe version 1 (alias challenger)" in text
    assert "Traceback" not in text
    assert "Warning" not in text
    made.commit("first run")
    return made


def test_metrics_are_flat_finite_and_complete(checkout: Checkout) -> None:
    metrics = checkout.read("metrics/test.json")
    assert set(metrics) >= PROMISED
    assert all(math.isfinite(value) for value in metrics.values())
    assert all(key.startswith("val_") for key in checkout.read("metrics/val.json"))


def test_scores_hold_every_test_patch_once_with_the_class_names(checkout: Checkout) -> None:
    table = pq.read_table(checkout.folder / "scores/test.parquet")
    splits = pd.read_parquet(checkout.folder / "data/splits.parquet")
    assert sorted(table["patch_id"].to_pylist()) == sorted(splits[splits["split"] == "test"]["patch_id"])
    classes = json.loads(table.schema.metadata[b"classes"])
    assert {len(row) for row in table["score"].to_pylist()} == {len(classes)} == {19}


def test_a_second_run_notices_the_archive_and_nothing_else(checkout: Checkout) -> None:
    before = checkout.run("git", "status", "--porcelain").stdout
    text = checkout.run("dvc", "repro").stdout
    assert [line for line in text.splitlines() if "Running" in line] == ["Running stage 'fingerprint':"]
    assert checkout.run("git", "status", "--porcelain").stdout == before


def test_promote_moves_the_alias_once_and_the_champion_labels_a_patch(checkout: Checkout) -> None:
    assert "version 1 of landscribe is champion" in checkout.run("landscribe", "promote").stdout
    assert checkout.run("landscribe", "promote", check=False).returncode == 1
    patch = next((checkout.folder / "data/demo/BigEarthNet-v1.0").iterdir())
    model = "models:/landscribe@champion"
    checkout.run("landscribe", "predict", str(patch), "--model", model, "--out", "labels.csv")
    table = pd.read_csv(checkout.folder / "labels.csv")
    assert table["patch_id"].tolist() == [patch.name]
    assert list(table.columns[-2:]) == ["labels", "warning"]
    assert table.shape == (1, 22)
    (checkout.folder / "labels.csv").unlink()


def test_every_picture_is_among_the_plots(checkout: Checkout) -> None:
    plots = checkout.run("dvc", "plots", "show", "--json").stdout
    assert not [name for name in (*(f"draw/{name}" for name in DRAWN), *PICTURES) if f"reports/{name}" not in plots]


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        ("train.lerning_rate=1", "Did you mean 'learning_rate'"),
        ("train.epochs=0", "train.epochs"),
        ("archive.root=nowhere archive.layout=bigearthnet-v1 convert.bands=[B04] train.bands=[B04]", "does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_ends_the_run(checkout: Checkout, assignments: str, words: str) -> None:
    done = checkout.run("python", "-m", "landscribe.cli.repro", "--set", assignments, check=False)
    checkout.run("git", "checkout", "--quiet", "params.yaml")
    assert done.returncode != 0
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in done.stdout
