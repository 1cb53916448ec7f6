"""The model card: the same facts the same text, each limit where its fact is, a description within MLflow's bound."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.files import write_json
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.core.params import parse_section, read_params
from landscribe.evaluation.report import write_evaluate_report, write_metrics
from landscribe.figures.tables import escape, make_markdown_table
from landscribe.records.schema import Manifest, Shard, write_manifest
from landscribe.registry.documentation import Facts, make_description, make_sections, read_facts, write_documentation
from landscribe.splits.config import SplitConfig
from landscribe.tracking.history import write_history
from tests.evaluation.test_report import make_evaluation
from tests.models.test_card import write_model_file
from tests.support.model_fixtures import make_train_config
from tests.support.paths import ROOT
from tests.support.problems import draw_scores

SECTIONS = (
    "Model details", "Intended use and limits", "Results", "Classes", "Slices", "Calibration and thresholds", "Data",
    "Split and its audit", "Training recipe",
)  # fmt: skip


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """The facts of a run, read from its files."""
    folder = tmp_path_factory.mktemp("run")
    test = draw_scores(2)
    evaluation = make_evaluation(test, 6)
    write_evaluate_report(folder / "evaluate", evaluation)
    write_metrics(folder, {split: {**row, "macro_ap_ridge": 0.1} for split, row in evaluation.headline.items()})
    shards: dict[str, tuple[Shard, ...]] = {
        split: (Shard("s", number, "d"),) for split, number in {"train": 300, "val": 60, "test": 60}.items()
    }
    manifest = Manifest(
        archive="bigearthnet-v2", nomenclature="BEN", classes=test.classes, bands=("B02",), groups=(), splits=shards
    )
    write_manifest(manifest, folder / "manifest.json")
    tags = {"git.commit": "abc", "git.dirty": "false", "versions": json.dumps({"keras": "3.15"}), "device": "CPU"}
    run = {"tags": tags, "params": {"train": make_train_config(epochs=2, keep="best").model_dump()}}
    write_json(folder / "train/run.json", run)
    write_history(folder / "train/history.csv", [{"val_macro_ap": 0.4}, {"val_macro_ap": 0.2}])
    leakage: dict[str, Any] = {"leak": 0.0, "num_seen": None}
    summaries: dict[str, dict[str, Any]] = {
        "split": {"not_in_a_split": 2, "left_out": {"buffer": 2}, "warnings": [], "leakage": leakage},
        "discover": {"num_patches": 422, "countries": {}, "num_tiles": 6, "quirks": {}, "excluded": {},
                     "quarantined": {"B02 is unreadable": 3}},
        "convert": {"quarantined": {}},
    }  # fmt: skip
    for stage, summary in summaries.items():
        write_json(folder / stage / "summary.json", summary)
    write_model_file(folder / "model.keras", classes=test.classes)
    split = parse_section(read_params(ROOT / "params.yaml"), "split", SplitConfig)
    return read_facts(folder, folder / "model.keras", folder / "manifest.json", folder, split)


def test_the_same_facts_give_the_same_card_with_every_section(facts: Facts, tmp_path: Path) -> None:
    for name in ("first.md", "second.md"):
        write_documentation(tmp_path / name, facts)
    text = (tmp_path / "first.md").read_text(encoding="utf-8")
    assert text == (tmp_path / "second.md").read_text(encoding="utf-8")
    assert tuple(line[3:] for line in text.splitlines() if line.startswith("## ")) == SECTIONS
    assert "<" not in text  # no HTML
    assert "nan" not in text


def test_the_card_says_what_the_run_says(facts: Facts) -> None:
    sections = {title: "\n".join(lines) for title, lines in make_sections(facts).items()}
    assert "commit abc |" in sections["Model details"]
    assert "10 numbers" in sections["Model details"]
    assert f"| {facts.metrics['test_macro_ap']:.3f}\u00a0" in sections["Results"]
    assert "interval by tile" in sections["Results"]
    assert sections["Classes"].count("\n") == len(facts.card.classes) + 1
    assert "3 B02 is unreadable" in sections["Data"]
    assert "300 train, 60 val, 60 test" in sections["Data"]
    assert "2 of 2 epochs; epoch 1 kept (best)" in sections["Training recipe"]


def change_tags(facts: Facts, **tags: str) -> Facts:
    """Return the facts of a run with other tags."""
    return replace(
        facts, run={**facts.run, "tags": {**facts.tags, **{key.replace("_", "."): tags[key] for key in tags}}}
    )


def change_leakage(facts: Facts, **leakage: Any) -> Facts:
    """Return the facts of another audit."""
    summary = {**facts.reports["split"], "leakage": {**facts.reports["split"]["leakage"], **leakage}}
    return replace(facts, reports={**facts.reports, "split": summary})


LIMITS: dict[str, Callable[[Facts], Facts]] = {
    "synthetic patches": lambda facts: replace(facts, manifest=replace(facts.manifest, archive="demo")),
    "Not better than ridge": lambda facts: replace(facts, metrics={**facts.metrics, "test_macro_ap_ridge": 0.999}),
    "12.5 % of the located": lambda facts: change_leakage(facts, leak=0.125),
    "have no places": lambda facts: change_leakage(facts, leak=None),
    "7 val and test patches were seen": lambda facts: change_leakage(facts, num_seen={"val": 3, "test": 4}),
    "no commit holds": lambda facts: change_tags(facts, git_dirty="true"),
}


@pytest.mark.parametrize("words", LIMITS)
def test_a_limit_stands_where_its_fact_is_and_only_there(facts: Facts, words: str) -> None:
    assert words not in "\n".join(make_sections(facts)["Intended use and limits"])
    assert words in "\n".join(make_sections(LIMITS[words](facts))["Intended use and limits"])


def test_classes_that_test_hardly_has_are_named(facts: Facts) -> None:
    limits = "\n".join(make_sections(facts)["Intended use and limits"])
    assert "Not scored, as no test patch carries them: rare." in limits
    counts = facts.tables["per_class"].assign(num_positives=[9, 10, 10, 10, 10, 10, 10])
    limits = "\n".join(
        make_sections(replace(facts, tables={**facts.tables, "per_class": counts}))["Intended use and limits"]
    )
    assert "hardly known: Beaches, dunes, sands." in limits
    assert "Not scored" not in limits


def make_wordy(facts: Facts, nomenclature: str) -> Facts:
    """Return the facts of a model of all bands, with every limit that a card can name, in the classes of an archive."""
    classes = NOMENCLATURES[nomenclature]().classes
    rare = [(0, 9, 12_345)[number % 3] for number in range(len(classes))]
    table = pd.concat([facts.tables["per_class"].iloc[:1]] * len(classes)).assign(**{"class": classes})
    bands: dict[str, dict[str, Any]] = {name: {"size_px": 120, "dtype": "uint16"} for name in S2_BANDS}
    bands |= {name: {"size_px": 60, "dtype": "uint16"} for name in ("B05", "B06", "B07", "B8A", "B11", "B12")}
    bands |= {name: {"size_px": 20, "dtype": "uint16"} for name in ("B01", "B09")}
    bands |= {name: {"size_px": 120, "dtype": "float32"} for name in S1_BANDS}
    wordy = replace(
        facts,
        card=replace(facts.card, classes=classes, nomenclature=nomenclature, bands=bands),
        tables={**facts.tables, "per_class": table.assign(num_positives=rare)},
    )
    for change in LIMITS.values():
        wordy = change(wordy)
    device = {"device": "GPU: 8 x NVIDIA H100 80GB HBM3", "git_commit": "0123456789abcdef0123456789abcdef01234567"}
    versions = json.dumps(dict.fromkeys(("tensorflow", "keras", "numpy", "mlflow", "python"), "12.345.678"))
    return change_tags(wordy, **device, versions=versions)


@pytest.mark.parametrize("nomenclature", ["BEN-19", "CLC-43", "Planet-17"])
def test_the_description_has_every_class(facts: Facts, nomenclature: str) -> None:
    wordy = make_wordy(facts, nomenclature)
    for one in (wordy, replace(facts, card=wordy.card, tables=wordy.tables)):
        text = make_description(one)
        assert len(text) <= 5000
        rows = [line.split("\u00a0\u00a0 | ")[0] for line in text.splitlines()]
        assert [name for name in one.card.classes if f"| {escape(name)}" not in rows] == []
        assert "## Results" in text


@pytest.mark.parametrize("copies", [1, 5, 60])
def test_the_description_keeps_within_the_bound_and_says_what_it_leaves_out(facts: Facts, copies: int) -> None:
    classes = pd.concat([facts.tables["per_class"]] * copies)
    warnings = {**facts.reports["split"], "warnings": ["a class too rare to score"] * 20 * copies}
    large = replace(
        facts,
        tables={**facts.tables, "per_class": classes},
        reports={**facts.reports, "split": warnings},
    )
    text = make_description(large)
    assert len(text) <= 5000
    left_out = [title for title in SECTIONS if f"## {title}\n" not in text]
    assert ("Left out here" in text) >= bool(left_out)
    assert all(title in text for title in left_out)
    assert "## Results" in text
    assert len(make_description(large, 300)) == 300


def test_names_are_shown_as_they_are_written() -> None:
    name = "*a* | b_c <b>bold</b> [x](y) `k` #1\n~2 & \\"
    assert "<" not in escape(name)
    assert "\n" not in escape(name)
    table = make_markdown_table(("class", "n"), [(escape(name), "1")])
    assert table[0] == "| class\u00a0\u00a0 | n |"
    assert table[2].replace(r"\|", "").count("|") == 3
