"""Which pixels of a patch are nodata: masks of all bands, as a record stores them."""

from collections.abc import Mapping, Sequence

import numpy as np

from landscribe.core.errors import PatchError
from landscribe.records.schema import BandGroup


def encode_masks(values: Mapping[str, np.ndarray], groups: Sequence[BandGroup]) -> bytes:
    """Return the feature `nodata` of a patch, a bit for each pixel; empty where no pixel is masked.

    Args:
        values: band -> [row, column]; masked arrays where a band has nodata.
        groups: band groups of the manifest.
    """
    if not any(np.ma.is_masked(band) for band in values.values()):
        return b""
    masks = [np.ma.getmaskarray(values[name]).ravel() for group in groups for name in group.bands]
    return np.packbits(np.concatenate(masks)).tobytes()


def decode_masks(packed: bytes, groups: Sequence[BandGroup]) -> dict[str, np.ndarray]:
    """Return band -> bool [row, column] of what `encode_masks` returned, those alone that mask a pixel."""
    bits, masks, start = np.unpackbits(np.frombuffer(packed, np.uint8)).astype(np.bool_), {}, 0
    for group in groups:
        for name in group.bands:
            mask = bits[start : start + group.size_px**2].reshape(group.size_px, group.size_px)
            start += group.size_px**2
            if mask.any():
                masks[name] = mask
    return masks


def check_signal(values: Mapping[str, np.ndarray], max_nodata_fraction: float) -> float:
    """Return the share of the pixels of all bands of a patch that are nodata.

    Args:
        values: band -> [row, column]; masked arrays where a band has nodata.
        max_nodata_fraction: share that is tolerated.

    Raises:
        PatchError: more are, or no pixel says anything.
    """
    masked = [band for band in values.values() if isinstance(band, np.ma.MaskedArray)]
    num_masked = sum(np.count_nonzero(np.ma.getmaskarray(band)) for band in masked)
    fraction = num_masked / sum(band.size for band in values.values())
    if fraction > max_nodata_fraction:
        raise PatchError(f"{fraction:.0%} of the pixels are nodata; at most {max_nodata_fraction:.0%} are tolerated")
    if not any(band.any() for band in values.values()):
        raise PatchError("every pixel is 0: nodata")
    return fraction
