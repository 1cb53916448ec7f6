"""Falls of classes: by name, drawn towards zero where positives are few."""

import numpy as np
import pytest

from landscribe.core.errors import PromotionError
from landscribe.core.scores import Scores
from landscribe.registry.comparison import compare_on_test, compute_falls
from landscribe.registry.versions import VersionFacts
from tests.support.challengers import BOOTSTRAP, POSITIVES, draw_scores

K = 3.0


def make_facts(*classes: str) -> VersionFacts:
    """Return facts with a threshold of 0.5 for each class."""
    return VersionFacts(
        bands={}, classes=classes, thresholds=dict.fromkeys(classes, 0.5), resamples=False, optional=(), size_bytes=1
    )


def test_a_class_lost_at_all_weighs_n_of_n_plus_k() -> None:
    truth = np.zeros((1000, 5), np.float32)
    for column, count in enumerate((0, 1, 3, 10, 300)):
        truth[:count, column] = 1
    names, classes = tuple(map(str, range(1000))), tuple("abcde")
    perfect, useless = Scores(names, truth, truth, classes), Scores(names, truth, 1 - truth, classes)
    falls = {fall.name: fall for fall in compute_falls(perfect, useless, K)}
    assert set(falls) == set("bcde")  # a class without a positive is not judged
    for fall in falls.values():
        lost = 1 - fall.challenger
        assert fall.champion == 1
        assert fall.weighed == pytest.approx(lost * fall.num_positives / (fall.num_positives + K))
    assert falls["b"].weighed > 0.2  # one patch alone, from first to last
    assert all(fall.weighed == pytest.approx(1 - fall.challenger) for fall in compute_falls(perfect, useless, 0.0))
    assert all(fall.weighed == 0 for fall in compute_falls(useless, useless, K))


def test_the_deepest_fall_stands_first() -> None:
    falls = compute_falls(draw_scores(dict.fromkeys(POSITIVES, 0.9)), draw_scores(dict.fromkeys(POSITIVES, 0.1)), K)
    assert [fall.weighed for fall in falls] == sorted((fall.weighed for fall in falls), reverse=True)


def test_the_order_of_classes_changes_nothing() -> None:
    quality = {"forest": 0.1, "water": 0.6, "glacier": 0.9}
    champion = draw_scores(dict.fromkeys(POSITIVES, 0.4)), make_facts(*POSITIVES)
    answers = []
    for names in (tuple(quality), tuple(reversed(quality))):
        challenger = draw_scores({name: quality[name] for name in names}), make_facts(*names)
        answers.append(compare_on_test(champion, challenger, "test_macro_f1", K, BOOTSTRAP))
    assert answers[0] == answers[1]
    assert answers[0].gain.value == pytest.approx(answers[0].challenger - answers[0].champion)


def test_scores_that_are_no_numbers_are_refused() -> None:
    scores, facts = draw_scores(dict.fromkeys(POSITIVES, 0.4)), make_facts(*POSITIVES)
    scores.scores[0, 0] = np.nan
    with pytest.raises(PromotionError, match="not numbers"):
        compare_on_test((scores, facts), (scores, facts), "test_macro_ap", K, BOOTSTRAP)
