"""The command `landscribe`: demo, import, search, ablate, predict, map, promote, rollback, history."""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from landscribe.cli.decisions import run_history, run_promote, run_rollback
from landscribe.core.errors import LandscribeError
from landscribe.core.nomenclature import CLASS_ORDERS, make_nomenclature
from landscribe.core.params import PARAMS_FILE, expand_path, find_repository, parse_options, parse_section, read_params
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from landscribe.evaluation.config import EvaluateConfig
from landscribe.maps.config import MapConfig
from landscribe.models.config import MachineConfig
from landscribe.runtime.entry import run_or_exit
from landscribe.training.config import TrainConfig


def main() -> None:
    """Run the command line and exit with a status of `runtime.entry`."""
    arguments = _make_parser().parse_args()
    run_or_exit(lambda: arguments.run(arguments))


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="landscribe", description="Multi-label land cover of satellite patches.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_demo, _add_import, _add_search, _add_ablate, _add_predict, _add_map, _add_decisions):
        add(commands)
    return parser


def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], None], summary: str, more: str = "") -> Any:
    """Add a command; its own help starts with the summary as well."""
    description = f"{summary[0].upper()}{summary[1:]}.{more and ' '}{more}"
    command = commands.add_parser(name, help=summary, description=description)
    command.set_defaults(run=run)
    return command


def _add_demo(commands: Any) -> None:
    demo = _add(commands, "demo", _run_demo, "write a synthetic archive in the layout of BigEarthNet v1")
    demo.add_argument("out", type=expand_path, metavar="FOLDER", help="folder to write to; absent or empty")
    for option, value, what in (
        ("--num-patches", 200, "number of patches, 50 or more"),
        ("--num-tiles", 4, "number of Sentinel-2 tiles of these patches"),
        ("--seed", 0, "seed of the random numbers; the same seed gives the same files"),
    ):
        demo.add_argument(option, type=int, default=value, metavar="N", help=f"{what} (default: %(default)s)")


def _add_import(commands: Any) -> None:
    what = "convert labels or scores of other software to the class order of a nomenclature"
    more = "Classes are matched by name; see docs/class_orders.md."
    foreign = _add(commands, "import", _run_import, what, more)
    foreign.add_argument("path", type=expand_path, metavar="FILE", help="labels or scores: .parquet, .csv or .npz")
    foreign.add_argument(
        "--nomenclature", required=True, metavar="NAME", help="BEN-19, CLC-43, Planet-17 or the path of a mapping file"
    )
    foreign.add_argument("--order", choices=CLASS_ORDERS, help="class order of a file that does not name its classes")
    foreign.add_argument(
        "--truth", type=expand_path, metavar="INDEX", help="evaluate scores on the labels of this index.parquet"
    )
    foreign.add_argument(
        "--out", required=True, type=expand_path, metavar="FILE", help="file to write: .parquet, or .csv for labels"
    )


def _add_search(commands: Any) -> None:
    more = "Any number of hosts may work on one study."
    search = _add(commands, "search", _run_search, "run the trials that the study of params.yaml still lacks", more)
    search.add_argument(
        "--workers", type=int, metavar="N", help="number of trials at a time (default: LANDSCRIBE_WORKERS, else 1)"
    )


def _add_ablate(commands: Any) -> None:
    what = "train on Sentinel-1, on Sentinel-2 and on both, and compare the three"
    ablate = _add(commands, "ablate", _run_ablate, what, "An interrupted comparison is resumed by the same command.")
    ablate.add_argument(
        "--out", type=expand_path, metavar="FOLDER", help="folder of the report (default: reports/ablation)"
    )


def _add_predict(commands: Any) -> None:
    predict = _add(commands, "predict", _run_predict, "label new patches with a registered model")
    predict.add_argument(
        "path", type=expand_path, metavar="PATH", help="a patch folder, an image, or a folder of either"
    )
    predict.add_argument(
        "--model", required=True, metavar="URI", help="registered model, e.g. models:/landscribe@champion"
    )
    predict.add_argument(
        "--out", required=True, type=expand_path, metavar="FILE", help="file to write: .csv or .parquet"
    )
    predict.add_argument(
        "--s1-root",
        type=expand_path,
        metavar="FOLDER",
        help="Sentinel-1 patches of the same places, for a model that takes VV or VH",
    )
    predict.add_argument(
        "--band-order",
        type=lambda text: text.split(","),
        metavar="BANDS",
        help="names, in file order, of the bands of rasters that do not name them; by default B,G,R,NIR",
    )
    predict.add_argument(
        "--offset",
        type=int,
        default=0,
        metavar="N",
        help="add N to optical bands of 16 bits, e.g. -1000 for Sentinel-2 since processing baseline 04.00",
    )


def _add_map(commands: Any) -> None:
    more = "An interrupted map is resumed by the same command."
    scene = _add(commands, "map", _run_map, "label a whole scene with a registered model", more)
    scene.add_argument(
        "scene", type=expand_path, metavar="SCENE", help="a .SAFE, its ZIP, a folder of bands or a raster"
    )
    scene.add_argument(
        "--model", required=True, metavar="URI", help="registered model, e.g. models:/landscribe@champion"
    )
    scene.add_argument("--out", required=True, type=expand_path, metavar="FOLDER", help="folder of the map; it is made")
    scene.add_argument(
        "--offset", type=int, metavar="N", help="add N to the optical bands (default: what the product's metadata says)"
    )
    scene.add_argument(
        "--stride-px", type=int, metavar="N", help="side of a cell, pixels of the finest band (default: a window)"
    )
    scene.add_argument(
        "--window-m", type=float, metavar="M", help="ground size of a window, metres (default: what the model knows)"
    )
    scene.add_argument(
        "--s1-root", type=expand_path, metavar="FOLDER", help="VV and VH on the same grid, if they lie elsewhere"
    )
    scene.add_argument(
        "--band-order", type=lambda text: text.split(","), metavar="BANDS", help="names of the bands of a raster"
    )


def _add_decisions(commands: Any) -> None:
    what = "make the challenger the champion if it is better on the test split"
    status = "Exit status: 0 done, 1 refused, 2 anything else."
    promote = _add(commands, "promote", run_promote, what, status)
    promote.add_argument("--force", metavar="REASON", help="promote it even if it is refused, and record the reason")
    rollback = _add(commands, "rollback", run_rollback, "make the previous champion the champion again", status)
    history = _add(commands, "history", run_history, "print when and why each champion was chosen")
    for command in (promote, rollback, history):
        command.add_argument(
            "--json", action="store_true", help="print one JSON object; docs/promotion.md has its keys"
        )


def _run_demo(arguments: argparse.Namespace) -> None:
    options = {name: getattr(arguments, name) for name in DemoConfig.model_fields}
    write_demo_archive(parse_options(options, DemoConfig), arguments.out)


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
    from landscribe.cli.ablation import ablate, format_report

    root = find_repository()
    params = read_params(root / PARAMS_FILE)
    train, evaluate = parse_section(params, "train", TrainConfig), parse_section(params, "evaluate", EvaluateConfig)
    device = parse_section(params, "machine", MachineConfig).device
    table = ablate(train, evaluate, device, root / "data", arguments.out or root / "reports/ablation")
    print(format_report(table))  # noqa: T201


def _run_predict(arguments: argparse.Namespace) -> None:
    from landscribe.inference.patch_sources import check_inputs
    from landscribe.inference.patches import check_out_path, predict_path, write_predictions

    # What can be wrong without a model is checked before MLflow is imported, all else before TensorFlow is.
    check_out_path(arguments.out)
    check_inputs(arguments.path, arguments.s1_root, arguments.band_order)
    from landscribe.registry.served_version import open_served

    with open_served(arguments.model) as served:
        table = predict_path(arguments.path, served, arguments.s1_root, arguments.band_order, arguments.offset)
    write_predictions(table, arguments.out)
    print(f"{len(table)} patches labelled: {arguments.out}")  # noqa: T201


def _run_map(arguments: argparse.Namespace) -> None:
    from landscribe.maps.request import MapRequest, map_scene

    given = {name: value for name, value in vars(arguments).items() if name in MapRequest.__dataclass_fields__}
    config = parse_section(read_params(find_repository() / PARAMS_FILE), "map", MapConfig)
    print(map_scene(MapRequest(**given), config))  # noqa: T201
