"""Which pixels of a patch are nodata: masks of all bands, as a record stores them."""

from collections.abc import Mapping, Sequence

import numpy as np

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
