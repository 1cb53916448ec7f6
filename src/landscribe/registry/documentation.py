"""The model card: what a version is, what it was trained on, how good it is and where its limits are.

Sections after Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, arXiv:1810.03993. Except for the archives'
papers and licences, each sentence is made from a file of the run, so that the same run gives the same text. Markdown
without HTML, as MLflow shows it.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from landscribe.core.files import read_json, replacing
from landscribe.figures.tables import escape, make_markdown_table
from landscribe.models.card import ModelCard, count_weights, read_card
from landscribe.records.schema import Manifest, read_manifest
from landscribe.splits.config import SPLITS, SplitConfig
from landscribe.tracking.history import read_history

MAX_DESCRIPTION = 5000  # characters that MLflow's registry stores of a version (String(5000) in its dbmodels/models.py)
_PAPER = "After Mitchell et al., [Model Cards for Model Reporting](https://arxiv.org/abs/1810.03993)."
_MAX_NAMES = 3  # of a list in a sentence; the table of classes has all
_FEW_POSITIVES = 10  # of a class in test: with fewer, its numbers depend on chance
_LIBRARIES = ("tensorflow", "keras", "numpy", "mlflow", "python")
# The sections that a description leaves out, in this order, until it fits; the run's artifact has them.
_DISPENSABLE = ("Split and its audit", "Training recipe", "Slices", "Data", "Calibration and thresholds", "Classes")
_BEN_V1 = (
    "BigEarthNet: Sumbul et al., IGARSS 2019, [arXiv:1902.06148](https://arxiv.org/abs/1902.06148); with Sentinel-1"
    " Sumbul et al., IEEE GRSM 9(3), 2021, [arXiv:2105.07921](https://arxiv.org/abs/2105.07921). Licence"
    " CDLA-Permissive-1.0; contains modified Copernicus Sentinel data."
)
_SOURCES = {
    "demo": "Drawn by a random number generator in the layout of BigEarthNet; no place on Earth.",
    "bigearthnet-v1": _BEN_V1,
    "bigearthnet-tfrecord": _BEN_V1,
    "bigearthnet-v2": (
        "reBEN: Clasen et al., 2024, [arXiv:2407.03653](https://arxiv.org/abs/2407.03653). Licence"
        " CDLA-Permissive-1.0; contains modified Copernicus Sentinel data."
    ),
    "tagged-images": "Licence and authors of the images are not known here: ask whoever they come from.",
}
_HEADLINE = {
    "macro_ap": "macro average precision",
    "micro_ap": "micro average precision",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "sample_f1": "sample F1",
    "sample_f2": "sample F2",
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts that a card is written from.

    Attributes:
        card: bands and classes of the model.
        num_weights: numbers in the model file, the statistics of its normalisation included.
        manifest: of the records.
        run: `run.json`: tags and params of the training.
        history: a row per epoch.
        reports: summaries of the stages discover, split, convert and evaluate; that of evaluate is its section.
        tables: `metrics`, `per_class`, `slices` of the stage evaluate.
        metrics: those of val and test together, with the prefix of their split.
        split: section `split` of the params.
    """

    card: ModelCard
    num_weights: int
    manifest: Manifest
    run: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    reports: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, float]
    split: SplitConfig

    @property
    def train(self) -> Mapping[str, Any]:
        """Section `train`, with the choices of the search."""
        section: Mapping[str, Any] = self.run["params"]["train"]
        return section

    @property
    def window_m(self) -> float | None:
        """Ground side of the patches, metres; None where it is unknown."""
        side_m: float | None = self.reports["discover"].get("window_m")
        return side_m

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the run."""
        tags: Mapping[str, str] = self.run["tags"]
        return tags


def read_facts(reports: Path, model_path: Path, manifest_path: Path, metrics: Path, split: SplitConfig) -> Facts:
    """Return the facts of the run that wrote these files.

    Args:
        reports: folder of the reports of all stages.
        model_path: `model.keras`.
        manifest_path: of the records.
        metrics: folder of `val.json` and `test.json`.
        split: section `split`.
    """
    stages = ("discover", "split", "convert", "evaluate")
    return Facts(
        card=read_card(model_path),
        num_weights=count_weights(model_path),
        manifest=read_manifest(manifest_path),
        run=read_json(reports / "train/run.json"),
        history=read_history(reports / "train/history.csv"),
        reports={stage: read_json(reports / stage / "summary.json") for stage in stages},
        # Only an empty cell is unknown: a class may be named "NA".
        tables={
            name: pd.read_csv(reports / f"evaluate/{name}.csv", keep_default_na=False, na_values=[""])
            for name in ("metrics", "per_class", "slices")
        },
        metrics=read_json(metrics / "val.json") | read_json(metrics / "test.json"),
        split=split,
    )


def write_documentation(path: Path, facts: Facts) -> None:
    """Write the whole card, atomically."""
    with replacing(path) as beside:
        beside.write_text(_join(facts, make_sections(facts)), encoding="utf-8")


def make_description(facts: Facts, limit: int = MAX_DESCRIPTION) -> str:
    """Return the card; one too long for a description with fewer columns of the classes, and then fewer sections."""
    sections = make_sections(facts)
    text = _join(facts, sections)
    if len(text) <= limit:
        return text
    sections["Classes"] = _list_classes(facts)
    for number in range(len(_DISPENSABLE) + 1):
        left_out = _DISPENSABLE[:number]
        kept = {title: lines for title, lines in sections.items() if title not in left_out}
        more = ", ".join(("columns of the classes", *left_out))
        text = _join(facts, kept) + f"\nLeft out here: {more}. The whole card: `register/model_card.md` of the run.\n"
        if len(text) <= limit:
            return text
    return text[: limit - 1] + "…"


def make_sections(facts: Facts) -> dict[str, list[str]]:
    """Return title -> lines of Markdown, in the order of the card."""
    return {
        "Model details": _describe_model(facts),
        "Intended use and limits": _describe_limits(facts),
        "Results": _describe_results(facts),
        "Classes": _describe_classes(facts),
        "Slices": _describe_slices(facts),
        "Calibration and thresholds": _describe_thresholds(facts),
        "Data": _describe_data(facts),
        "Split and its audit": _describe_split(facts),
        "Training recipe": _describe_training(facts),
    }


def _join(facts: Facts, sections: Mapping[str, list[str]]) -> str:
    card = facts.card
    lines = [f"# {escape(card.backbone)} on {escape(facts.manifest.archive)}, {escape(card.nomenclature)}", "", _PAPER]
    for title, content in sections.items():
        lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def _describe_bands(bands: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the names in order, with what neighbours have in common said once."""

    def describe(name: str) -> str:
        band = bands[name]
        wavelength = f", {band['wavelength_nm']:g} nm" if "wavelength_nm" in band else ""
        return f"({band['dtype']}, {band['size_px']} px{wavelength})"

    return ", ".join(f"{', '.join(map(escape, names))} {words}" for words, names in itertools.groupby(bands, describe))


def _describe_model(facts: Facts) -> list[str]:
    card, tags = facts.card, facts.tags
    versions = json.loads(tags.get("versions", "{}"))
    resized = " Images of another size are resampled." if card.resamples else ""
    limit = card.max_nodata_fraction
    resized += f" Nodata is the train mean; more than {limit:.0%} of it leaves out." if limit is not None else ""
    weights = facts.train["weights"]
    dirty = ", with changes that are not committed" if tags.get("git.dirty") == "true" else ""
    made_with = ", ".join(f"{name} {versions[name]}" for name in _LIBRARIES if name in versions)
    gives = f"a score from 0 to 1 of each of the {len(card.classes)} classes of {escape(card.nomenclature)}"
    rows = {
        "backbone": f"{escape(card.backbone)}, {weights or 'random'} initial weights, {facts.num_weights:,} numbers",
        "takes": f"raw digital numbers by band name: {_describe_bands(card.bands)}.{resized}",
        "gives": f"{gives}, and the labels at the thresholds",
        "code": f"commit {tags.get('git.commit', 'unknown')}{dirty}",
        "made with": made_with,
        "trained on": escape(tags.get("device", "unknown")),
    }
    return make_markdown_table(("what", "value"), rows.items())


def _describe_limits(facts: Facts) -> list[str]:
    """Return the intended use of the model, and one line per limit that follows from the facts."""
    classes, metrics = facts.tables["per_class"], facts.metrics
    unscored = classes[classes["num_positives"] == 0]["class"].tolist()
    few = classes[classes["num_positives"].between(1, _FEW_POSITIVES - 1)]["class"].tolist()
    leak = facts.reports["split"]["leakage"]["leak"]
    ridge = metrics.get("test_macro_ap_ridge")
    pretrained = facts.reports["split"]["leakage"]["num_seen"] or {}
    limits = {
        "Trained and tested on synthetic patches: the scores say nothing about real land.":
            facts.manifest.archive == "demo",
        "Not better than ridge regression on band means and deviations"
        f" ({_format(ridge)} macro average precision): do not use it.":
            ridge is not None and metrics["test_macro_ap"] <= ridge,
        f"Not scored, as no test patch carries them: {_list(unscored)}.": unscored,
        f"Fewer than {_FEW_POSITIVES} test patches, so hardly known: {_list(few)}.": few,
        f"{_share(leak)} of the located val and test patches touch a train patch: expect less on new places.": leak,
        "How far val and test lie from train is unknown, since the patches have no places.": leak is None,
        f"{sum(pretrained.values()):,} val and test patches were seen by the pretrained backbone.":
            sum(pretrained.values()),
        "The code had changes that no commit holds: the run cannot be repeated exactly.":
            facts.tags.get("git.dirty") == "true",
        f"One training, seed {facts.train['seed']}: no interval here says how far another seed would move the scores.":
            True,
        "Other sensors, processing levels, seasons and countries than those of the data were not tested.": True,
    }  # fmt: skip
    use = (
        "For labelling patches of the same kind as its data with all land-cover classes that they hold, and for"
        " comparing models. Not for areas, maps of single pixels, or decisions about people or property."
    )
    return [use, "", *(f"- {sentence}" for sentence, holds in limits.items() if holds)]


def _describe_results(facts: Facts) -> list[str]:
    table = facts.tables["metrics"].set_index("metric")
    units = [unit for unit in ("patch", "tile") if f"low_by_{unit}" in table]
    rows = []
    for name, words in _HEADLINE.items():
        row = table.loc[name]
        ends = [_interval(row[f"low_by_{unit}"], row[f"high_by_{unit}"]) for unit in units]
        rows.append((words, _format(row["test"]), *ends, _format(row["val"])))
    nothing = ["" for _ in units]
    for key, words in (("macro_ap_ridge", "ridge on band statistics"), ("macro_ap_prior", "prior (knows nothing)")):
        if f"test_{key}" in facts.metrics:
            values = (_format(facts.metrics[f"{split}_{key}"]) for split in ("test", "val"))
            rows.append((f"macro average precision of {words}", next(values), *nothing, next(values)))
    scored = f"{int(table.loc['num_classes_scored', 'test'])} of {len(facts.card.classes)} classes"
    bootstrap = facts.reports["evaluate"]["bootstrap"]
    text = (
        f"Test split: {int(table.loc['num_patches', 'test']):,} patches; macro is the mean of the {scored} that they"
        f" carry. Intervals of {100 * bootstrap['confidence']:g} % by the bootstrap, {bootstrap['draws']:,} draws."
    )
    return [text, "", *make_markdown_table(("metric", "test", *(f"interval by {unit}" for unit in units), "val"), rows)]


def _describe_classes(facts: Facts) -> list[str]:
    rows = [
        (
            escape(row["class"]),
            f"{row['num_positives']:,}",
            _format(row["average_precision"]),
            _interval(row["average_precision_low"], row["average_precision_high"]),
            _format(row["prior"]),
            _format(row["f1"]),
            _format(row["threshold"]),
        )
        for _, row in facts.tables["per_class"].iterrows()
    ]
    header = ("class", "test patches", "average precision", "interval by patch", "prior", "F1", "threshold")
    return make_markdown_table(header, rows)


def _list_classes(facts: Facts) -> list[str]:
    """Return the table of classes with the columns that matter most."""
    rows = [
        (escape(row["class"]), f"{row['num_positives']:,}", _format(row["average_precision"]))
        for _, row in facts.tables["per_class"].iterrows()
    ]
    return ["AP: average precision.", "", *make_markdown_table(("class", "test patches", "AP"), rows)]


def _describe_slices(facts: Facts) -> list[str]:
    """Return the best and the worst slice of each kind; for a kind with one slice, that slice."""
    rows = []
    for kind, group in facts.tables["slices"].groupby("kind", sort=False):
        ranked = group.sort_values(["macro_ap", "slice"], ascending=[False, True])
        for _, row in ranked.iloc[[0, -1] if len(ranked) > 1 else [0]].iterrows():
            interval = _interval(row["macro_ap_low"], row["macro_ap_high"])
            cells = (f"{row['num_patches']:,}", _format(row["macro_ap"]), interval, _format(row["macro_ap_prior"]))
            rows.append((f"{kind} {escape(str(row['slice']))}", *cells))
    if not rows:
        return ["Neither country, season, tile nor satellite of the test patches is known."]
    header = ("slice", "test patches", "macro average precision", "interval by patch", "prior")
    return [
        "The best and the worst of each kind, each with classes of its own.",
        "",
        *make_markdown_table(header, rows),
    ]


def _describe_thresholds(facts: Facts) -> list[str]:
    table, config = facts.tables["metrics"].set_index("metric"), facts.reports["evaluate"]
    gain, values = table.loc["macro_f1_gain"], facts.tables["per_class"]["threshold"]
    goal = config["threshold_metric"]
    floor = f" at no less than {config['min_precision']:g}" if goal == "precision" else ""
    gained = f"{gain['test']:+.3f} ({gain['low_by_patch']:+.3f} to {gain['high_by_patch']:+.3f})"
    pooled, by_class = (_format(table.loc[f"{average}_calibration_error", "test"]) for average in ("micro", "macro"))
    return [
        f"- Fitted on val alone, for the best {goal}{floor}; from {_format(values.min())} to {_format(values.max())}.",
        f"- Against 0.5 they change the macro F1 of test by {gained}.",
        f"- Expected calibration error of test: {pooled} over all decisions, {by_class} as the mean over classes.",
    ]


def _describe_data(facts: Facts) -> list[str]:
    discover, archive = facts.reports["discover"], facts.manifest.archive
    numbers = ", ".join(f"{facts.manifest.num_records(split):,} {split}" for split in SPLITS)
    places = {"countries": len(discover["countries"]), "tiles": discover["num_tiles"]}
    located = ", ".join(f"{number:,} {what}" for what, number in places.items() if number) or "places unknown"
    left = {
        "Quarantined when the archive was read": discover["quarantined"],
        "Excluded by the lists or flags of the params": discover["excluded"],
        "Quarantined when the records were written": facts.reports["convert"]["quarantined"],
        "Quirks of the archive repaired": discover["quirks"],
    }
    digests = f"fingerprint `{facts.tags.get('archive_digest', 'unknown')}`; records `{facts.manifest.digest}`"
    return [
        f"- Archive layout `{archive}`, {digests}.",
        f"- {_SOURCES.get(archive, _SOURCES['tagged-images'])}",
        f"- {discover['num_patches']:,} patches ({located}): {numbers}.",
        *(f"- {words}: {_format_reasons(reasons)}." for words, reasons in left.items()),
    ]


def _describe_split(facts: Facts) -> list[str]:
    summary, split = facts.reports["split"], facts.split
    seed = "" if split.strategy == "official" else f", seed {split.seed}"
    leak = summary["leakage"]["leak"]
    touching = "unknown, as the patches have no places" if leak is None else f"{_share(leak)} of val and test"
    left_out = summary["left_out"]
    return [
        f"- Strategy {split.strategy}{seed}; in no split: {summary['not_in_a_split']:,}"
        + (f" ({_format_reasons(left_out)})." if left_out else "."),
        f"- Patches that touch a train patch: {touching}.",
        *(f"- {escape(warning.rstrip('.'))}." for warning in summary["warnings"]),
    ]


def _describe_training(facts: Facts) -> list[str]:
    train = facts.train
    rows = [row["val_macro_ap"] for row in facts.history]
    kept = rows.index(max(rows)) if train["keep"] == "best" else len(rows) - 1
    loss = train["loss"]["name"]
    values = ", ".join(f"{key} {value}" for key, value in train["loss"].get(loss, {}).items())
    shown = {
        "loss": f"{loss} ({values})" if values else loss,
        **{key: value for key, value in train.items() if key not in ("loss", "bands", "epochs", "keep")},
    }
    epochs = f"{len(rows)} of {train['epochs']} epochs; epoch {kept + 1} kept ({train['keep']})"
    return [
        f"- {epochs}, val macro average precision {_format(rows[kept])}.",
        *(f"- {key}: {_format_value(value)}" for key, value in shown.items()),
    ]


def _format(value: float | None) -> str:
    return "unknown" if value is None or pd.isna(value) else f"{value:.3f}"


def _interval(low: float, high: float) -> str:
    return "unknown" if pd.isna(low) else f"{_format(low)} to {_format(high)}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _list(names: Sequence[str]) -> str:
    shown = "; ".join(escape(name) for name in names[:_MAX_NAMES])
    return shown + (f"; and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")


def _format_reasons(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{number:,} {escape(reason)}" for reason, number in sorted(counts.items())) or "none"


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_format_value(inner)}" for key, inner in value.items())
    return "none" if value is None else escape(str(value))
