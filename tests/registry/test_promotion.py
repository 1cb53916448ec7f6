"""Promotion: what passes, what is refused and with which sentence, and that the registry records it either way."""

import json
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from landscribe.core.errors import ParamsError, PromotionError, RegistryError
from landscribe.figures.tables import escape
from landscribe.registry.champions import read_log
from landscribe.registry.decision import format_decision, make_outcome
from landscribe.tracking.registered import CHAMPION
from tests.support.challengers import POSITIVES, Challenge

pytest_plugins = ["tests.support.model_fixtures", "tests.support.challengers"]
pytestmark = pytest.mark.slow(25)

BAND = {"size_px": 4, "dtype": "uint16"}


def refuse(challenge: Challenge, force_reason: str | None = None, **changed: Any) -> str:
    """Return the sentence with which the challenger is refused; the champion stays, and nothing enters the log."""
    before = challenge.read_champion(), read_log(challenge.name)
    decision = challenge.promote(force_reason, **changed)
    assert decision.verdict == "refused"
    assert (challenge.read_champion(), read_log(challenge.name)) == before
    return make_outcome(decision)


def test_the_first_challenger_passes_without_any_scores(challenge: Challenge) -> None:
    version = challenge.register(0.0, scores_path=None, metrics={"test_macro_ap": 0.01})
    decision = challenge.promote(confident=True)
    assert make_outcome(decision) == (
        f"version {version} of {challenge.name} is champion (first champion); test_macro_ap 0.0100"
    )
    assert challenge.read_champion() == version


def test_a_better_one_passes_and_both_versions_say_so(challenge: Challenge) -> None:
    first = challenge.register(0.3)
    challenge.promote()
    second = challenge.register(0.9)
    decision = challenge.promote(confident=True)
    assert challenge.read_champion() == second
    gain = decision.comparison.gain  # type: ignore[union-attr]
    assert 0 < gain.low < gain.value < gain.high
    own, other = challenge.read_tags(second), challenge.read_tags(first)
    assert own["promotion.verdict"] == other["challenged.verdict"] == "promoted"
    assert own["promotion.against"] == "version 1"
    assert own["promotion.why"] == "test_macro_ap above version 1"
    assert other["challenged.by"] == "version 2"
    assert own["promotion.gain"] == other["challenged.gain"] == f"{gain.value:+.4f}"
    assert own["promotion.interval"] == f"{gain.low:+.4f} to {gain.high:+.4f} at 95 %"
    assert other["promotion.why"] == "first champion"  # what was said of it before stays


def test_the_decision_is_an_artifact_of_the_challengers_run(challenge: Challenge) -> None:
    for quality in (0.3, 0.9):
        version = challenge.register(quality)
        decision = challenge.promote()
    path = f"runs:/{challenge.run_id}/promotion/version_{version}/decision"
    record = json.loads(mlflow.artifacts.load_text(f"{path}.json"))
    assert record["verdict"] == "promoted"
    assert [rule["passed"] for rule in record["rules"]] == [True, True, None, True, True, True, None]
    assert {row["name"]: row["num_positives"] for row in record["comparison"]["classes"]} == POSITIVES
    page = mlflow.artifacts.load_text(f"{path}.md")
    table = format_decision(decision)
    for rule in decision.rules:
        assert f"| {escape(rule.name)}\u00a0" in page
        assert rule.name in table


@pytest.mark.parametrize("quality", [0.5, 0.2])
def test_an_equal_and_a_worse_one_are_refused_with_the_numbers(challenge: Challenge, quality: float) -> None:
    challenge.register(0.5)
    challenge.promote()
    version = challenge.register(quality)
    said = refuse(challenge, class_tolerance=1.0)
    decision = challenge.promote(class_tolerance=1.0)
    scores = decision.comparison
    assert scores is not None
    assert f"version 2 of {challenge.name} is refused: it is not better: test_macro_ap: expected a gain above 0" in said
    assert f"received {scores.champion:.4f} to {scores.challenger:.4f}: {scores.gain.value:+.4f} [" in said
    assert said.endswith('--force "REASON" overrides this.')
    tags = challenge.read_tags(version)
    assert tags["promotion.verdict"] == "refused"
    assert tags["promotion.why"] in said


def test_one_that_loses_a_rare_class_is_refused_although_it_is_better(challenge: Challenge) -> None:
    challenge.register({"forest": 0.0, "water": 0.0, "glacier": 0.9})
    challenge.promote()
    challenge.register({"forest": 1.0, "water": 1.0, "glacier": 0.0})
    said = refuse(challenge)
    assert (
        "it loses 1 of the classes: expected no fall in average precision above 0.2; received glacier: 1.000 to" in said
    )
    assert "on 3 test patches" in said
    assert "not better" not in said
    assert challenge.promote(class_tolerance=1.0).verdict == "promoted"


def test_a_gain_that_may_be_chance_is_refused_where_certainty_is_asked_for(challenge: Challenge) -> None:
    challenge.register(0.4)
    challenge.promote()
    challenge.register(0.42)
    said = refuse(challenge, confident=True)
    assert "it may be better by chance: test_macro_ap: expected a gain, its interval included, above 0;" in said
    assert "expected a gain above 0.5;" in refuse(challenge, min_gain=0.5)
    assert challenge.promote().verdict == "promoted"


def test_the_metric_is_the_chosen_one(challenge: Challenge) -> None:
    for quality in (0.3, 0.9):
        challenge.register(quality)
        decision = challenge.promote(metric="test_micro_ap")
    assert "test_micro_ap above version 1" in make_outcome(decision)
    assert read_log(challenge.name)[-1].metric == "test_micro_ap"
    assert read_log(challenge.name)[-1].score == decision.comparison.challenger  # type: ignore[union-attr]


def test_a_forced_one_passes_and_the_reason_is_kept(challenge: Challenge) -> None:
    challenge.register(0.5)
    challenge.promote()
    version = challenge.register(0.2)
    decision = challenge.promote("the old one is biased; see minutes", class_tolerance=1.0)
    assert challenge.read_champion() == version
    entry = read_log(challenge.name)[-1]
    assert (entry.kind, entry.why) == ("forced", "forced: the old one is biased; see minutes")
    assert entry.gain == decision.comparison.gain.value < 0  # type: ignore[union-attr]
    assert challenge.read_tags(version)["promotion.verdict"] == "forced"


def test_a_reason_leaves_no_trace_where_it_was_not_needed(challenge: Challenge) -> None:
    for quality in (0.3, 0.9):
        challenge.register(quality)
        challenge.promote("just to be sure")
    assert [entry.kind for entry in read_log(challenge.name)] == ["promoted", "promoted"]


@pytest.mark.parametrize(
    ("reason", "words"), [("", "expected a reason"), (" ", "expected a reason"), ("x" * 1001, "1,000")]
)
def test_a_reason_is_words_and_not_a_book(challenge: Challenge, reason: str, words: str) -> None:
    challenge.register(0.5)
    with pytest.raises(ParamsError, match=words):
        challenge.promote(reason)


@pytest.mark.parametrize("reason", [None, "I want it"])
def test_other_classes_are_always_refused_with_the_key_that_helps(challenge: Challenge, reason: str | None) -> None:
    challenge.register(0.5)
    challenge.promote()
    challenge.register({"forest": 1.0, "water": 1.0})
    said = refuse(challenge, reason)
    assert "expected forest; water; glacier. The challenger (version 2) has forest; water." in said
    assert "set register.model_name in params.yaml" in said
    assert "--force" not in said


def test_the_same_classes_in_another_order_are_the_same(challenge: Challenge) -> None:
    challenge.register({"forest": 0.3, "water": 0.4, "glacier": 0.5})
    challenge.promote()
    challenge.register({"glacier": 0.6, "forest": 0.4, "water": 0.5})
    comparison = challenge.promote().comparison
    assert comparison is not None
    assert {fall.name for fall in comparison.classes if fall.challenger < fall.champion} == set()
    assert {fall.name: fall.num_positives for fall in comparison.classes} == POSITIVES


def test_other_bands_are_refused_with_both_lists(challenge: Challenge) -> None:
    challenge.register(0.3)
    challenge.promote()
    for bands in ({"B02": BAND, "B03": BAND}, {"B02": BAND | {"dtype": "uint8"}}, {"B02": BAND | {"size_px": 8}}):
        challenge.register(0.9, bands=bands)
        said = refuse(challenge)
        shown = ", ".join(f"{name} {band['dtype']} {band['size_px']} px" for name, band in bands.items())
        assert f"it takes other bands: expected B02 uint16 4 px; received {shown}." in said
    assert challenge.promote("callers were informed").verdict == "forced"


def test_a_sensor_that_the_champion_can_do_without_must_stay_so(challenge: Challenge) -> None:
    bands = {"B02": BAND, "VV": BAND | {"dtype": "float32"}}
    optional = {"S1": {"VV": 0.0}, "S2": {"B02": 0.0}}
    challenge.register(0.3, bands=bands, optional=optional)
    challenge.promote()
    challenge.register(0.9, bands=bands)
    assert "VV float32 4 px; never without S1; never without S2." in refuse(challenge)
    challenge.register(0.9, bands=dict(reversed(bands.items())), optional=optional)
    assert challenge.promote().verdict == "promoted"


def test_scores_on_other_test_patches_are_not_compared(challenge: Challenge, tmp_path: Path) -> None:
    challenge.register(0.3)
    challenge.promote()
    version = challenge.register(0.9, test="another")
    said = refuse(challenge)
    assert "the champion, version 1, was scored on other test patches" in said
    assert f"{tmp_path / 'records'} has none to score it again on" in said
    challenge.promote("the archive has grown")
    assert challenge.read_champion() == version
    assert read_log(challenge.name)[-1].gain is None
    assert challenge.read_tags(version)["promotion.gain"] == "not compared"


def test_scores_of_every_test_split_are_kept(challenge: Challenge) -> None:
    challenge.register(0.3)
    challenge.promote()
    challenge.register(0.9, test="another")
    challenge.register(0.8)  # back on the split that the champion knows
    assert challenge.promote().verdict == "promoted"


def test_a_challenger_without_scores_is_refused(challenge: Challenge) -> None:
    challenge.register(0.3)
    challenge.promote()
    challenge.register(0.9, scores_path=None)
    assert "version 2 was registered without its test scores; run make repro again" in refuse(challenge)


def test_a_model_that_is_too_large_is_refused_also_as_the_first(challenge: Challenge) -> None:
    challenge.register(0.3)
    assert "its size is 0.02 MB; expected at most 0.001 MB (promote.max_size_mb)." in refuse(
        challenge, max_size_mb=0.001
    )
    assert challenge.promote(max_size_mb=1.0).verdict == "promoted"


def test_there_must_be_a_challenger_other_than_the_champion(challenge: Challenge) -> None:
    with pytest.raises(PromotionError, match="no challenger"):
        challenge.promote()
    challenge.register(0.5)
    challenge.promote()
    for reason in (None, "again"):
        with pytest.raises(PromotionError, match="version 1 is the champion already"):
            challenge.promote(reason)
    assert len(read_log(challenge.name)) == 1


def test_the_champion_is_whom_the_alias_names(challenge: Challenge) -> None:
    for quality in (0.3, 0.9):
        challenge.register(quality)
        challenge.promote()
    MlflowClient().set_registered_model_alias(challenge.name, CHAMPION, "1")
    challenge.register(0.6)  # better than version 1, not than version 2
    decision = challenge.promote()
    assert (decision.champion, decision.verdict) == ("1", "promoted")
    assert [(entry.version, entry.kind) for entry in read_log(challenge.name)] == [
        ("1", "promoted"),
        ("2", "promoted"),
        ("1", "by hand"),
        ("3", "promoted"),
    ]


def test_a_run_that_is_gone_is_said_and_hinders_nothing(
    challenge: Challenge, capsys: pytest.CaptureFixture[str]
) -> None:
    version = challenge.register(0.3)
    MlflowClient().delete_run(challenge.run_id)
    challenge.promote()
    assert f"the run of version {version} is gone" in capsys.readouterr().err
    assert challenge.read_champion() == version


def test_a_version_of_another_origin_is_one_sentence(challenge: Challenge) -> None:
    challenge.register(0.3)
    challenge.promote()
    client = MlflowClient()
    foreign = client.create_model_version(challenge.name, f"runs:/{challenge.run_id}/nothing", challenge.run_id)
    client.set_registered_model_alias(challenge.name, "challenger", foreign.version)
    with pytest.raises(RegistryError, match=r"version 2 of .* cannot be read") as caught:
        challenge.promote()
    assert "\n" not in str(caught.value)
