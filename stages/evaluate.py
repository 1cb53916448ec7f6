"""evaluate: thresholds fitted on val, metrics of val and test with intervals, slices, calibration, pictures.

Reads: scores/, data/index.parquet, data/patch_statistics.parquet (for the ridge baseline), reports/train/run.json.
Writes: models/thresholds.json, metrics/, reports/evaluate/; logs to the run that trained the model. Params: evaluate.
Cost: seconds; half a minute for 120,000 patches; no TensorFlow.
"""

from landscribe.core.params import parse_section, read_params
from landscribe.core.scores import read_scores
from landscribe.evaluation.baseline import compute_ridge_macro_aps
from landscribe.evaluation.config import EvaluateConfig
from landscribe.evaluation.evaluate import evaluate
from landscribe.evaluation.report import make_summary, write_evaluate_report, write_metrics
from landscribe.evaluation.slices import read_slices
from landscribe.evaluation.thresholds import fit_thresholds, write_thresholds
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.progress import log_summary
from landscribe.tracking import runs
from stages import paths


def main() -> None:
    config = parse_section(read_params(), "evaluate", EvaluateConfig)
    val, test = (read_scores(paths.SCORES / f"{split}.parquet") for split in ("val", "test"))
    thresholds = fit_thresholds(val.truth, val.scores, config)
    write_thresholds(thresholds, val.classes, paths.THRESHOLDS)
    evaluation = evaluate(val, test, thresholds, read_slices(paths.INDEX, test.patch_ids), config)
    ridge = compute_ridge_macro_aps(paths.INDEX, paths.PATCH_STATISTICS, {"val": val, "test": test})
    headline = {split: {**metrics, "macro_ap_ridge": ridge[split]} for split, metrics in evaluation.headline.items()}
    log_summary("evaluate", make_summary(evaluation))
    write_evaluate_report(paths.REPORTS / "evaluate", evaluation)
    metrics = write_metrics(paths.METRICS, headline)
    with runs.left_to_register():
        runs.add_to_run(runs.read_run_record(paths.RUN)["run_id"], metrics, paths.REPORTS, ("score", "evaluate"))


if __name__ == "__main__":
    run_or_exit(main)
