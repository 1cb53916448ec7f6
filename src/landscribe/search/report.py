"""Report of the stage `search`: a row a trial; history, epochs, slices and importance as pictures."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from landscribe.core.files import replacing, write_json
from landscribe.figures.charts import draw_bars, draw_note, figure, make_text
from landscribe.search.study import Study, read_best_value, read_values

VALUE = "val_macro_ap"
_MIN_TRIALS = 4  # complete ones; the importance of fewer is noise
_PANELS_A_ROW = 3


@dataclass(frozen=True)
class Summary:
    """What came out of a search.

    Attributes:
        num_trials: complete and pruned ones.
        num_pruned: those that were ended early.
        num_epochs: of all these trials.
        num_epochs_saved: that the pruned ones did not have.
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
    """Return one row an answered trial: trial, state, values, val_macro_ap, num_epochs, seconds.

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
    """Write trials.csv, summary.json and pictures into `folder`."""
    table = make_trial_table(study)
    with replacing(folder / "trials.csv") as beside:
        table.to_csv(beside, index=False)
    write_json(folder / "summary.json", asdict(Summary.of(study)))
    _draw_history(folder / "history.png", table)
    _draw_epochs(folder / "epochs.png", study)
    _draw_slices(folder / "slices.png", table)
    _draw_importance(folder / "importance.png", study, table)


def _draw_history(path: Path, table: pd.DataFrame) -> None:
    """Draw each trial's value in the order of the trials, and the best complete one so far."""
    complete = table[table["state"] == "COMPLETE"]
    with figure(path, 7, 4) as axes:
        _scatter(axes, table["trial"], table, "C0", "trial")
        axes.step(complete["trial"], complete[VALUE].cummax(), where="post", color="C1", label="best so far")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel="trial (hollow: pruned)", ylabel="val macro AP", title="Val macro average precision by trial")
        axes.legend(frameon=False)


def _draw_epochs(path: Path, study: Study) -> None:
    """Draw each trial's val macro average precision by epoch; the title says what pruning saved."""
    summary = Summary.of(study)
    whole = summary.num_epochs + summary.num_epochs_saved
    title = f"{summary.num_epochs} of {whole} epochs; {summary.num_pruned} of {summary.num_trials} trials pruned"
    with figure(path, 7, 4) as axes:
        for trial in study.list_answered():
            pruned = trial.state.name == "PRUNED"
            style = {"color": "#bb8866", "linestyle": "--"} if pruned else {"color": "C0"}
            epochs = list(trial.intermediate_values)
            axes.plot(epochs, list(trial.intermediate_values.values()), marker=".", alpha=0.7, **style)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel="epoch (dashed: pruned)", ylabel="val macro AP", title=title)


def _draw_slices(path: Path, table: pd.DataFrame) -> None:
    """Draw each varied value against the result, a panel a key, a colour a backbone."""
    keys = [name for name in table if name not in ("trial", "state", "backbone", VALUE, "num_epochs", "seconds")]
    backbones = sorted(table["backbone"].unique())
    rows, columns = -(-len(keys) // _PANELS_A_ROW), min(len(keys), _PANELS_A_ROW)
    with figure(path, 1 + 3.6 * columns, 3.4 * rows, rows, columns) as grid:
        panels = np.atleast_1d(grid).flatten()
        for axes, key in zip(panels, keys, strict=False):
            varied = table.dropna(subset=[key])  # some keys are varied for some backbones alone
            numeric = pd.api.types.is_numeric_dtype(varied[key]) and varied[key].dtype != bool
            for backbone, part in varied.groupby("backbone"):
                x = part[key] if numeric else part[key].astype(str)
                _scatter(axes, x, part, f"C{backbones.index(backbone)}", str(backbone))
            axes.set(xlabel=make_text(key), ylabel="val macro AP")
            if numeric and varied[key].min() > 0 and varied[key].max() > 20 * varied[key].min():
                axes.set_xscale("log")
        for axes in panels[len(keys) :]:
            axes.axis("off")
        panels[0].set_title("Trials by value (hollow: pruned)")
        panels[0].legend(frameon=False)


def _scatter(axes: Any, x: Any, table: pd.DataFrame, colour: str, label: str) -> None:
    """Draw trials as dots, pruned ones hollow."""
    pruned = table["state"] == "PRUNED"
    axes.scatter(x[~pruned], table[VALUE][~pruned], color=colour, label=make_text(label))
    axes.scatter(x[pruned], table[VALUE][pruned], edgecolor=colour, facecolor="none")


def _draw_importance(path: Path, study: Study, table: pd.DataFrame) -> None:
    """Draw the importance of what every trial varies, or say why there is none."""
    complete = table[table["state"] == "COMPLETE"]
    title = f"Importance of each value in {len(complete)} complete trials (PED-ANOVA)"
    if len(complete) < _MIN_TRIALS or complete[VALUE].nunique() == 1:
        note = f"It takes {_MIN_TRIALS} complete trials with different results; there are {complete[VALUE].nunique()}."
        draw_note(path, title, note)
        return
    importance = study.compute_importances()
    draw_bars(path, title, list(importance), {"importance": list(importance.values())}, "share")
