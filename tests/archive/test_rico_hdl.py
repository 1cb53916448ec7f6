"""An LMDB of rico-hdl gives the index and the records of the TIFFs that it was made from."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from landscribe.archive.bigearthnet_v2 import BigEarthNetV2
from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.archive.rico_hdl import open_rico_hdl
from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.params import read_params
from tests.conversion.test_converter import run
from tests.support.fake_rico import encode_entries, write_lmdb
from tests.support.fake_v2 import ArchiveParts, write_v2_archive
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow(4)


@pytest.fixture(scope="module")
def parts(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> ArchiveParts:
    """A v2 archive; never written to."""
    return write_v2_archive(demo_root, tmp_path_factory.mktemp("v2"))


@pytest.fixture(scope="module")
def entries(parts: ArchiveParts) -> dict[str, bytes]:
    """Patch name -> its bands as the encoder writes them, both sensors."""
    return encode_entries(parts)


@pytest.mark.parametrize("sensors", ["S2", "S1", "S1 S2"])
def test_the_records_are_those_of_the_tiffs(
    sensors: str, parts: ArchiveParts, entries: dict[str, bytes], tmp_path: Path
) -> None:
    chosen = {name: content for name, content in entries.items() if name[:2] in sensors}
    found = open_rico_hdl(write_lmdb(tmp_path / "lmdb", chosen), parts.label_files)
    roots = parts.root if "S2" in sensors else None, parts.s1_root if "S1" in sensors else None
    expected = BigEarthNetV2(*roots, None, parts.label_files)
    assert found.read_listing().patches.equals(expected.read_listing().patches)
    assert (found.name, list(found.bands)) == (expected.name, list(expected.bands))
    for archive, folder in ((found, "found"), (expected, "expected")):
        run(archive, tmp_path / folder, bands=list(expected.bands))
    shards = [
        {path.name: path.read_bytes() for path in (tmp_path / folder).rglob("*") if path.is_file()}
        for folder in ("found", "expected")
    ]
    assert shards[0] == shards[1] != {}


def test_the_section_names_it_and_a_change_is_noticed(
    parts: ArchiveParts, entries: dict[str, bytes], tmp_path: Path
) -> None:
    root = write_lmdb(tmp_path / "lmdb", entries)
    values = read_params(ROOT / "params.yaml")["archive"] | {"layout": "rico-hdl", "root": str(root)}
    config = ArchiveConfig.model_validate(values | {"labels_file": [str(path) for path in parts.label_files]})
    assert [paths for _, paths in open_archive(config).iter_units()] == [[str(root / "data.mdb")]]


def test_what_is_absent_or_damaged_is_a_sentence(
    parts: ArchiveParts, entries: dict[str, bytes], tmp_path: Path
) -> None:
    names = sorted(name for name in entries if name.startswith("S2"))
    damaged = entries | {names[0]: b"no safetensors", names[1]: save({"B02": np.zeros((3, 3), np.uint16)})}
    del damaged[names[2]]
    archive = open_rico_hdl(write_lmdb(tmp_path / "lmdb", damaged), parts.label_files)
    listing = archive.read_listing()
    assert [out.patch_id for out in listing.excluded] == [names[2]]
    for name, words in {
        names[0]: "is no safetensors",
        names[1]: r"_B02: expected \(120, 120\) uint16; received \(3, 3\)",
        names[2]: "no entry",
    }.items():
        with pytest.raises(PatchError, match=words):
            archive.read_patch(f"tile/{name}", None, [S2_BANDS["B02"]])
    with pytest.raises(PatchError, match="band B03 is missing"):
        archive.read_patch(f"tile/{names[1]}", None, [S2_BANDS["B03"]])
    with pytest.raises(PatchError, match="no entry ''"):
        archive.read_patch(f"tile/{names[3]}", None, [S1_BANDS["VV"]])
    with pytest.raises(ArchiveError, match=r"expected the folder of an LMDB.*Set archive\.root"):
        open_rico_hdl(tmp_path / "absent", parts.label_files)
    with pytest.raises(ArchiveError, match="expected entries with patch names"):
        open_rico_hdl(write_lmdb(tmp_path / "other", {"readme": b""}), parts.label_files)
