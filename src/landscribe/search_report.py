"""Report of the stage `search`: a row a trial, history, importance and slices."""

from pathlib import Path

import optuna
import pandas as pd

from landscribe.charts import draw_bars, draw_lines, figure
from landscribe.files import replacing
from landscribe.search import SearchConfig, completed, make_trial_rows


def write_search_report(folder: Path, study: optuna.Study, config: SearchConfig) -> pd.DataFrame:
    """Write trials.csv and pictures into `folder`; return the trials."""
    table = pd.DataFrame(make_trial_rows(completed(study, config)))
    with replacing(folder / "trials.csv") as beside:
        table.to_csv(beside, index=False)
    best = table["val_macro_ap"].cummax().tolist()
    draw_lines(
        folder / "history.png",
        "Val macro average precision by trial",
        table["trial"].tolist(),
        {"trial": table["val_macro_ap"].tolist(), "best so far": best},
        "trial",
    )
    _draw_slices(folder / "slices.png", table)
    if len(table) > 3 and table["val_macro_ap"].nunique() > 1:  # importance of a handful of trials is noise
        importance = optuna.importance.get_param_importances(study)
        shares = {"importance": list(importance.values())}
        draw_bars(folder / "importance.png", "Importance of each value (PED-ANOVA)", list(importance), shares, "share")
    return table


def _draw_slices(path: Path, table: pd.DataFrame) -> None:
    """Draw learning rate against result, a colour a backbone."""
    with figure(path, 7, 4) as axes:
        for backbone, rows in table.groupby("backbone"):
            axes.scatter(rows["learning_rate"], rows["val_macro_ap"], label=backbone)
        axes.set(xscale="log", xlabel="learning rate", ylabel="val macro AP", title="Trials by learning rate")
        axes.legend(frameon=False)
