"""Report of the stage `search`: one row per trial, one per epoch of each trial, the importance of each value."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

from landscribe.core.files import write_csv, write_json
from landscribe.search.config import MIN_TRIALS
from landscribe.search.study import Study, read_best_value, read_values

VALUE = "val_macro_ap"


@dataclass(frozen=True)
class Summary:
    """The results of a search.

    Attributes:
        num_trials: complete and pruned ones.
        num_pruned: trials that were stopped early.
        num_epochs: of all these trials.
        num_epochs_saved: epochs that pruning saved.
        best_trial: its number.
        best_val_macro_ap: its value.
        best: its values, under dotted keys of the section `train`.
    """

    num_trials: int
    num_pruned: int
    num_epochs: int
    num_epochs_saved: int
    best_trial: int
    best_val_macro_ap: float
    best: Mapping[str, Any]

    @classmethod
    def of(cls, study: Study) -> Self:
        """Return the summary of a study in which `search.trials` are answered."""
        table, best = make_trial_table(study), study.find_best()
        pruned = table[table["state"] == "PRUNED"]
        return cls(
            num_trials=len(table),
            num_pruned=len(pruned),
            num_epochs=int(table["num_epochs"].sum()),
            num_epochs_saved=int((study.config.epochs - pruned["num_epochs"]).sum()),
            best_trial=best.number,
            best_val_macro_ap=float(best.value or 0.0),
            best=read_values(best),
        )

    def make_metrics(self) -> dict[str, float]:
        """Return the numbers, by name."""
        return {name: value for name, value in asdict(self).items() if name != "best"}


def make_trial_table(study: Study) -> pd.DataFrame:
    """Return one row per answered trial: trial, state, values, val_macro_ap, num_epochs, seconds.

    `val_macro_ap` is that of the best epoch, of a pruned trial too; a diverged one has 0.
    """
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name,
            **read_values(trial),
            VALUE: read_best_value(trial),
            "num_epochs": len(trial.intermediate_values),
            "seconds": trial.duration.total_seconds() if trial.duration else math.nan,
        }
        for trial in study.list_answered()
    ]
    return pd.DataFrame(rows)


def write_search_report(folder: Path, study: Study) -> None:
    """Write trials.csv, epochs.csv, importance.csv and summary.json into `folder`; `pictures` draws them."""
    table = make_trial_table(study)
    tables = {"trials": table, "epochs": _make_epoch_table(study), "importance": _make_importance_table(study, table)}
    for name, content in tables.items():
        write_csv(folder / f"{name}.csv", content)
    write_json(folder / "summary.json", asdict(Summary.of(study)))


def _make_epoch_table(study: Study) -> pd.DataFrame:
    """Return one row per epoch of each answered trial: trial, state, epoch, val_macro_ap."""
    rows = [
        (trial.number, trial.state.name, epoch, value)
        for trial in study.list_answered()
        for epoch, value in trial.intermediate_values.items()
    ]
    return pd.DataFrame(rows, columns=["trial", "state", "epoch", VALUE])


def _make_importance_table(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per value that every trial varies: key, importance; none where too few trials say anything."""
    complete = table[table["state"] == "COMPLETE"]
    known = len(complete) >= MIN_TRIALS and complete[VALUE].nunique() > 1
    importances = study.compute_importances() if known else {}
    return pd.DataFrame(list(importances.items()), columns=["key", "importance"])
