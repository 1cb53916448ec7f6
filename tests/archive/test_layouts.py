"""Section `archive` names the reader; each key is one that its layout takes."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landscribe.archive.bigearthnet_tfrecord import BigEarthNetTFRecord
from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.bigearthnet_v2 import BigEarthNetV2
from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.archive.protocol import Archive
from landscribe.archive.tag_table import TableForm
from landscribe.archive.tagged_images import TaggedImages
from landscribe.core.patch import S1_FOLDER, S2_FOLDER

HERE = Path("/checkout")
BAND_ORDER = ["B", "G", "R", "NIR"]


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths start here."""
    monkeypatch.setenv("DVC_ROOT", str(HERE))


def make_config(**values: Any) -> ArchiveConfig:
    """Return a section `archive` with some values."""
    keys = ("root", "s1_root", "maps_root", "labels_file", "tag_separator", "image_column", "tags_column")
    paths = dict.fromkeys(keys)
    base: dict[str, Any] = {
        **paths,
        "nomenclature": "BEN-19",
        "exclude": [],
        "band_order": BAND_ORDER,
        "wavelengths_nm": {},
    }
    return ArchiveConfig.model_validate(base | values)


READERS: dict[str, tuple[dict[str, Any], Archive]] = {
    "demo": (
        {"layout": "demo", "root": "data"},
        BigEarthNetV1(HERE / "data" / S2_FOLDER, HERE / "data" / S1_FOLDER, name="demo"),
    ),
    "pairs": (
        {"layout": "bigearthnet-v1", "root": "s2", "s1_root": "/radar", "labels_file": "labels.csv"},
        BigEarthNetV1(HERE / "s2", Path("/radar"), HERE / "labels.csv"),
    ),
    "Sentinel-2": ({"layout": "bigearthnet-v1", "root": "s2"}, BigEarthNetV1(HERE / "s2", None)),
    "Sentinel-1": ({"layout": "bigearthnet-v1", "s1_root": "s1"}, BigEarthNetV1(None, HERE / "s1")),
    "v2": (
        {"layout": "bigearthnet-v2", "root": "s2", "maps_root": "maps", "labels_file": ["one", "two"]},
        BigEarthNetV2(HERE / "s2", None, HERE / "maps", (HERE / "one", HERE / "two")),
    ),
    "TFRecords": ({"layout": "bigearthnet-tfrecord", "root": "records"}, BigEarthNetTFRecord(HERE / "records")),
    "folders": (
        {"layout": "tagged-images", "root": "images"},
        TaggedImages(HERE / "images", None, tuple(BAND_ORDER)),
    ),
    "a named separator": (
        {"layout": "tagged-images", "root": "images", "labels_file": "tags.csv", "tag_separator": " "},
        TaggedImages(HERE / "images", HERE / "tags.csv", tuple(BAND_ORDER), TableForm(separator=" ")),
    ),
    "images": (
        {"layout": "tagged-images", "root": "images", "labels_file": "tags.csv"},
        TaggedImages(HERE / "images", HERE / "tags.csv", tuple(BAND_ORDER)),
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_the_section_chooses_the_reader_which_goes_to_worker_processes(kind: str) -> None:
    values, reader = READERS[kind]
    assert open_archive(make_config(**values)) == reader
    assert pickle.loads(pickle.dumps(reader)) == reader  # noqa: S301


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"layout": "bigearthnet-v1"}, "root: set it to the folder of the Sentinel-2 patches, or s1_root"),
        ({"layout": "demo"}, "root: layout demo needs it"),
        ({"layout": "demo", "root": "data", "s1_root": "s1"}, r"s1_root: layout demo takes none \(demo has its own\)"),
        (
            {"layout": "bigearthnet-v1", "root": "s2", "maps_root": "maps"},
            "maps_root: layout bigearthnet-v1 takes none",
        ),
        (
            {"layout": "bigearthnet-v1", "root": "s2", "labels_file": ["a", "b"]},
            "only bigearthnet-v2 and rico-hdl",
        ),
        ({"layout": "bigearthnet-v2", "root": "s2"}, "labels_file: layout bigearthnet-v2 needs it"),
        ({"layout": "tagged-images", "root": "images", "tag_separator": ","}, "tag_separator: only a table of tags"),
        ({"layout": "demo", "root": "data", "tags_column": "tags"}, "tags_column: only a table of tags has one"),
        ({"layout": "bigearthnet-v1", "root": "s2", "exclude": ["snow"]}, "'snow' needs the flags of BigEarthNet v2"),
    ],
)
def test_a_key_that_the_layout_lacks_or_does_not_take_is_told(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        make_config(**values)


def test_the_section_names_every_file_beside_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "classes.yaml").touch()
    tagged: dict[str, Any] = {"layout": "tagged-images", "root": "images", "labels_file": "tags.csv"}
    config = make_config(**tagged, exclude=["snow.csv"], nomenclature="classes.yaml")
    assert config.extra_files == [tmp_path / name for name in ("tags.csv", "snow.csv", "classes.yaml")]
    assert make_config(layout="demo", root="data").extra_files == []
