"""Nomenclatures: the constants by arithmetic, mapping by name, order as published."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from landscribe.errors import NomenclatureError
from landscribe.nomenclature import (
    BEN_19_CODES,
    CLC_CODES,
    NOMENCLATURES,
    PLANET_17,
    Nomenclature,
    check_same_classes,
    make_nomenclature,
    read_classes,
    write_nomenclature,
)

CLC_43, BEN_19 = NOMENCLATURES["CLC-43"](), NOMENCLATURES["BEN-19"]()

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


def test_there_are_43_and_19_and_17_classes() -> None:
    assert [len(set(NOMENCLATURES[name]().classes)) for name in ("CLC-43", "BEN-19", "Planet-17")] == [43, 19, 17]


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
    assert BEN_19.to_classes([slash]) == BEN_19.to_classes([comma]) == [comma]


def test_commas_stand_in_two_and_four_names() -> None:
    assert [sum("," in name for name in n.classes) for n in (CLC_43, BEN_19)] == [2, 4]


def test_planet_keeps_the_contests_order_and_spelling() -> None:
    text = (
        "haze primary agriculture clear water habitation road cultivation slash_burn cloudy partly_cloudy"
        " conventional_mine bare_ground artisinal_mine blooming selective_logging blow_down"
    )
    assert " ".join(PLANET_17) == text


@pytest.mark.parametrize("name", NOMENCLATURES)
def test_classes_map_to_themselves_in_order(name: str) -> None:
    nomenclature = NOMENCLATURES[name]()
    assert nomenclature.to_classes(nomenclature.classes) == list(nomenclature.classes)
    assert nomenclature.to_classes(reversed(nomenclature.classes)) == list(nomenclature.classes)


def test_classes_depend_on_the_set_of_labels_alone() -> None:
    labels = ["Sea and ocean", "Vineyards", "Olive groves", "Airports"]
    for order in permutations(labels):
        assert BEN_19.to_classes([*order, *order]) == ["Permanent crops", "Marine waters"]


def test_mapping_to_19_is_mapping_each_label() -> None:
    for name in CLC_43.classes:
        alone = BEN_19.to_classes([name])
        assert len(alone) == (BEN_19.source[name] is not None)
        assert BEN_19.to_classes([name, "Pastures"]) == BEN_19.to_classes([*alone, "Pastures"])


def test_a_patch_of_dropped_classes_has_no_class() -> None:
    assert BEN_19.to_classes([CLC_43.classes[place] for place in DROPPED]) == []


@pytest.mark.parametrize(
    ("nomenclature", "label", "words"),
    [
        (BEN_19, "Pasture", "Did you mean 'Pastures'?"),
        (CLC_43, "Transitional woodland, shrub", "Did you mean 'Transitional woodland/shrub'?"),
        (CLC_43, "Urban fabric", "unknown to the nomenclature CLC-43"),
        (CLC_43, "", "archive.nomenclature"),
    ],
)
def test_an_unknown_label_is_refused_with_a_hint(nomenclature: Nomenclature, label: str, words: str) -> None:
    with pytest.raises(NomenclatureError) as caught:
        nomenclature.to_classes(["Pastures", label])
    assert f"label '{label}'" in str(caught.value)
    assert words in str(caught.value)


def test_discovered_classes_are_the_sorted_labels(tmp_path: Path) -> None:
    for labels in permutations(["sand", "water", "cars"]):
        found = make_nomenclature("discovered", [*labels, *labels], tmp_path)
        assert found.classes == ("cars", "sand", "water")
        assert found.to_classes(labels) == ["cars", "sand", "water"]


def test_known_names_do_not_look_at_the_archive(tmp_path: Path) -> None:
    assert make_nomenclature("BEN-19", ["nonsense"], tmp_path).classes == BEN_19.classes


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_mapping_file_gives_order_and_sources(tmp_path: Path, suffix: str) -> None:
    content = {"wet": ["Water bodies", "Peatbogs"], "dry": ["Bare rock"]}
    (tmp_path / f"two.{suffix}").write_text(json.dumps(content), encoding="utf-8")
    found = make_nomenclature(f"two.{suffix}", [], tmp_path)
    assert (found.name, found.classes) == ("two", ("wet", "dry"))
    assert found.to_classes(["Bare rock", "Peatbogs", "Water bodies"]) == ["wet", "dry"]
    with pytest.raises(NomenclatureError, match="Vineyards"):
        found.to_classes(["Vineyards"])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "expected one of CLC-43, BEN-19, Planet-17, discovered or the path"),
    "not YAML": (lambda path: path.write_bytes(b"a: [1,"), "expected YAML or JSON"),
    "an impossible date": (lambda path: path.write_bytes(b"a: [2017-13-45]"), "expected YAML or JSON"),
    "a list": (lambda path: path.write_bytes(b"[a, b]"), "expected a mapping of class name"),
    "a label without a list": (lambda path: path.write_bytes(b"a: b"), "expected a mapping of class name"),
    "a label twice": (lambda path: path.write_bytes(b"a: [x, y]\nb: [y]\n"), "label 'y' stands under two classes"),
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
