"""Equal pixels: patches with the same bytes, above all in two different splits.

The last part of the leakage audit: it needs no place and no name, only the digests that the conversion computes.
"""

import itertools

import pandas as pd

from landscribe.splits.config import SPLITS


def find_equal_pixels(pixels: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose digest occurs more than once, sorted by digest and patch_id.

    Args:
        pixels: patch_id, split and digest of the stored bands, one row per patch.
    """
    equal = pixels[pixels.duplicated("digest", keep=False)]
    return equal.sort_values(["digest", "patch_id"], ignore_index=True)


def count_equal_pixels(equal: pd.DataFrame) -> dict[str, int]:
    """Return, per pair of splits with equal pixels, the number of patches of the later split that are in both.

    The keys read `test_also_in_train`; the order of the splits is train, val, test.
    """
    held = {split: equal[equal["split"] == split]["digest"] for split in SPLITS}
    counts = {
        f"{later}_also_in_{earlier}": int(held[later].isin(held[earlier]).sum())
        for earlier, later in itertools.combinations(SPLITS, 2)
    }
    within = {f"within_{split}": int(held[split].duplicated(keep=False).sum()) for split in SPLITS}
    return {name: number for name, number in (counts | within).items() if number}
