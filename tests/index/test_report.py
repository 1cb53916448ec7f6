"""The report of `discover` adds up, is the same twice, and shows patches of every class."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from landscribe.archive.protocol import Listing, make_patches
from landscribe.core.bands import IMAGE_BANDS, S2_BANDS, Band
from landscribe.core.errors import PatchError
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.core.quarantine import LeftOut
from landscribe.index.labels import Index, build_index
from landscribe.index.report import choose_examples, write_discover_report

pytestmark = pytest.mark.slow(4)

BEN_19 = NOMENCLATURES["BEN-19"]()
FILES = [
    "class_counts.csv",
    "class_counts.png",
    "cooccurrence.png",
    "gallery.png",
    "labels_per_patch.png",
    "left_out.csv",
    "summary.json",
    "tiles.csv",
]


class FakeArchive:
    """A reader of noise; patches named in `bad` cannot be read."""

    name = "fake"

    def __init__(self, bands: Mapping[str, Band] = S2_BANDS, bad: Sequence[str] = ()) -> None:
        self.bands = bands
        self.bad = bad
        self.asked: list[tuple[Band, ...]] = []

    def iter_units(self) -> Iterator[tuple[str, list[Path]]]:
        yield from ()

    def read_listing(self) -> Listing:
        raise NotImplementedError

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        self.asked.append(tuple(bands))
        if path in self.bad:
            raise PatchError(f"{path}_B04.tif is unreadable")
        return {band.name: np.full((band.size_px or 0,) * 2, len(path)).astype(band.dtype) for band in bands}


def make_index() -> Index:
    """Return four patches, one of them without a class of BEN-19, and what a reader left out."""
    patches = make_patches(
        {
            "patch_id": ["patch_c", "patch_a", "patch_b", "patch_d"],
            "labels": [["Sea and ocean", "Vineyards", "Olive groves"], ["Airports"], ["Vineyards"], ["Sea and ocean"]],
            "path": ["patch_c", "patch_a", "patch_b", "patch_d"],
            "tile": ["33UUP", "33UUP", None, "29SND"],
            "column": [1, 2, None, 3],
            "longitude": [15.0, None, None, None],
            "country": ["Austria", "Austria", "Portugal", "Portugal"],
            "dtype": ["uint8"] * 4,
        }
    )
    quirks = Counter({"stray-file": 2, "grey-image": 0})
    bad = [LeftOut("patch_e", "patch_e.json is not JSON")]
    return build_index(Listing(patches, bad, [LeftOut("patch_f", "no Sentinel-1 twin")], quirks), BEN_19)


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a CSV."""
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def test_the_report_adds_up_and_is_the_same_twice(tmp_path: Path) -> None:
    index = make_index()
    for folder in ("first", "second"):
        summary = write_discover_report(tmp_path / folder, index, BEN_19.classes, FakeArchive())
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == FILES
    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert json.loads((tmp_path / "first/summary.json").read_text(encoding="utf-8")) == summary
    without = summary.pop("classes_without_patch")
    assert summary == {
        "num_patches": 3,
        "num_classes": 19,
        "labels_per_patch": {"mean": 1.333, "max": 2},
        "num_tiles": 2,
        "num_granules": 0,
        "num_with_coordinates": 1,
        "num_with_grid_cell": 2,
        "not_located": {},
        "window_m": None,
        "countries": {"Austria": 1, "Portugal": 2},
        "official_split": {},
        "quirks": {"stray-file": 2},
        "quarantined": {"<patch>.json is not JSON": 1},
        "excluded": {"no Sentinel-1 twin": 1, "no class of BEN-19": 1},
        "absent_names": {},
    }
    assert without == [name for name in BEN_19.classes if name not in ("Permanent crops", "Marine waters")]
    assert len(read_rows(tmp_path / "first/left_out.csv")) == 1 + 3
    counted = read_rows(tmp_path / "first/class_counts.csv")
    assert [name for name, _ in counted] == ["class", *BEN_19.classes]
    assert sum(int(number) for _, number in counted[1:]) == 4
    assert read_rows(tmp_path / "first/tiles.csv") == [["tile", "num_patches"], ["29SND", "1"], ["33UUP", "1"]]


def test_the_gallery_reads_only_what_it_shows_at_a_known_size(tmp_path: Path) -> None:
    archive = FakeArchive(IMAGE_BANDS)
    write_discover_report(tmp_path, make_index(), BEN_19.classes, archive)
    assert len(archive.asked) == 3
    for bands in archive.asked:
        assert [(band.name, band.size_px, band.dtype) for band in bands] == [(name, 256, "uint8") for name in "RGB"]


@pytest.mark.parametrize("bad", [["patch_c"], ["patch_b", "patch_c", "patch_d"]])
def test_a_patch_that_cannot_be_read_is_noted_and_ends_nothing(bad: list[str], tmp_path: Path) -> None:
    summary = write_discover_report(tmp_path, make_index(), BEN_19.classes, FakeArchive(bad=bad))
    notes = [f"{name}: {name}_B04.tif is unreadable" for name in bad]
    assert sorted(summary["not_in_the_gallery"]) == notes  # type: ignore[call-overload]
    assert (tmp_path / "gallery.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("num_patches", "num_classes"), [(400, 12), (400, 43), (5, 12), (1, 1)])
def test_examples_are_distinct_and_of_classes_evenly_from_the_ranking(num_patches: int, num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    multi_hot = (rng.random((num_patches, num_classes)) < np.geomspace(0.5, 0.02, num_classes)).astype(np.float32)
    multi_hot[:, 0] = np.maximum(multi_hot[:, 0], ~multi_hot.any(axis=1))
    rows = choose_examples(multi_hot)
    assert len(rows) == len(set(rows)) == min(16, num_patches)
    counts = multi_hot.sum(axis=0)
    if num_patches > 100:
        shown = np.asarray(multi_hot[rows].any(axis=0))
        assert shown.all() if num_classes <= 16 else shown.sum() >= 16
        assert shown[counts.argmax()]
        assert shown[np.flatnonzero(counts)[counts[counts > 0].argmin()]]


def test_an_example_carries_few_other_classes() -> None:
    multi_hot = np.ones((50, 3), np.float32)
    multi_hot[7, 1:] = multi_hot[30, :2] = 0
    assert {7, 30} < set(choose_examples(multi_hot, 3))
