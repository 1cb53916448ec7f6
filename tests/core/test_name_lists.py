"""Lists of patch names: column 1, plain or compressed; the published ones by arithmetic."""

import bz2
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from landscribe.core.errors import ArchiveError
from landscribe.core.name_lists import read_names, read_pairs
from landscribe.core.patch import PatchName, parse_patch_name

NAMES = ["S2A_MSIL2A_20170613T101031_87_48", "S2B_MSIL2A_20170924T93020_69_24", "beach07"]

# The same three names, as people write them.
SPELLINGS: dict[str, bytes] = {
    "plain": "\n".join(NAMES).encode(),
    "last line ended": ("\n".join(NAMES) + "\n").encode(),
    "Windows": "\r\n".join(NAMES).encode() + b"\r\n",
    "byte order mark": b"\xef\xbb\xbf" + "\n".join(NAMES).encode(),
    "blank lines": ("\n\n".join(NAMES) + "\n  \n\n").encode(),
    "more columns, as MM has them": "\n".join(f"{name},S1A_IW_x" for name in NAMES).encode(),
    "spaces around": "\n".join(f" {name} " for name in NAMES).encode(),
    "quotes": "\n".join(f'"{name}"' for name in NAMES).encode(),
    "a header": ("Patch_ID\n" + "\n".join(NAMES)).encode(),
    "the header of pairs": ("s2_name,s1_name\n" + "\n".join(f"{name},x" for name in NAMES)).encode(),
    "extensions of images": "\n".join(f"{name}.JPG" for name in NAMES).encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_a_list_are_one_list(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "a.csv").write_bytes(SPELLINGS[spelling])
    (tmp_path / "a.csv.bz2").write_bytes(bz2.compress(SPELLINGS[spelling]))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(SPELLINGS[spelling]))
    for name in ("a.csv", "a.csv.bz2", "a.csv.gz"):
        assert read_names(tmp_path / name) == NAMES


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_keys_of_the_pairs_are_the_names(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "a.csv").write_bytes(SPELLINGS[spelling])
    assert list(read_pairs(tmp_path / "a.csv")) == NAMES


def test_a_pair_holds_the_twin_where_the_line_names_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"a, S1A_x \nb\n{NAMES[0]},\na,S1A_x\n", encoding="utf-8")
    assert read_pairs(tmp_path / "a.csv") == {"a": "S1A_x", "b": None, NAMES[0]: None}
    assert read_names(tmp_path / "a.csv") == ["a", "b", NAMES[0], "a"]  # repeated names stay for the caller to judge


def test_one_name_with_two_twins_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,S1A_x\na,S1A_y\n", encoding="utf-8")
    with pytest.raises(ArchiveError, match="'a' has two twins, S1A_x and S1A_y"):
        read_pairs(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("a.tif", "a"),
        ("a.tiff", "a"),
        ("a.jpeg", "a"),
        ("a.Png", "a"),
        ("a.b", "a.b"),
        ("v1.2.jpg", "v1.2"),
        ("a.", "a."),
    ],
)
def test_only_an_images_extension_is_cut(tmp_path: Path, written: str, name: str) -> None:
    (tmp_path / "a.txt").write_text(written, encoding="utf-8")
    assert read_names(tmp_path / "a.txt") == [name]


BROKEN: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(bz2.compress(b"")),
    "blank lines alone": lambda path: path.write_bytes(bz2.compress(b"\n ,x\n\n")),
    "not bzip2": lambda path: path.write_bytes(b"S2A_MSIL2A_20170613T101031_87_48\n"),
    "truncated": lambda path: path.write_bytes(bz2.compress(b"a\n" * 1000)[:-9]),
    "not UTF-8": lambda path: path.write_bytes(bz2.compress(b"\xff\xfe\xff")),
    "binary": lambda path: path.write_bytes(bz2.compress(b"PAR1\x00\x00\x15\x04")),
    "a quote that never ends": lambda path: path.write_bytes(bz2.compress(b'a\n"b\nc\n')),
    "a header alone": lambda path: path.write_bytes(bz2.compress(b"patch_id\n")),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "train.csv.bz2"
    BROKEN[kind](path)
    with pytest.raises(ArchiveError, match=r"train\.csv\.bz2: expected"):
        read_names(path)


@pytest.mark.parametrize(
    "content",
    [b"a\n", gzip.compress(b"a\n" * 1000)[:-9], b"\x1f\x8b\x08\x00" + b"x" * 40],
    ids=["no gzip", "cut off", "no deflate"],  # gzip writes the time: workers would name the test otherwise
)
def test_a_damaged_gzip_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv.gz").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"a\.csv\.gz: expected a list of patch names"):
        read_names(tmp_path / "a.csv.gz")


@pytest.fixture(scope="module")
def published(samples: Path) -> dict[str, list[str]]:
    """The official lists of BigEarthNet v1, by the first part of their names."""
    return {path.name.split(".")[0]: read_names(path) for path in (samples / "bigearthnet-v1/lists").glob("*.bz2")}


@pytest.mark.drill
def test_the_published_lists_add_up(published: dict[str, list[str]]) -> None:
    sizes = {name: len(names) for name, names in published.items()}
    assert sizes == {
        "train": 269_695,
        "val": 123_723,
        "test": 125_866,
        "patches_with_seasonal_snow": 61_707,
        "patches_with_cloud_and_shadow": 9_280,
    }
    everything = {name for names in published.values() for name in names}
    assert len(everything) == sum(sizes.values()) == 590_271  # pairwise disjoint, no name twice
    assert sizes["train"] + sizes["val"] + sizes["test"] == 519_284


@pytest.mark.drill
def test_every_published_name_is_a_key_of_its_granule(published: dict[str, list[str]]) -> None:
    parsed: list[PatchName] = [parse_patch_name(name) for names in published.values() for name in names]
    assert len({(patch.granule, patch.column, patch.row) for patch in parsed}) == 590_271
    assert sum(patch.short_clock for patch in parsed) == 69_863
    granules = Counter(patch.granule for patch in parsed)
    assert len(granules) == 125
    assert max(granules.values()) <= 91 * 91
    assert max(max(patch.column, patch.row) for patch in parsed) <= 90
    clocks = [granule.rpartition("T")[2].zfill(6) for granule in granules.elements()]
    assert sum(clock[2:4] > "59" or clock[4:] > "59" for clock in clocks) == 13_599
