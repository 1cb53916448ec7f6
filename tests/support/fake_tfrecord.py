"""A small archive of TFRecords as the archive authors' scripts write them, made from the synthetic one of layout v1."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.nomenclature import BEN_19_CODES, CLC_CODES
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.core.tfrecord import encode_example, write_record

SPLITS = ("train", "train", "val", "test")  # patches by name take turns

Features = dict[str, bytes | list[bytes] | np.ndarray]


def write_tfrecord_archive(
    demo_root: Path, folder: Path, *, sensors: Literal["MM", "S2"] = "MM", classes43: bool = False
) -> dict[str, list[str]]:
    """Write train.tfrecord, val.tfrecord and test.tfrecord under `folder`; return split -> patch names, in order.

    As in the authors' splits, a patch without a class among the 19 is left out.

    Args:
        demo_root: the synthetic archive, 60 patches with their twins.
        folder: is made.
        sensors: MM: both twins under patch_name_s1 and patch_name_s2; S2: Sentinel-2 alone under patch_name.
        classes43: original_labels in place of BigEarthNet-19_labels.
    """
    members: dict[str, list[str]] = {split: [] for split in dict.fromkeys(SPLITS)}
    records: dict[str, list[Features]] = {split: [] for split in members}
    twins = {
        json.loads(_find_json(path).read_text())["corresponding_s2_patch"]: path
        for path in _list(demo_root / S1_FOLDER)
    }
    for number, path in enumerate(_list(demo_root / S2_FOLDER)):
        features = make_features(path, twins[path.name] if sensors == "MM" else None, classes43=classes43)
        if features:
            split = SPLITS[number % len(SPLITS)]
            members[split].append(path.name)
            records[split].append(features)
    folder.mkdir(parents=True)
    for split, patches in records.items():
        write_examples(folder / f"{split}.tfrecord", patches)
    return members


def write_examples(path: Path, examples: Iterable[Mapping[str, bytes | list[bytes] | np.ndarray]]) -> None:
    """Write one TFRecord file."""
    with path.open("wb") as stream:
        for features in examples:
            write_record(stream, encode_example(dict(features)))


def make_features(s2_path: Path, s1_path: Path | None, *, classes43: bool) -> Features | None:
    """Return the features of a patch; None where none of its classes is among the 19."""
    labels = json.loads(_find_json(s2_path).read_text())["labels"]
    codes = {CLC_CODES[label] for label in labels}
    labels_19 = [name for name, members in BEN_19_CODES.items() if codes & set(members)]
    if not labels_19:
        return None
    features: Features = {name: read_raveled(s2_path, name) for name in S2_BANDS}
    if s1_path:
        features |= {name: read_raveled(s1_path, name) for name in S1_BANDS}
        features |= {"patch_name_s1": s1_path.name.encode(), "patch_name_s2": s2_path.name.encode()}
    else:
        features["patch_name"] = s2_path.name.encode()
    key, classes = ("original_labels", CLC_CODES) if classes43 else ("BigEarthNet-19_labels", BEN_19_CODES)
    names = labels if classes43 else labels_19
    features[key] = [name.encode() for name in names]
    features[f"{key}_multi_hot"] = np.array([name in names for name in classes], np.int64)
    return features


def read_raveled(folder: Path, band: str) -> np.ndarray:
    """Return a band as the scripts store it: one axis, int64 or float32."""
    with rasterio.open(folder / f"{folder.name}_{band}.tif") as dataset:
        values: np.ndarray = dataset.read(1).ravel()
    return values if values.dtype == np.float32 else values.astype(np.int64)


def _list(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _find_json(folder: Path) -> Path:
    return folder / f"{folder.name}_labels_metadata.json"
