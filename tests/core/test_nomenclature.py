"""Nomenclatures: the constants by arithmetic and against a second source, mapping by name, orders by name."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from landscribe.core.errors import NomenclatureError
from landscribe.core.nomenclature import (
    BEN_19_CODES,
    CLASS_ORDERS,
    CLC_CODES,
    NOMENCLATURES,
    PLANET_17,
    Nomenclature,
    check_same_classes,
    make_nomenclature,
    order_classes,
    read_classes,
    write_nomenclature,
)

CLC_43, BEN_19, CODES = (NOMENCLATURES[name]() for name in ("CLC-43", "BEN-19", "CLC-codes"))

# Place of each class in alphabetical order, in the official order: a second source for names and order at once
# (label_indices.json of bigearthnet-models-tf against ConfigILM and the published reBEN weights).
ALPHABETICAL_43 = [
    11, 12, 17, 32, 30, 1, 21, 13, 10, 16, 38, 25, 29, 31, 40, 15, 26, 27, 2, 8, 20, 0, 5, 9, 22, 24, 23, 35, 39, 4, 3,
    37, 6, 18, 28, 34, 33, 19, 42, 41, 7, 14, 36,
]  # fmt: skip
ALPHABETICAL_19 = [18, 7, 1, 16, 15, 5, 10, 0, 3, 6, 12, 14, 13, 17, 2, 9, 4, 8, 11]
# CLC code -> place in BEN-19, Table 1 of arXiv:2105.07921; codes that are not here are dropped.
BEN_19_OF_CODE = {
    111: 0, 112: 0, 121: 1, 211: 2, 212: 2, 213: 2, 221: 3, 222: 3, 223: 3, 241: 3, 231: 4, 242: 5, 243: 6, 244: 7,
    311: 8, 312: 9, 313: 10, 321: 11, 333: 11, 322: 12, 323: 12, 324: 13, 331: 14, 411: 15, 412: 15, 421: 16, 422: 16,
    511: 17, 512: 17, 521: 18, 522: 18, 523: 18,
}  # fmt: skip
DROPPED = {3, 4, 5, 6, 7, 8, 9, 10, 30, 32, 37}  # places in CLC-43


@pytest.fixture(scope="module")
def constants(samples: Path) -> dict[str, Any]:
    """Class lists copied from the sources of the archives, by a second hand."""
    path = samples.parent / "reference/constants.json"
    if not path.is_file():
        pytest.skip(f"{path.name} lies beside the project's checkout (../shared/reference); it is absent here")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_constants_equal_those_of_the_sources(constants: dict[str, Any]) -> None:
    assert list(CLC_CODES.items()) == list(zip(constants["labels43"], constants["clc_codes43"], strict=True))
    assert list(BEN_19.classes) == constants["labels19"]
    assert {name for name in CLC_43.classes if BEN_19.source[name] is None} == set(constants["dropped43"])
    for name, places in zip(BEN_19.classes, constants["label_conversion"], strict=True):
        assert [CLC_43.classes.index(label) for label in CLC_43.classes if BEN_19.source[label] == name] == places
    assert list(PLANET_17) == constants["planet17"]


@pytest.mark.parametrize(("nomenclature", "size"), [(CLC_43, 43), (BEN_19, 19)])
def test_both_orders_in_the_wild_have_a_name(constants: dict[str, Any], nomenclature: Nomenclature, size: int) -> None:
    assert list(order_classes(nomenclature, "clc")) == constants[f"labels{size}"]
    assert list(order_classes(nomenclature, "alphabetical")) == constants[f"alphabetical{size}"]


def test_an_order_is_a_permutation_of_the_classes() -> None:
    for order in CLASS_ORDERS:
        for nomenclature in (CLC_43, BEN_19, CODES):
            assert sorted(order_classes(nomenclature, order)) == sorted(nomenclature.classes)


@pytest.mark.parametrize(
    ("name", "order", "words"),
    [("BEN-19", "CLC", "expected one of clc, alphabetical"), ("Planet-17", "clc", "Planet-17 has no CLC order")],
)
def test_an_order_that_does_not_exist_is_refused(name: str, order: str, words: str) -> None:
    with pytest.raises(NomenclatureError, match=words):
        order_classes(NOMENCLATURES[name](), order)


def test_there_are_43_and_19_and_17_classes() -> None:
    assert {name: len(set(make().classes)) for name, make in NOMENCLATURES.items()} == {
        "CLC-43": 43,
        "BEN-19": 19,
        "CLC-codes": 43,
        "Planet-17": 17,
    }


def test_clc_codes_are_clc_43_by_another_name() -> None:
    assert list(CODES.classes) == [str(code) for code in CLC_CODES.values()]
    for name, code in CLC_CODES.items():
        assert CODES.to_class(name) == CODES.to_class(str(code)) == str(code)


@pytest.mark.parametrize("nomenclature", [CLC_43, BEN_19])
def test_a_code_is_a_label_like_the_name_of_its_class(nomenclature: Nomenclature) -> None:
    for name, code in CLC_CODES.items():
        assert nomenclature.to_class(str(code)) == nomenclature.to_class(name)


def test_clc_order_is_the_order_of_the_codes() -> None:
    codes = list(CLC_CODES.values())
    assert codes == sorted(set(codes))
    assert [sum(code // 100 == level for code in codes) for level in (1, 2, 3, 4, 5)] == [11, 11, 11, 5, 5]
    assert 335 not in codes  # glaciers do not occur


@pytest.mark.parametrize(("nomenclature", "places"), [(CLC_43, ALPHABETICAL_43), (BEN_19, ALPHABETICAL_19)])
def test_names_stand_where_the_alphabet_puts_them(nomenclature: Nomenclature, places: list[int]) -> None:
    assert [sorted(nomenclature.classes).index(name) for name in nomenclature.classes] == places


def test_the_two_orders_in_use_differ_almost_everywhere() -> None:
    differing = [sum(a != b for a, b in zip(n.classes, sorted(n.classes), strict=True)) for n in (CLC_43, BEN_19)]
    assert differing == [41, 18]


@pytest.mark.parametrize("name", CLC_CODES)
def test_each_clc_class_goes_where_the_paper_puts_it(name: str) -> None:
    place = BEN_19_OF_CODE.get(CLC_CODES[name])
    assert BEN_19.source[name] == (None if place is None else BEN_19.classes[place])


def test_eleven_classes_are_dropped() -> None:
    dropped = {place for place, name in enumerate(CLC_43.classes) if BEN_19.source[name] is None}
    assert dropped == DROPPED
    assert len(DROPPED) == 11
    assert sum(len(codes) for codes in BEN_19_CODES.values()) == 43 - 11


def test_spelling_of_the_woodland_differs_between_43_and_19() -> None:
    slash, comma = "Transitional woodland/shrub", "Transitional woodland, shrub"
    assert slash in CLC_43.classes
    assert comma not in CLC_43.classes
    assert comma in BEN_19.classes
    assert slash not in BEN_19.classes
    assert BEN_19.to_class(slash) == BEN_19.to_class(comma) == comma


def test_commas_stand_in_two_and_four_names() -> None:
    assert [sum("," in name for name in n.classes) for n in (CLC_43, BEN_19)] == [2, 4]


def test_planet_keeps_the_contests_order_and_spelling() -> None:
    text = (
        "haze primary agriculture clear water habitation road cultivation slash_burn cloudy partly_cloudy"
        " conventional_mine bare_ground artisinal_mine blooming selective_logging blow_down"
    )
    assert " ".join(PLANET_17) == text


@pytest.mark.parametrize("name", NOMENCLATURES)
def test_a_class_is_its_own_label(name: str) -> None:
    nomenclature = NOMENCLATURES[name]()
    assert [nomenclature.to_class(label) for label in nomenclature.classes] == list(nomenclature.classes)


@pytest.mark.parametrize(
    ("nomenclature", "label", "words"),
    [
        (BEN_19, "Pasture", "Did you mean 'Pastures'?"),
        (CLC_43, "Transitional woodland, shrub", "Did you mean 'Transitional woodland/shrub'?"),
        (CLC_43, "Urban fabric", "unknown to CLC-43"),
        (CLC_43, "335", "Set archive.nomenclature"),
    ],
)
def test_an_unknown_label_is_refused_with_a_hint(nomenclature: Nomenclature, label: str, words: str) -> None:
    with pytest.raises(NomenclatureError) as caught:
        nomenclature.to_class(label)
    assert f"label '{label}'" in str(caught.value)
    assert words in str(caught.value)


def test_discovered_classes_are_the_sorted_labels(tmp_path: Path) -> None:
    for labels in permutations(["sand", "water", "cars"]):
        found = make_nomenclature("discovered", [*labels, *labels], tmp_path)
        assert found.classes == ("cars", "sand", "water")
        assert [found.to_class(label) for label in labels] == list(labels)


def test_known_names_do_not_look_at_the_archive(tmp_path: Path) -> None:
    assert make_nomenclature("BEN-19", ["nonsense"], tmp_path).classes == BEN_19.classes


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_mapping_file_gives_order_and_sources(tmp_path: Path, suffix: str) -> None:
    content = {"wet": ["Water bodies", "Peatbogs"], "dry": ["Bare rock"], "~": ["Airports"]}
    (tmp_path / f"two.{suffix}").write_text(json.dumps(content), encoding="utf-8")
    found = make_nomenclature(f"two.{suffix}", [], tmp_path)
    assert (found.name, found.classes) == ("two", ("wet", "dry"))
    assert [found.to_class(label) for label in ("Bare rock", "Peatbogs", "Airports")] == ["dry", "wet", None]
    with pytest.raises(NomenclatureError, match="Vineyards"):
        found.to_class("Vineyards")


def test_null_drops_labels_as_a_tilde_does(tmp_path: Path) -> None:
    for number, key in enumerate(("~", "null", '"~"')):
        (tmp_path / f"m{number}.yaml").write_text(f"{key}: [a, 7]\nkept: [b]\n", encoding="utf-8")
        found = make_nomenclature(f"m{number}.yaml", [], tmp_path)
        assert (found.classes, dict(found.source)) == (("kept",), {"a": None, "7": None, "b": "kept", "kept": "kept"})


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "expected one of CLC-43, BEN-19, CLC-codes, Planet-17, discovered or the path"),
    "not YAML": (lambda path: path.write_bytes(b"a: [1,"), "expected YAML or JSON"),
    "an impossible date": (lambda path: path.write_bytes(b"a: [2017-13-45]"), "expected YAML or JSON"),
    "a list": (lambda path: path.write_bytes(b"[a, b]"), "expected a mapping of class name"),
    "a label without a list": (lambda path: path.write_bytes(b"a: b"), "expected a mapping of class name"),
    "a list within a list": (lambda path: path.write_bytes(b"a: [[b]]"), "expected a mapping of class name"),
    "no class": (lambda path: path.write_bytes(b"~: [x]"), "expected at least one class"),
    "empty": (lambda path: path.write_bytes(b""), "expected a mapping of class name"),
    "not UTF-8": (lambda path: path.write_bytes(b"\xff\xff: [b]"), "expected YAML or JSON"),
    "a class twice": (lambda path: path.write_bytes(b"a: [x]\na: [y]\n"), "expected YAML or JSON"),
    "a label twice": (lambda path: path.write_bytes(b"a: [x, y]\nb: [y]\n"), "label 'y' is listed under two classes"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_mapping_file_is_refused(tmp_path: Path, kind: str) -> None:
    write, words = BROKEN[kind]
    write(tmp_path / "classes.yaml")
    with pytest.raises(NomenclatureError) as caught:
        make_nomenclature("classes.yaml", [], tmp_path)
    assert words in str(caught.value)


def test_a_misspelt_name_is_refused_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(NomenclatureError, match="Did you mean 'BEN-19'"):
        make_nomenclature("BEN19", [], tmp_path)


@pytest.mark.parametrize("name", NOMENCLATURES)
def test_reading_inverts_writing(tmp_path: Path, name: str) -> None:
    nomenclature = NOMENCLATURES[name]()
    write_nomenclature(nomenclature, tmp_path / "nomenclature.json")
    assert read_classes(tmp_path / "nomenclature.json") == (name, nomenclature.classes)


def test_another_order_is_another_nomenclature() -> None:
    check_same_classes(["a", "b"], iter(["a", "b"]), "model", "remedy")
    with pytest.raises(NomenclatureError) as caught:
        check_same_classes(["a", "b"], ["b", "a"], "the model", "Train again.")
    for words in ("the model", "['a', 'b']", "['b', 'a']", "Train again."):
        assert words in str(caught.value)


@pytest.mark.parametrize("name", ["labels", "patch_id", "a;b"])
def test_names_that_the_predictions_need_are_no_classes(name: str, tmp_path: Path) -> None:
    with pytest.raises(NomenclatureError, match="mapping file"):
        make_nomenclature("discovered", [name, "water"], tmp_path)


def test_every_class_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("forest: [Mixed forest]\nwater: [Sea and ocean]\n", encoding="utf-8")
    for name in [*NOMENCLATURES, "discovered", "mine.yaml"]:
        nomenclature = make_nomenclature(name, ["b", "a"], tmp_path)
        assert [nomenclature.to_class(label) for label in nomenclature.classes] == list(nomenclature.classes)
    (tmp_path / "mine.yaml").write_text("forest: [water]\nwater: [Sea and ocean]\n", encoding="utf-8")
    with pytest.raises(NomenclatureError, match="'water' is a class, and a label of another one"):
        make_nomenclature("mine.yaml", [], tmp_path)
