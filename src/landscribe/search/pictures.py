"""Pictures of a search, drawn from what the stage `search` wrote: history, epochs, slices, importance."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landscribe.core.files import read_json
from landscribe.figures.charts import draw_bars, draw_note, figure, make_text, tick_whole_numbers
from landscribe.search.config import MIN_TRIALS

_VALUE = "val_macro_ap"
_PANELS_PER_ROW = 3
_TITLES = {
    "history": "Val macro average precision by trial",
    "epochs": "Val macro average precision by epoch",
    "slices": "Trials by value",
    "importance": "Importance of each value",
}


def draw_search(report_dir: Path, folder: Path) -> None:
    """Draw history.png, epochs.png, slices.png and importance.png; without trials each says so.

    Args:
        report_dir: of the stage `search`: summary.json and, where there were trials, trials.csv, epochs.csv and
            importance.csv.
        folder: receives the pictures.
    """
    summary = read_json(report_dir / "summary.json")
    if not summary["num_trials"]:
        for name, title in _TITLES.items():
            draw_note(folder / f"{name}.png", title, "There was no search: search.trials is 0.")
        return
    table, epochs, importance = (pd.read_csv(report_dir / f"{name}.csv") for name in ("trials", "epochs", "importance"))
    _draw_history(folder / "history.png", table)
    _draw_epochs(folder / "epochs.png", epochs, summary)
    _draw_slices(folder / "slices.png", table)
    _draw_importance(folder / "importance.png", importance, table)


def _draw_history(path: Path, table: pd.DataFrame) -> None:
    """Draw each trial's value in the order of the trials, and the best complete one so far."""
    complete = table[table["state"] == "COMPLETE"]
    with figure(path, 7, 4) as axes:
        _scatter(axes, table["trial"], table, "C0", "trial")
        axes.step(complete["trial"], complete[_VALUE].cummax(), where="post", color="C1", label="best so far")
        tick_whole_numbers(axes)
        axes.set(xlabel="trial (hollow: pruned)", ylabel="val macro AP", title=_TITLES["history"])
        axes.legend(frameon=False)


def _draw_epochs(path: Path, epochs: pd.DataFrame, summary: dict[str, Any]) -> None:
    """Draw each trial's val macro average precision by epoch; the title says what pruning saved."""
    done, saved = summary["num_epochs"], summary["num_epochs_saved"]
    title = f"{done} of {done + saved} epochs; {summary['num_pruned']} of {summary['num_trials']} trials pruned"
    with figure(path, 7, 4) as axes:
        for (_, state), trial in epochs.groupby(["trial", "state"]):
            style = {"color": "#bb8866", "linestyle": "--"} if state == "PRUNED" else {"color": "C0"}
            axes.plot(trial["epoch"], trial[_VALUE], marker=".", alpha=0.7, **style)
        tick_whole_numbers(axes)
        axes.set(xlabel="epoch (dashed: pruned)", ylabel="val macro AP", title=title)


def _draw_slices(path: Path, table: pd.DataFrame) -> None:
    """Draw each varied value against the result: one panel per key, one colour per backbone."""
    keys = [name for name in table if name not in ("trial", "state", "backbone", _VALUE, "num_epochs", "seconds")]
    backbones = sorted(table["backbone"].unique())
    rows, columns = -(-len(keys) // _PANELS_PER_ROW), min(len(keys), _PANELS_PER_ROW)
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
        panels[0].set_title(f"{_TITLES['slices']} (hollow: pruned)")
        panels[0].legend(frameon=False)


def _scatter(axes: Any, x: Any, table: pd.DataFrame, colour: str, label: str) -> None:
    """Draw trials as dots, pruned ones hollow."""
    pruned = table["state"] == "PRUNED"
    axes.scatter(x[~pruned], table[_VALUE][~pruned], color=colour, label=make_text(label))
    axes.scatter(x[pruned], table[_VALUE][pruned], edgecolor=colour, facecolor="none")


def _draw_importance(path: Path, importance: pd.DataFrame, table: pd.DataFrame) -> None:
    """Draw the importance of what every trial varies, or say why it is not known."""
    num_complete = int((table["state"] == "COMPLETE").sum())
    title = f"{_TITLES['importance']} in {num_complete} complete trials (PED-ANOVA)"
    if importance.empty:
        note = f"It takes {MIN_TRIALS} complete trials with different results; there are {num_complete}."
        draw_note(path, title, note)
        return
    draw_bars(path, title, importance["key"].tolist(), {"importance": importance["importance"].tolist()}, "share")
