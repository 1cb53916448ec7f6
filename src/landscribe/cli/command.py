"""The command `landscribe`: demo, import, search, ablate, predict, promote, rollback, history."""

import argparse
from pathlib import Path

import numpy as np

from landscribe.core.bands import check_order
from landscribe.core.errors import LandscribeError, PromotionError
from landscribe.core.nomenclature import CLASS_ORDERS, make_nomenclature
from landscribe.core.params import PARAMS_FILE, find_repository, parse_section, read_params
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from landscribe.evaluation.config import EvaluateConfig
from landscribe.models.config import MachineConfig
from landscribe.registry.config import PromoteConfig, RegisterConfig
from landscribe.runtime.entry import run_or_exit
from landscribe.training.config import TrainConfig


def main() -> None:
    """Run the command line; exit 0 when done, 1 when refused or wrong."""
    arguments = _make_parser().parse_args()
    run_or_exit(lambda: arguments.run(arguments))


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="landscribe", description="Multi-label land cover of satellite patches.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="write a synthetic archive in the layout of BigEarthNet v1")
    demo.add_argument("out", type=Path, metavar="FOLDER", help="folder to make")
    demo.add_argument("--num-patches", type=int, default=200)
    demo.add_argument("--num-tiles", type=int, default=4)
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_run_demo)
    foreign = commands.add_parser("import", help="take in labels or scores made elsewhere, by class name")
    foreign.add_argument("path", type=Path, metavar="FILE", help=".parquet, .csv or .npz; see docs/class_orders.md")
    foreign.add_argument("--nomenclature", required=True, metavar="NAME", help="e.g. BEN-19, or a mapping file")
    foreign.add_argument("--order", choices=CLASS_ORDERS, help="class order of numbers without names")
    foreign.add_argument("--truth", type=Path, metavar="INDEX", help="judge scores by an index (data/index.parquet)")
    foreign.add_argument("--out", required=True, type=Path, metavar="FILE", help="scores: .parquet; labels: .csv too")
    foreign.set_defaults(run=_run_import)
    search = commands.add_parser("search", help="run missing trials of the study of params.yaml, with other hosts")
    search.add_argument("--workers", type=int, metavar="N", help="trials at a time; by default LANDSCRIBE_WORKERS or 1")
    search.set_defaults(run=_run_search)
    ablate = commands.add_parser("ablate", help="train on Sentinel-1, on Sentinel-2 and on both; one table")
    ablate.add_argument("--out", type=Path, metavar="FOLDER", help="report; by default reports/ablation")
    ablate.set_defaults(run=_run_ablate)
    predict = commands.add_parser("predict", help="label new patches with a registered model")
    predict.add_argument("path", type=Path, metavar="PATH", help="patch folder, image, or a folder of them")
    predict.add_argument("--model", required=True, metavar="URI", help="e.g. models:/landscribe@champion")
    predict.add_argument("--out", required=True, type=Path, metavar="FILE", help=".csv or .parquet")
    predict.add_argument("--s1-root", type=Path, metavar="FOLDER", help="Sentinel-1 twins, if the model takes them")
    predict.add_argument(
        "--band-order",
        type=lambda text: text.split(","),
        metavar="BANDS",
        help="names, in file order, of the bands of rasters that do not name them; by default B,G,R,NIR",
    )
    predict.set_defaults(run=_run_predict)
    promote = commands.add_parser("promote", help="make the challenger the champion, if it is better")
    promote.add_argument("--force", metavar="REASON", help="promote all the same, and record why")
    promote.set_defaults(run=_run_promote)
    rollback = commands.add_parser("rollback", help="make the previous champion the champion again")
    rollback.set_defaults(run=_run_rollback)
    history = commands.add_parser("history", help="print who was champion when, and why")
    history.set_defaults(run=_run_history)
    return parser


def _run_demo(arguments: argparse.Namespace) -> None:
    try:
        config = DemoConfig(num_patches=arguments.num_patches, num_tiles=arguments.num_tiles, seed=arguments.seed)
    except ValueError as error:
        raise LandscribeError(" ".join(str(error).split())) from error
    write_demo_archive(config, arguments.out)


def _run_import(arguments: argparse.Namespace) -> None:
    from landscribe.core.scores import write_scores
    from landscribe.evaluation.metrics import compute_metrics
    from landscribe.index.foreign import make_scores, read_foreign, write_labels

    nomenclature = make_nomenclature(arguments.nomenclature, [], find_repository())
    foreign = read_foreign(arguments.path, nomenclature, arguments.order, "score" if arguments.truth else "truth")
    if foreign.scores is None and arguments.truth is None:
        write_labels(foreign, arguments.out)
        print(f"{len(foreign.patch_ids)} patches with labels of {nomenclature.name}: {arguments.out}")  # noqa: T201
        return
    scores = make_scores(foreign, nomenclature, arguments.truth)
    if arguments.out.suffix != ".parquet":
        raise LandscribeError(f"{arguments.out}: expected a file of scores that ends in .parquet.")
    write_scores(scores, arguments.out)
    metrics = compute_metrics(scores.truth, scores.scores, np.full(len(scores.classes), 0.5))
    print(  # noqa: T201
        f"{metrics['num_patches']} patches, macro AP {metrics['macro_ap']:.3f} over {metrics['num_classes_scored']} of"
        f" {len(scores.classes)} classes, micro AP {metrics['micro_ap']:.3f}: {arguments.out}"
    )


def _run_search(arguments: argparse.Namespace) -> None:
    from landscribe.search.config import SearchConfig
    from landscribe.search.optimize import search_best
    from landscribe.search.processes import read_num_workers

    if arguments.workers is not None and arguments.workers < 1:
        raise LandscribeError(f"--workers: expected a number from 1; received {arguments.workers}.")
    root = find_repository()
    params = read_params(root / PARAMS_FILE)
    search, train = parse_section(params, "search", SearchConfig), parse_section(params, "train", TrainConfig)
    if not search.trials:
        raise LandscribeError("search.trials: expected 1 or more in params.yaml; 0 is no search.")
    machine = parse_section(params, "machine", MachineConfig)
    found = search_best(search, train, machine.device, root / "data", arguments.workers or read_num_workers())
    best = ", ".join(f"{key}: {value}" for key, value in found.best.items())
    print(  # noqa: T201
        f"{found.num_trials} trials, {found.num_pruned} of them pruned; best trial {found.best_trial} with val macro AP"
        f" {found.best_val_macro_ap:.4f} ({best}). `make repro STAGE=search` writes the report."
    )


def _run_ablate(arguments: argparse.Namespace) -> None:
    from landscribe.cli.ablation import ablate, format_table

    root = find_repository()
    params = read_params(root / PARAMS_FILE)
    train, evaluate = parse_section(params, "train", TrainConfig), parse_section(params, "evaluate", EvaluateConfig)
    device = parse_section(params, "machine", MachineConfig).device
    table = ablate(train, evaluate, device, root / "data", arguments.out or root / "reports/ablation")
    print(format_table(table))  # noqa: T201


def _run_predict(arguments: argparse.Namespace) -> None:
    import landscribe.pipeline.backend  # noqa: F401  # TensorFlow without its noise, before the model imports it
    from landscribe.inference.patches import check_out_path, predict_path, write_predictions
    from landscribe.registry.registration import load_served

    check_out_path(arguments.out)
    if not arguments.path.exists():
        raise LandscribeError(
            f"{arguments.path} does not exist; expected a patch folder, an image or a folder of them."
        )
    if arguments.band_order is not None:
        check_order(arguments.band_order, "--band-order")
    table = predict_path(arguments.path, load_served(arguments.model), arguments.s1_root, arguments.band_order)
    write_predictions(table, arguments.out)
    print(f"{len(table)} patches labelled: {arguments.out}")  # noqa: T201


def _run_promote(arguments: argparse.Namespace) -> None:
    from landscribe.registry.decision import format_decision, make_outcome
    from landscribe.registry.promotion import Terms, promote

    root = find_repository()
    params = read_params(root / PARAMS_FILE)
    terms = Terms(
        config=parse_section(params, "promote", PromoteConfig),
        bootstrap=parse_section(params, "evaluate", EvaluateConfig).bootstrap,
        records_dir=root / "data/records",
        force_reason=arguments.force,
    )
    decision = promote(_read_model_name(), terms)
    print(format_decision(decision))  # noqa: T201
    if decision.verdict == "refused":
        raise PromotionError(make_outcome(decision))
    print(make_outcome(decision))  # noqa: T201


def _run_rollback(arguments: argparse.Namespace) -> None:
    from landscribe.registry.rollback import rollback

    print(rollback(_read_model_name()))  # noqa: T201


def _run_history(arguments: argparse.Namespace) -> None:
    from landscribe.registry.champions import read_log
    from landscribe.registry.history_table import format_history

    name = _read_model_name()
    print(format_history(name, read_log(name)))  # noqa: T201


def _read_model_name() -> str:
    """Return the registered model of params.yaml: the command works from any folder of the repository."""
    return parse_section(read_params(find_repository() / PARAMS_FILE), "register", RegisterConfig).model_name


if __name__ == "__main__":
    main()
