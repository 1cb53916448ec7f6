"""ucmerced: test macro AP of the committed recipes on multi-label UC Merced, beside what they must beat.

    UCMERCED=FOLDER [MOBILENET=FILE] [ROWS=WORDS] [SET="a.b=value ..."] python -m benchmarks ucmerced

FOLDER holds images/, train.csv (image_name,tags) and lists/{train,val,test}.csv; FILE the weights of
`keras.applications.MobileNet` without its head, for the rows that start from them. Each row is the whole pipeline in
its own copy of the project, and reads the test split once. SET changes the params of the recipes; such rows have their
own names. With WORDS only the rows whose name contains them are made, and that of the forest, the reference.

Finished rows are kept in .landscribe/bench/ucmerced.csv, whatever the commit; delete a row to have it made again. A run
that was killed goes on: a training with the epoch after its last snapshot.
"""

import functools
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import Figure
from benchmarks.colour_texture import Model, score_statistics
from benchmarks.kept_rows import MakeRow, Row, make_rows
from benchmarks.paths import find_path
from landscribe.core.errors import ParamsError
from landscribe.core.params import find_scratch
from landscribe.figures.tables import format_table
from landscribe.tracking.provenance import read_git
from tests.support.checkout import Checkout

SEEDS = (1, 2, 3)
TARGETS = {"ucmerced": 0.87, "ucmerced-transfer": 0.94}  # by recipe, of the mean over its seeds
_FOREST = "random forest on colour and texture"
_PLANET = "archive.nomenclature=discovered split.strategy=official"
_HEADER = ("model", "test macro AP", "commit", "wall minutes", "processor minutes", "starts")


def run() -> list[Figure]:
    """Make the rows that are missing and print the table; the reference is the forest."""
    commit, is_dirty = read_git()
    table = find_scratch() / "bench/ucmerced.csv"
    changed = os.environ.get("SET", "")
    planned = {
        f"{name} {changed}".strip(): make
        for name, make in _plan_rows(f"{_find_data()} {changed}").items()
        if os.environ.get("ROWS", "") in name or name == _FOREST
    }
    rows = make_rows(table, planned, commit[:12] + "-dirty" * is_dirty)
    lines = format_table(_HEADER, [_format(row) for row in rows])
    sys.stdout.write("\n".join([*lines, f"The rows are kept in {table}; one that is deleted there is made again.", ""]))
    return _make_figures(rows)


def _plan_rows(assignments: str) -> dict[str, MakeRow]:
    """Return how each row is made, by its name, those that take least first."""
    models: dict[str, Model] = {"prior": "prior", "ridge on colour and texture": "ridge", _FOREST: "forest"}
    recipes = {"planet from scratch": ("planet", f"{_PLANET} train.weights=null train.freeze_epochs=0")}
    recipes |= {f"ucmerced seed {seed}": ("ucmerced", f"train.seed={seed}") for seed in SEEDS}
    if os.environ.get("MOBILENET"):
        weights = f"train.weights={find_path('MOBILENET')}"
        recipes["planet from MobileNet"] = ("planet", f"{_PLANET} train.backbone=MobileNet {weights}")
        for seed in SEEDS:
            recipes[f"ucmerced-transfer seed {seed}"] = ("ucmerced-transfer", f"train.seed={seed} {weights}")
    else:
        sys.stdout.write("ucmerced: without the rows that start from ImageNet weights, as MOBILENET is not set.\n")
    makers: dict[str, MakeRow] = {}
    for name, model in models.items():
        makers[name] = functools.partial(_score_model, model, assignments)
    for name, (recipe, words) in recipes.items():
        makers[name] = functools.partial(_run_recipe, recipe, f"{words} {assignments}")
    return makers


def _find_data() -> str:
    """Return the assignments that name the data.

    Raises:
        ParamsError: UCMERCED does not name a folder of it.
    """
    root = find_path("UCMERCED")
    lists = [root / "lists" / f"{split}.csv" for split in ("train", "val", "test")]
    if absent := [str(path) for path in (root / "train.csv", *lists) if not path.is_file()]:
        raise ParamsError(
            "UCMERCED: expected a folder with images/, train.csv and lists/{train,val,test}.csv; received one without"
            f" {', '.join(absent)}. Name the folder of the data."
        )
    files = ",".join(map(str, lists))
    return f"archive.root={root / 'images'} archive.labels_file={root / 'train.csv'} split.files=[{files}]"


def _run_recipe(recipe: str, assignments: str, folder: Path) -> float:
    """Return the test macro AP of the pipeline with these params."""
    return _repro(recipe, assignments, "evaluate", folder).read("metrics/test.json")["test_macro_ap"]


def _score_model(model: Model, assignments: str, folder: Path) -> float:
    """Return the test macro AP of a model on the records of the recipe from scratch."""
    return score_statistics(_repro("ucmerced", assignments, "convert", folder).folder / "data/records", model)


def _repro(recipe: str, assignments: str, stage: str, folder: Path) -> Checkout:
    """Return the checkout in `folder`, new or with what a run that was killed has left, after a stage of a recipe."""
    if not (folder / "checkout").is_dir():
        shutil.rmtree(folder / "copying", ignore_errors=True)
        Checkout(folder / "copying").rename(folder / "checkout")
    checkout = Checkout(folder / "checkout")
    checkout.run("git", "checkout", "--quiet", "params.yaml")
    checkout.repro(assignments, "--recipe", f"recipes/{recipe}.yaml", "--stage", stage)
    return checkout


def _format(row: Row) -> list[str]:
    minutes = [f"{each:.1f}" for each in (row.wall_minutes, row.processor_minutes)]
    return [row.name, f"{row.value:.4f}", row.commit, *minutes, str(row.starts)]


def _make_figures(rows: Sequence[Row]) -> list[Figure]:
    """Return the value of every row and the mean over the seeds of a recipe, beside the forest."""
    forest = next(row.value for row in rows if row.name.startswith(_FOREST))
    values: dict[str, tuple[float, float | None]] = {row.name: (row.value, None) for row in rows}
    for recipe, target in TARGETS.items():
        if seeds := [row.value for row in rows if row.name.startswith(f"{recipe} seed ")]:
            values[f"{recipe}, mean of the seeds"] = (statistics.mean(seeds), target)
    return [
        Figure(f"ucmerced: {name}", value, "test macro AP", forest, value / forest, target)
        for name, (value, target) in values.items()
    ]
