"""Nomenclatures: ordered lists of classes, by name.

The order of a nomenclature is the order of the class axis everywhere; it is stored in the manifest, the model and
the MLflow signature. CLC-43 and BEN-19 follow the official CLC order of `label_indices.json`
(https://github.com/rsim-tu-berlin/bigearthnet-models-tf), the mapping is Table 1 of arXiv:2105.07921; CLC-codes is
CLC-43 by its codes. Planet-17 is the tag list of the Planet "Understanding the Amazon from Space" contest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from landscribe.core.errors import NomenclatureError, did_you_mean
from landscribe.core.files import read_json, write_json
from landscribe.core.params import expand_path

# CORINE Land Cover level 3 class -> code; 335 (glaciers and perpetual snow) does not occur in BigEarthNet.
CLC_CODES: dict[str, int] = {
    "Continuous urban fabric": 111,
    "Discontinuous urban fabric": 112,
    "Industrial or commercial units": 121,
    "Road and rail networks and associated land": 122,
    "Port areas": 123,
    "Airports": 124,
    "Mineral extraction sites": 131,
    "Dump sites": 132,
    "Construction sites": 133,
    "Green urban areas": 141,
    "Sport and leisure facilities": 142,
    "Non-irrigated arable land": 211,
    "Permanently irrigated land": 212,
    "Rice fields": 213,
    "Vineyards": 221,
    "Fruit trees and berry plantations": 222,
    "Olive groves": 223,
    "Pastures": 231,
    "Annual crops associated with permanent crops": 241,
    "Complex cultivation patterns": 242,
    "Land principally occupied by agriculture, with significant areas of natural vegetation": 243,
    "Agro-forestry areas": 244,
    "Broad-leaved forest": 311,
    "Coniferous forest": 312,
    "Mixed forest": 313,
    "Natural grassland": 321,
    "Moors and heathland": 322,
    "Sclerophyllous vegetation": 323,
    "Transitional woodland/shrub": 324,
    "Beaches, dunes, sands": 331,
    "Bare rock": 332,
    "Sparsely vegetated areas": 333,
    "Burnt areas": 334,
    "Inland marshes": 411,
    "Peatbogs": 412,
    "Salt marshes": 421,
    "Salines": 422,
    "Intertidal flats": 423,
    "Water courses": 511,
    "Water bodies": 512,
    "Coastal lagoons": 521,
    "Estuaries": 522,
    "Sea and ocean": 523,
}

# BEN-19 class -> its CLC codes; 11 CLC classes are dropped.
BEN_19_CODES: dict[str, tuple[int, ...]] = {
    "Urban fabric": (111, 112),
    "Industrial or commercial units": (121,),
    "Arable land": (211, 212, 213),
    "Permanent crops": (221, 222, 223, 241),
    "Pastures": (231,),
    "Complex cultivation patterns": (242,),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (243,),
    "Agro-forestry areas": (244,),
    "Broad-leaved forest": (311,),
    "Coniferous forest": (312,),
    "Mixed forest": (313,),
    "Natural grassland and sparsely vegetated areas": (321, 333),
    "Moors, heathland and sclerophyllous vegetation": (322, 323),
    "Transitional woodland, shrub": (324,),
    "Beaches, dunes, sands": (331,),
    "Inland wetlands": (411, 412),
    "Coastal wetlands": (421, 422),
    "Inland waters": (511, 512),
    "Marine waters": (521, 522, 523),
}

PLANET_17: tuple[str, ...] = (
    "haze", "primary", "agriculture", "clear", "water", "habitation", "road", "cultivation", "slash_burn", "cloudy",
    "partly_cloudy", "conventional_mine", "bare_ground", "artisinal_mine", "blooming", "selective_logging", "blow_down",
)  # fmt: skip


# Orders of the class axis that software for BigEarthNet uses (docs/class_orders.md).
CLASS_ORDERS = ("clc", "alphabetical")


@dataclass(frozen=True)
class Nomenclature:
    """An ordered list of classes and the source labels of each.

    Attributes:
        name: "CLC-43", "BEN-19", "CLC-codes", "Planet-17", "discovered" or the name of a mapping file.
        classes: class names in the order of the class axis.
        source: source label -> class name, or None for a label dropped on purpose.
    """

    name: str
    classes: tuple[str, ...]
    source: Mapping[str, str | None]

    def to_class(self, label: str) -> str | None:
        """Return the class of a source label, None for a label dropped on purpose.

        Raises:
            NomenclatureError: the label is unknown to this nomenclature.
        """
        if label not in self.source:
            raise NomenclatureError(
                f"label '{label}' is unknown to {self.name}.{did_you_mean(label, self.source)} Set"
                " archive.nomenclature (or --nomenclature) to one that has it"
            )
        return self.source[label]


def _clc_43() -> Nomenclature:
    return Nomenclature("CLC-43", tuple(CLC_CODES), _from_clc({code: name for name, code in CLC_CODES.items()}))


def _clc_codes() -> Nomenclature:
    by_code = {code: str(code) for code in CLC_CODES.values()}
    return Nomenclature("CLC-codes", tuple(by_code.values()), _from_clc(by_code))


def _ben_19() -> Nomenclature:
    by_code = {code: name for name, codes in BEN_19_CODES.items() for code in codes}
    return Nomenclature("BEN-19", tuple(BEN_19_CODES), _from_clc(by_code) | {name: name for name in BEN_19_CODES})


def _from_clc(by_code: Mapping[int, str]) -> dict[str, str | None]:
    """Return source label -> class: each CLC class by its name and by its code, None where `by_code` has none."""
    return {label: by_code.get(code) for name, code in CLC_CODES.items() for label in (name, str(code))}


def _planet_17() -> Nomenclature:
    return Nomenclature("Planet-17", PLANET_17, {name: name for name in PLANET_17})


NOMENCLATURES = {"CLC-43": _clc_43, "BEN-19": _ben_19, "CLC-codes": _clc_codes, "Planet-17": _planet_17}


def order_classes(nomenclature: Nomenclature, order: str) -> tuple[str, ...]:
    """Return the classes in an order of `CLASS_ORDERS`.

    `clc` is the order of the archive's authors (`label_indices.json`), `alphabetical` that of TensorFlow Datasets,
    ConfigILM and the published reBEN weights: Python's sorted names.

    Raises:
        NomenclatureError: the order is unknown, or the nomenclature does not come from CORINE Land Cover.
    """
    if order not in CLASS_ORDERS:
        raise NomenclatureError(f"class order: expected one of {', '.join(CLASS_ORDERS)}; received '{order}'.")
    if order == "alphabetical":
        return tuple(sorted(nomenclature.classes))
    if nomenclature.name not in ("CLC-43", "BEN-19", "CLC-codes"):
        raise NomenclatureError(
            f"class order: {nomenclature.name} has no CLC order; name the classes in the file, or choose alphabetical."
        )
    return nomenclature.classes


def make_nomenclature(name: str, labels_found: Iterable[str], repository: Path) -> Nomenclature:
    """Return the nomenclature called `name`.

    Args:
        name: a known name, "discovered" (the sorted labels found) or the path of a YAML or JSON mapping file
            (class name -> list of source labels; under `~` those dropped on purpose).
        labels_found: every distinct source label of the archive; read for "discovered" alone.
        repository: folder that a relative path of a mapping file starts from.

    Raises:
        NomenclatureError: the name is neither known nor the path of a mapping file.
    """
    if name in NOMENCLATURES:
        return NOMENCLATURES[name]()
    if name == "discovered":
        classes = tuple(sorted(set(labels_found)))
        return _check_names(Nomenclature("discovered", classes, {label: label for label in classes}))
    return _check_names(_read_mapping(repository / expand_path(name), name))


_DROPPED = (None, "~")  # keys of a mapping file: YAML's null, and the same in JSON


def _check_names(nomenclature: Nomenclature) -> Nomenclature:
    """Return the nomenclature unless a class has the name of another column of the table of predictions."""
    for name in nomenclature.classes:
        if name in ("patch_id", "labels") or ";" in name:
            raise NomenclatureError(
                f"class '{name}': expected a name other than patch_id and labels, without ';'; they are columns and"
                " separator of the predictions. Give it another name in a mapping file (archive.nomenclature)."
            )
    return nomenclature


def _read_mapping(path: Path, name: str) -> Nomenclature:
    if not path.is_file():
        known = [*NOMENCLATURES, "discovered"]
        raise NomenclatureError(
            f"nomenclature (archive.nomenclature): expected one of {', '.join(known)} or the path of a mapping file;"
            f" received '{name}'.{did_you_mean(name, known)}"
        )
    try:
        content = YAML(typ="safe").load(path)
    except (OSError, YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date, e.g. 2017-13-45
        raise NomenclatureError(
            f"{path}: expected YAML or JSON, class name -> list of labels; {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict) or not all(_is_list_of_labels(value) for value in content.values()):
        raise NomenclatureError(f"{path}: expected a mapping of class name -> list of source labels.")
    source: dict[str, str | None] = {}
    for class_name, labels in content.items():
        for label in map(str, labels):
            if label in source:
                raise NomenclatureError(f"{path}: label '{label}' is listed under two classes; keep it under one.")
            source[label] = None if class_name in _DROPPED else str(class_name)
    classes = tuple(str(class_name) for class_name in content if class_name not in _DROPPED)
    _check_classes(path, classes, source)
    return Nomenclature(path.stem, classes, source)


def _check_classes(path: Path, classes: tuple[str, ...], source: dict[str, str | None]) -> None:
    """Refuse invalid names, and add each class as its own source label to `source`."""
    if not classes:
        raise NomenclatureError(f"{path}: expected at least one class; received none.")
    for class_name in classes:
        if classes.count(class_name) > 1 or not class_name.strip() or not class_name.isprintable():
            raise NomenclatureError(f"{path}: expected distinct class names of printing characters; {class_name!r}.")
    # A class is its own source label, so that labels written by class name can be read again.
    for class_name in classes:
        if source.setdefault(class_name, class_name) != class_name:
            raise NomenclatureError(
                f"{path}: '{class_name}' is a class, and a label of another one; give the class another name."
            )


def _is_list_of_labels(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(label, str | int | float) for label in value)


def write_nomenclature(nomenclature: Nomenclature, path: Path) -> None:
    """Write name and class order as JSON."""
    write_json(path, {"name": nomenclature.name, "classes": list(nomenclature.classes)})


def read_classes(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return (name, class order) as written by `write_nomenclature`."""
    content = read_json(path)
    return content["name"], tuple(content["classes"])


def check_same_classes(expected: Iterable[str], received: Iterable[str], what: str, remedy: str) -> None:
    """Raise `NomenclatureError`, with both lists, unless they are equal in names and order."""
    expected, received = list(expected), list(received)
    if expected != received:
        raise NomenclatureError(f"{what}: the classes differ.\n  expected {expected}\n  received {received}\n{remedy}")
