"""The digest sees what can change a result, and nothing else."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from landscribe.runtime.code_digest import Code, list_stage_modules
from tests.support.paths import ROOT

OBSERVER = "small.watching"
ENTRY = '''"""What it does."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from small.reached import VALUE
from small.watching import note

if TYPE_CHECKING:
    from small.typed import Name

LIMIT = 3


def work(path: "Path", name: "Name") -> str:
    """Do it."""
    note("begins").twice(2)
    from small.late import do_late

    if LIMIT > 4:
        raise ValueError(f"expected {LIMIT}; received {path}")
    return json.dumps([VALUE, do_late(), str(Path("a"))])
'''
SMALL = {
    "entry": ENTRY,
    "reached": "VALUE = 1\n",
    "late": "def do_late():\n    return 2\n",
    "typed": "Name = str\n",
    "watching": "from small.behind import ANY\n\ndef note(words):\n    return ANY\n",
    "behind": "ANY = 5\n",
    "unrelated": "ANY = 6\n",
}
# What is replaced in the entry, and by what.
SAME = {
    "comment": ("LIMIT = 3\n", "LIMIT = 3  # enough\n# and more\n"),
    "docstring": ('"""Do it."""', '"""Do it well."""'),
    "no docstring": ('    """Do it."""\n', ""),
    "module docstring": ('"""What it does."""', '"""Something else."""'),
    "blank lines": ("LIMIT = 3\n", "\n\nLIMIT = 3\n\n\n"),
    "layout": (
        '[VALUE, do_late(), str(Path("a"))]',
        "[\n        VALUE,\n        do_late(),\n        str(Path('a')),\n    ]",
    ),
    "words of an error": ("expected {LIMIT}; received", "wanted {LIMIT}, got"),
    "call of an observer": ('    note("begins").twice(2)\n', ""),
    "another call of an observer": ('note("begins")', 'note("begins here", LIMIT)'),
    "import for type checkers": ("from small.typed import Name", "from small.unrelated import Name"),
}
OTHER = {
    "constant": ("LIMIT = 3", "LIMIT = 5"),
    "operator": ("LIMIT > 4", "LIMIT >= 4"),
    "another library": ("import json\n", "import orjson as json\n"),
    "another name of the import": ("import VALUE\n", "import VALUE as OTHER\n"),
    "a call more": ("do_late()", "str(do_late())"),
    "another error": ("raise ValueError", "raise TypeError"),
    "a module at the top": ("import VALUE\n", "import VALUE\nfrom small.unrelated import ANY\n"),
    "a module within a function": ("small.late import do_late", "small.unrelated import ANY as do_late"),
    "an effect in what an observer is told": ('note("begins")', 'note(Path("out").write_text("3"))'),
    "value of an observer": ("LIMIT = 3", 'LIMIT = note("x")'),
}


def write_small(folder: Path, **changed: str) -> str:
    """Write the small package with some modules changed; return the digest of its entry."""
    folder.mkdir(exist_ok=True)
    for name, text in (SMALL | changed).items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return Code({"small": folder}, [OBSERVER]).compute_digest("small.entry")


@pytest.mark.parametrize("case", [*SAME, *OTHER])
def test_an_edit_of_the_entry_counts_when_it_can_change_the_result(case: str, tmp_path: Path) -> None:
    before, after = (SAME | OTHER)[case]
    assert ENTRY.count(before) == 1
    changed = write_small(tmp_path, entry=ENTRY.replace(before, after))
    assert (changed == write_small(tmp_path)) == (case in SAME)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "entry"])
def test_a_module_counts_when_it_is_reached_and_not_by_way_of_observers(name: str, tmp_path: Path) -> None:
    changed = write_small(tmp_path, **{name: SMALL[name] + "ANY = 7\n"})
    assert (changed != write_small(tmp_path)) == (name in ("reached", "late"))


def test_code_is_read_once(tmp_path: Path) -> None:
    write_small(tmp_path)
    code, frozen = Code({"small": tmp_path}, [OBSERVER]), Code({"small": tmp_path}, [OBSERVER])
    frozen.read_all()
    before = code.compute_digest("small.entry")
    write_small(tmp_path, reached="VALUE = 2\n")
    assert code.compute_digest("small.entry") == frozen.compute_digest("small.entry") == before


STAGES = ("discover", "split", "convert", "search", "train", "score", "draw", "evaluate", "register")
LONG = {"convert", "search", "train"}


def add_code(text: str) -> str:
    """Return the module with one more constant."""
    return f"{text}\n_ADDED = 1\n"


def add_comments(text: str) -> str:
    """Return the module with a comment before every definition at its top and after the last line."""
    return text.replace("\ndef ", "\n# why\ndef ").replace("\nclass ", "\n# why\nclass ") + "\n# end\n"


def read_edited(folder: Path, edit: Callable[[str], str]) -> dict[str, dict[str, str]]:
    """Return stage -> module -> digest for a copy of this project's code, every module of it edited."""
    for name in ("src/landscribe", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (folder / name).rglob("*.py"):
            path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    code = Code({"landscribe": folder / "src/landscribe", "stages": folder / "stages"})
    return {stage: list_stage_modules(code, stage) for stage in STAGES}


@pytest.fixture(scope="module")
def unedited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Stage -> module -> digest."""
    return read_edited(tmp_path_factory.mktemp("unedited"), str)


@pytest.fixture(scope="module")
def stages_by_module(
    unedited: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[str]]:
    """Module -> the stages that run again when it is edited."""
    edited, found = read_edited(tmp_path_factory.mktemp("edited"), add_code), defaultdict(set)
    for stage, modules in edited.items():
        assert modules.keys() == unedited[stage].keys()
        for module, digest in modules.items():
            if digest != unedited[stage][module]:
                found[module].add(stage)
    return found


def test_comments_everywhere_change_no_stage(unedited: dict[str, dict[str, str]], tmp_path: Path) -> None:
    assert read_edited(tmp_path, add_comments) == unedited


@pytest.mark.parametrize(
    "name",
    [
        "figures.charts", "figures.tables", "tracking.runs", "tracking.studies", "core.errors", "registry.gate",
        "registry.promotion", "runtime.progress", "runtime.lock", "evaluation.report", "cli.command",
    ],
)  # fmt: skip
def test_what_shows_logs_or_judges_converts_searches_and_trains_nothing_again(
    name: str, stages_by_module: dict[str, set[str]]
) -> None:
    assert (ROOT / "src/landscribe" / f"{name.replace('.', '/')}.py").is_file()
    assert not stages_by_module.get(f"landscribe.{name}", set()) & LONG


@pytest.mark.parametrize(
    ("name", "again", "kept"),
    [
        ("training.losses", {"search", "train"}, {"discover", "split", "convert"}),
        ("models.residual", {"search", "train"}, {"discover", "split", "convert"}),
        ("pipeline.augmentation", {"search", "train"}, {"discover", "split", "convert"}),
        ("core.average_precision", {"search", "train", "evaluate"}, {"discover", "split", "convert"}),
        ("archive.bigearthnet_v1", {"discover", "convert"}, {"search", "train", "evaluate"}),
        ("splits.stratified", {"split"}, {"discover", "search", "train"}),
        ("search.space", {"search"}, {"convert", "train", "evaluate"}),
        ("evaluation.thresholds", {"evaluate"}, {*LONG, "score"}),
        ("figures.charts", {"draw", "discover", "split", "evaluate"}, {*LONG, "score", "register"}),
        ("registry.served_model", {"register"}, {*LONG, "score", "evaluate"}),
    ],
)
def test_an_edit_runs_the_stages_again_that_it_can_change(
    name: str, again: set[str], kept: set[str], stages_by_module: dict[str, set[str]]
) -> None:
    found = stages_by_module[f"landscribe.{name}"]
    assert again <= found
    assert not kept & found
