"""The offset of digital numbers: what metadata or the user say, what the dark pixels say, and whether they agree.

Reflectance of land and water is near 0 somewhere in nearly every scene. Without the offset of processing baseline 04.00
dark pixels have small digital numbers, with it the darkest are near 1,000: less would be a negative reflectance, which
atmospheric correction seldom yields. Bright scenes, of snow, cloud or desert, can be of either kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from landscribe.core.bands import S1_BANDS
from landscribe.core.errors import ArchiveError
from landscribe.scenes.headers import DIGITAL_NUMBERS
from landscribe.scenes.listing import SceneFiles
from landscribe.scenes.metadata import read_item_offset, read_product_offset
from landscribe.scenes.scene import Offset, SceneBand

Judgement = Literal["with", "without", "undecidable"]

_PRODUCT_METADATA = "MTD_MSIL2A.xml"
_NAMES = ("B02", "B04", "B11", "B12")
_BIN_DN, _NUM_BINS = 25, 120  # up to 3,000; what is brighter is in the last
_EVERY = 2  # row and column: a quarter of the pixels says as much
# Below it, and the share of a band's pixels that may be there with the offset. Measured with it: at most 0.33 %, in B02
# of a cloudy product (0.05 % in its B04, none in cut-outs of water, snow and cloud). Without it: at least 74 % of the
# darkest band of six patches of BigEarthNet and of two of water; 15 % in that of a cloudy scene less 1,000.
_DARK_DN, _MOST_DARK = 900, 0.015
# The first percentile of B04 with the offset, at most: 1,016 (cloudy product), 1,034 and 1,023 (water), 1,050 to 1,217
# (the six patches plus 1,000), 1,314 (a lake plus 1,000). Of what is bright everywhere: 1,805 (cloud), 9,752 (snow).
_PERCENTILE, _MOST_FLOOR_DN = 0.01, 1350
# Where cloud hides what is dark, the floor is higher: 1,805 in a cloudy product with the offset. It is believed up to
# here if the short-wave infrared is darker than blue, which thin cloud is and soil is not: 1,654 beside 1,936.
_MOST_CLOUD_DN = 2000
# Bare soil reflects far more red than blue; what is dark does not: in all of these B04 is at most 68 above B02 there.
_MOST_RED_DN = 150
# Red below the offset is water or shadow, and then the short-wave infrared is near 1,000 too. A field of EuroSAT, of
# level 1C (top of the atmosphere) and without the offset, has 934 in B04 beside 1,272 in B12.
_LEAST_FLOOR_DN, _MOST_SWIR_DN = 975, 1150
_LEAST_PIXELS = 100  # for a percentile


def find_offset(files: SceneFiles | None, bands: Iterable[SceneBand], given: int | None) -> Offset:
    """Return the offset of a scene: as given, else as its metadata says.

    Args:
        files: where MTD_MSIL2A.xml or a STAC item may lie; None: there are none.
        bands: of the scene.
        given: by --offset; it wins.

    Raises:
        ArchiveError: metadata is damaged or says several offsets, or one is given and no band can have it.
    """
    if not any(band.name not in S1_BANDS and band.dtype in DIGITAL_NUMBERS for band in bands):
        if given:
            raise ArchiveError(
                f"--offset {given}: expected optical bands of {' or '.join(DIGITAL_NUMBERS)}; received"
                f" {', '.join(f'{band.name} of {band.dtype}' for band in bands)}. Leave --offset out."
            )
        return Offset(value=0, source="")
    if given is None:
        return _read_metadata(files)
    try:
        said = _read_metadata(files)
    except ArchiveError:  # it is overruled
        said = Offset(value=0, source="")
    doubt = f"--offset {given} overrules {said.source}, which says {said.value}" if said.source else ""
    return Offset(value=given, source="--offset", doubt=doubt if said.value != given else "")


def _read_metadata(files: SceneFiles | None) -> Offset:
    said = []
    for name in files.names if files else ():
        read = read_product_offset if name == _PRODUCT_METADATA else read_item_offset
        if files is None or not (name == _PRODUCT_METADATA or ("/" not in name and name.lower().endswith(".json"))):
            continue
        value = read(files.read(name), name)
        if value is not None:
            said.append(Offset(value=value, source=name if name == _PRODUCT_METADATA else f"STAC item {name}"))
    if len({one.value for one in said}) > 1:
        raise ArchiveError(
            f"{files.path if files else ''}: expected metadata that agrees; received"
            f" {' and '.join(f'{one.value} from {one.source}' for one in said)}. Keep that of this scene, or say the"
            " offset by --offset."
        )
    return said[0] if said else Offset(value=0, source="")


class DarkPixels:
    """How dark the valid pixels of B02, B04, B11 and B12 are: a histogram of each, that can be merged with others."""

    def __init__(self, counts: Mapping[str, Sequence[int]] | None = None) -> None:
        self._counts = {name: np.asarray(values, np.int64) for name, values in (counts or {}).items()}

    def add(self, name: str, values: np.ndarray, nodata: float | None) -> None:
        """Count pixels as they are in the file, the offset not undone.

        Args:
            name: of the band; others than the four are passed over.
            values: digital numbers, [row, column], whole numbers.
            nodata: what is no pixel, or None.
        """
        if name not in _NAMES:
            return
        some = values[::_EVERY, ::_EVERY].ravel()
        valid = some if nodata is None else some[some != nodata]
        bins = np.clip(valid.astype(np.int32) // _BIN_DN, 0, _NUM_BINS - 1)
        self._counts[name] = self._counts.get(name, 0) + np.bincount(bins, minlength=_NUM_BINS)

    def merge(self, other: "DarkPixels") -> None:
        """Add the pixels of another."""
        for name, counts in other._counts.items():
            self._counts[name] = self._counts.get(name, 0) + counts

    def to_json(self) -> dict[str, list[int]]:
        """Return the counts by band."""
        return {name: counts.tolist() for name, counts in self._counts.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Sequence[int]]) -> "DarkPixels":
        """Return what `to_json` was called on."""
        return cls(content)

    def judge(self) -> Judgement:
        """Return whether the pixels are with the offset in them, without it, or can be either."""
        counts = {name: counts for name, counts in self._counts.items() if counts.sum() >= _LEAST_PIXELS}
        if any(band[: _DARK_DN // _BIN_DN].sum() > _MOST_DARK * band.sum() for band in counts.values()):
            return "without"
        floors = {name: _find_percentile(band) for name, band in counts.items()}
        if not {"B02", "B04"} <= set(floors):
            return "undecidable"
        swir = [floors[name] for name in ("B11", "B12") if name in floors]
        is_cloud = "B12" in floors and floors["B12"] < floors["B02"]
        highest = _MOST_CLOUD_DN if is_cloud else _MOST_FLOOR_DN
        is_dark = floors["B04"] <= min(highest, floors["B02"] + _MOST_RED_DN)
        is_contradicted = floors["B04"] < _LEAST_FLOOR_DN and bool(swir) and min(swir) > _MOST_SWIR_DN
        return "with" if is_dark and not is_contradicted else "undecidable"


def _find_percentile(counts: np.ndarray) -> float:
    """Return the digital number below which `_PERCENTILE` of the pixels are: the middle of its bin."""
    return float((np.searchsorted(np.cumsum(counts), _PERCENTILE * counts.sum()) + 0.5) * _BIN_DN)


def contradict(offset: Offset, judged: Judgement) -> str:
    """Return a sentence on what speaks against an offset, pixels or metadata; an empty one if nothing does.

    Args:
        offset: of the scene.
        judged: what its pixels say.
    """
    said = f"{offset.source} says offset {offset.value}" if offset.source else "nothing says the offset, so it is 0"
    if judged == "with" and offset.value >= 0:
        words = (
            f"{said}, but nearly no pixel is below {_DARK_DN} and the darkest are near 1,000: the digital numbers look"
            " as if 1,000 were added to them (processing baseline 04.00 or later). If so, every score is wrong: run"
            " again with --offset -1000"
        )
    elif judged == "without" and offset.value < 0:
        words = (
            f"{said}, but many pixels are below {_DARK_DN}: the digital numbers look as if nothing were added to them."
            " If so, every score is wrong: run again with --offset 0"
        )
    else:
        words = ""
    return "; ".join(part for part in (offset.doubt, words) if part)
