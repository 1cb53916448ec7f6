"""Recipes and SET: merged into params.yaml as it stands, comments kept."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from landscribe.cli.overlay import drop_unset, merge, parse_assignments, write_merged
from landscribe.cli.sections import check_params
from landscribe.core.errors import ParamsError
from landscribe.core.params import read_params
from tests.support.paths import ROOT

RECIPES = {path.stem: path for path in sorted((ROOT / "recipes").glob("*.yaml"))}
# What a recipe leaves to the user, because it names places on a machine; and the words that ask for it.
LISTS = "split.files=[train.csv,val.csv,test.csv]"
ASKED = {
    "bigearthnet-mm-19": "three lists, train, val, test",
    "bigearthnet-v1-43": "three lists, train, val, test",
    "bigearthnet-v2": "labels_file: layout bigearthnet-v2 needs it",
    "ucmerced": "three lists, train, val, test",
    "ucmerced-transfer": "three lists, train, val, test",
}
GIVEN = {
    "bigearthnet-mm-19": f"archive.root=S2 archive.s1_root=S1 {LISTS}",
    "bigearthnet-v1-43": f"archive.root=S2 {LISTS}",
    "bigearthnet-tfrecord": "archive.root=records",
    "bigearthnet-v2": "archive.root=S2 archive.s1_root=S1 archive.labels_file=metadata.parquet",
    "planet": "archive.root=train-jpg archive.labels_file=train_v2.csv",
    "ucmerced": f"archive.root=images archive.labels_file=train.csv {LISTS}",
    "ucmerced-transfer": f"archive.root=images archive.labels_file=train.csv {LISTS}",
}


@pytest.fixture
def params_file(tmp_path: Path) -> Path:
    """A copy of the committed params.yaml."""
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


def flatten(params: dict[str, Any], parent: str = "") -> dict[str, Any]:
    """Return `section.key` -> value of every leaf."""
    leaves: dict[str, Any] = {}
    for key, value in params.items():
        where = f"{parent}.{key}".lstrip(".")
        leaves |= flatten(value, where) if isinstance(value, dict) else {where: value}
    return leaves


def read_state(path: Path) -> tuple[bytes, int, int]:
    """Return what changes when a file is touched."""
    stat = path.stat()
    return path.read_bytes(), stat.st_mtime_ns, stat.st_ino


def list_comments(path: Path) -> list[str]:
    """Return the comments of a params file, in order; no value of it holds a `#`."""
    return [" ".join(text.split()) for text in re.findall(r"#.*", path.read_text(encoding="utf-8"))]


def test_every_recipe_is_tested() -> None:
    assert set(RECIPES) == set(GIVEN)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_with_the_users_paths_is_valid_and_changes_what_it_names(params_file: Path, name: str) -> None:
    before = flatten(read_params(params_file))
    write_merged(RECIPES[name], GIVEN[name], params_file)
    after = flatten(read_params(params_file))
    named = flatten(read_params(RECIPES[name])) | flatten(parse_assignments(GIVEN[name]))
    assert after == before | named
    check_params(read_params(params_file))


@pytest.mark.parametrize("name", ASKED)
def test_a_recipe_without_the_users_paths_says_what_is_missing(params_file: Path, name: str) -> None:
    before = read_state(params_file)
    with pytest.raises(ParamsError, match=ASKED[name]):
        write_merged(RECIPES[name], "", params_file)
    assert read_state(params_file) == before


@pytest.mark.parametrize("name", RECIPES)
def test_comments_survive_every_recipe(params_file: Path, name: str) -> None:
    comments = list_comments(params_file)
    write_merged(RECIPES[name], GIVEN[name], params_file)
    assert list_comments(params_file) == comments


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_keeps_the_registered_model(name: str) -> None:
    assert "register" not in read_params(RECIPES[name])


def test_assignments_win_over_the_recipe(params_file: Path) -> None:
    write_merged(RECIPES["ucmerced"], f"{GIVEN['ucmerced']} train.epochs=5", params_file)
    assert read_params(params_file)["train"]["epochs"] == 5


def test_one_assignment_changes_one_line(params_file: Path) -> None:
    before = params_file.read_text(encoding="utf-8").splitlines()
    write_merged(None, "train.epochs=333", params_file)
    after = params_file.read_text(encoding="utf-8").splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["  epochs: 333"]


@pytest.mark.parametrize(
    "there",
    [
        "archive.exclude=[snow.csv,cloud.csv]",
        "archive.labels_file=tags.csv",
        "archive.nomenclature=CLC-43",
        "split.files=[a,b,c]",
        "search.backbones=[ResNet50]",
        "train.epochs=333",
        "train.augmentation.dihedral=false",
    ],
)
def test_a_value_set_back_leaves_no_trace(params_file: Path, there: str) -> None:
    before = params_file.read_text(encoding="utf-8")
    where = there.partition("=")[0]
    value = json.dumps(flatten(read_params(params_file))[where]).replace(" ", "")  # JSON is YAML
    write_merged(None, there, params_file)
    assert params_file.read_text(encoding="utf-8") != before
    write_merged(None, f"{where}={value}", params_file)
    assert params_file.read_text(encoding="utf-8") == before


def test_the_space_of_the_search_is_replaced_not_merged(params_file: Path) -> None:
    before = read_state(params_file)[0]
    for space in ({"dropout": [0.1, 0.2]}, {"loss.name": ["bce", "focal"], "clip_norm": {"low": 0, "high": 1}}):
        write_merged(None, f"search.space={json.dumps(space).replace(' ', '')}", params_file)
        assert read_params(params_file)["search"]["space"] == space
    write_merged(None, "search.space.dropout=[0.3]", params_file)
    assert read_params(params_file)["search"]["space"] == {"dropout": [0.3]}
    write_merged(None, "search.space={}", params_file)
    assert read_state(params_file)[0] == before


def test_long_lists_stay_readable(params_file: Path) -> None:
    names = [f"lists/of/names/to/leave/out/number-{number}.csv" for number in range(12)]
    write_merged(None, f"archive.exclude=[{','.join(names)}]", params_file)
    assert read_params(params_file)["archive"]["exclude"] == names
    write_merged(None, "archive.exclude=[]", params_file)
    assert read_params(params_file) == read_params(ROOT / "params.yaml")
    assert list_comments(params_file) == list_comments(ROOT / "params.yaml")


def test_null_stays_the_word_null(params_file: Path) -> None:
    written = params_file.read_text(encoding="utf-8").count(": null")
    write_merged(None, "train.epochs=333", params_file)
    assert params_file.read_text(encoding="utf-8").count(": null") == written > 0


@pytest.mark.parametrize("rate", ["1e-5", "1.0e-3", "0.0007", "5e-324"])
def test_a_small_number_stays_a_number(params_file: Path, rate: str) -> None:
    write_merged(None, f"train.learning_rate={rate}", params_file)
    assert read_params(params_file)["train"]["learning_rate"] == float(rate)


@pytest.mark.parametrize(
    "assignments",
    ["", " ", "archive.exclude=[]", "train.weights=null", "demo.seed=20170613"],
)
def test_the_file_is_untouched_when_no_value_changes(params_file: Path, assignments: str) -> None:
    before = read_state(params_file)
    write_merged(None, assignments, params_file)
    assert read_state(params_file) == before


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        ("train.epoch=3", "unknown key train.epoch. Did you mean 'epochs'?"),
        ("trian.epochs=3", "unknown key trian. Did you mean 'train'?"),
        ("split.fractions.tset=0.1", "unknown key split.fractions.tset. Did you mean 'test'?"),
        ("split.fractions={val:0.2,test:0.1}", "split.fractions"),  # an unknown key, or no YAML for its C parser
        ("train.epochs=0", "train.epochs"),
        ("train.augmentation=3", "train.augmentation"),
        ("train.epochs={a: 1}", "train.epochs"),
        ("train.bands=[B99]", "B99"),
    ],
)
def test_a_wrong_assignment_is_refused_and_the_file_untouched(params_file: Path, assignments: str, words: str) -> None:
    before = read_state(params_file)
    with pytest.raises(ParamsError) as caught:
        write_merged(None, assignments, params_file)
    assert words in str(caught.value)
    assert read_state(params_file) == before
    assert list(params_file.parent.iterdir()) == [params_file]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("3", 3),
        ("null", None),
        ("~", None),
        ("true", True),
        ("no", "no"),
        ("[a.csv,b.csv]", ["a.csv", "b.csv"]),
        ("[]", []),
        ("'3'", "3"),
        ("a=b", "a=b"),
        ("x:y", "x:y"),
    ],
)
def test_values_are_yaml(text: str, value: Any) -> None:
    parsed = parse_assignments(f"a.b={text}")
    assert parsed == {"a": {"b": value}}
    assert isinstance(parsed["a"]["b"], type(value))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('a.x="/data/my images"', {"x": "/data/my images"}),
        ("a.x='/data/my images' a.y=~/b", {"x": "/data/my images", "y": "~/b"}),
        ('a.x=["a b.csv",c.csv,d.csv]', {"x": ["a b.csv", "c.csv", "d.csv"]}),
        ("a.x=['it''s here, b.csv',c.csv] a.y=1", {"x": ["it's here, b.csv", "c.csv"], "y": 1}),
        (r'a.x="a \"b\" c" a.y={"k":["x y"]}', {"x": 'a "b" c', "y": {"k": ["x y"]}}),
        ("a.x=it's a.y=that's a.z=[o'clock,x'y]", {"x": "it's", "y": "that's", "z": ["o'clock", "x'y"]}),
        ('a.x=5" a.y=6"', {"x": '5"', "y": '6"'}),
    ],
)
def test_words_end_at_spaces_outside_quotes(text: str, values: dict[str, Any]) -> None:
    assert parse_assignments(text) == {"a": values}


@pytest.mark.parametrize("word", ["a.b=", "a.b=''", 'a.b=""'])
def test_the_words_of_an_entry_point_may_lack_a_value(word: str) -> None:
    assert drop_unset(f"c.d=[1,2] {word} e.f='x y'") == "c.d=[1,2] e.f='x y'"
    assert drop_unset(word) == ""


def test_a_key_without_a_value_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"expected a value after a\.b=; write null for none"):
        parse_assignments("c.d=1 a.b= e.f=2")


@pytest.mark.parametrize(
    "text",
    ["epochs=3", "train.epochs", "train..epochs=3", ".epochs=3", "train.=3", "=3", "a.b=[1", "a.b=@x", "a.b={",
     "a.b=2017-13-45", "a.b=1 a.b.c=2"],
)  # fmt: skip
def test_a_malformed_word_is_refused_by_name(text: str) -> None:
    with pytest.raises(ParamsError, match="SET: ") as caught:
        parse_assignments(text)
    assert text.split()[-1].split("=", 1)[-1] in str(caught.value)


def test_a_recipe_that_is_not_there_is_named(params_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"none\.yaml: expected a file"):
        write_merged(tmp_path / "none.yaml", "", params_file)


def test_merging_twice_is_merging_once() -> None:
    overlay: dict[str, Any] = {"a": {"x": [1, 2], "z": None}, "b": {"y": {"p": 1}}}
    once: dict[str, Any] = {"a": {"x": 0, "z": 3}, "b": {"y": {"p": 0, "q": 2}}}
    merge(once, overlay)
    assert once == {"a": {"x": [1, 2], "z": None}, "b": {"y": {"p": 1, "q": 2}}}
    twice: dict[str, Any] = {"a": dict(once["a"]), "b": {"y": dict(once["b"]["y"])}}
    merge(twice, overlay)
    assert twice == once
    once["a"]["x"].append(3)
    assert overlay["a"]["x"] == [1, 2]  # the recipe itself is not shared
