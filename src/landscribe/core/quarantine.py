"""Patches that are left out: each with its reason, none silently."""

import csv
import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.files import replacing

# A word with `_` before a digit is a name (of a Sentinel-1 twin, a file, a granule), up to its last number: the rest,
# such as `_VV.tif`, is shared by many.
_NAME = re.compile(r"\w+_\d[^\W_]*")


@dataclass(frozen=True)
class LeftOut:
    """A patch that is left out, and the reason."""

    patch_id: str
    reason: str


def check_signal(bands: Mapping[str, np.ndarray]) -> None:
    """Raise `PatchError` where no band of a patch holds anything but 0, at conversion and at prediction alike."""
    if not any(values.any() for values in bands.values()):
        raise PatchError("every pixel is 0: nodata")


def check_bad_fraction(quarantined: Sequence[LeftOut], num_patches: int, limit: float, section: str) -> None:
    """Raise `ArchiveError` with the most frequent reasons when more than `limit` of the patches are bad.

    Args:
        quarantined: the bad patches.
        num_patches: good and bad patches together.
        limit: share that is tolerated.
        section: section of params.yaml that has `max_bad_fraction`.
    """
    # Divided, not multiplied: 0.29 * 100 is less than 29.
    if not quarantined or len(quarantined) / num_patches <= limit:
        return
    raise ArchiveError(
        f"{len(quarantined)} of {num_patches} patches are bad, more than {section}.max_bad_fraction = {limit}."
        f" {format_reasons(quarantined)}. Repair the archive, or raise the limit if this is expected."
    )


def write_left_out(path: Path, **groups: Sequence[LeftOut]) -> None:
    """Write a CSV `group,patch_id,reason`, one row per patch; the same input gives the same bytes."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["group", "patch_id", "reason"])
        for group, patches in groups.items():
            writer.writerows([group, patch.patch_id, patch.reason] for patch in patches)


def summarise_reasons(patches: Sequence[LeftOut]) -> dict[str, int]:
    """Return reason -> count, most frequent first; reasons that differ only by names count as one.

    The name of the patch becomes `<patch>`; any other word with `_` before a digit becomes `<name>`.
    """
    return dict(Counter(_cut_names(patch) for patch in patches).most_common())


def format_reasons(patches: Sequence[LeftOut], most: int = 3) -> str:
    """Return the most frequent reasons, each with its count and a patch as an example."""
    reasons = [_cut_names(patch) for patch in patches]
    examples = dict(zip(reversed(reasons), reversed(patches), strict=True))  # the first patch of each reason stays
    counts = Counter(reasons).most_common()
    shown = "; ".join(f"{reason} ({count}, e.g. {examples[reason].patch_id})" for reason, count in counts[:most])
    return f"Most frequent: {shown}" + (f"; and {len(counts) - most} more" if len(counts) > most else "")


def _cut_names(patch: LeftOut) -> str:
    if not patch.patch_id:
        return _cut_other_names(patch.reason)
    text, *rest = patch.reason.split(patch.patch_id)
    for part in rest:  # an image can be called "1": only a whole word is its name
        whole = not text[-1:].isalnum() and not part[:1].isalnum()
        text += ("<patch>" if whole else patch.patch_id) + part
    return _cut_other_names(text)


@functools.lru_cache(maxsize=1000)  # thousands of patches share a reason
def _cut_other_names(reason: str) -> str:
    return _NAME.sub("<name>", reason)
