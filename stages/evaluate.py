"""evaluate: thresholds fitted on val, metrics of val and test, pictures. Logs to the run that trained the model.

Reads: scores/, data/index.parquet, data/patch_statistics.parquet (for the ridge baseline),
reports/train/run.json. Writes: models/thresholds.json, metrics/, reports/evaluate/.
Params: evaluate. Cost: seconds; no TensorFlow.
"""

from landscribe.errors import run_or_exit
from landscribe.evaluation.baseline import compute_ridge_macro_ap
from landscribe.evaluation.metrics import compute_metrics
from landscribe.evaluation.report import write_evaluate_report
from landscribe.evaluation.thresholds import EvaluateConfig, fit_thresholds, write_thresholds
from landscribe.files import write_json
from landscribe.params import parse_section, read_params
from landscribe.scores import read_scores
from landscribe.tracking import runs
from stages import paths


def main() -> None:
    """Run the stage."""
    config = parse_section(read_params(), "evaluate", EvaluateConfig)
    scores = {split: read_scores(paths.SCORES / f"{split}.parquet") for split in ("val", "test")}
    val, test = scores["val"], scores["test"]
    thresholds = fit_thresholds(val.truth, val.scores, config.threshold_metric)
    write_thresholds(thresholds, val.classes, paths.THRESHOLDS)
    logged: dict[str, float] = {}
    for split, rows in scores.items():
        metrics = compute_metrics(rows.truth, rows.scores, thresholds)
        metrics["macro_ap_ridge"] = compute_ridge_macro_ap(paths.INDEX, paths.PATCH_STATISTICS, rows)
        named = {f"{split}_{name}": value for name, value in metrics.items()}
        write_json(paths.METRICS / f"{split}.json", named)
        logged |= named
    write_evaluate_report(paths.REPORTS / "evaluate", test, thresholds)
    runs.add_to_run(runs.read_run_record(paths.RUN)["run_id"], logged, paths.REPORTS, ("score", "evaluate"))


if __name__ == "__main__":
    run_or_exit(main)
