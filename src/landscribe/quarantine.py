"""Patches that do not go on: each with its reason, none silently."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landscribe.errors import ArchiveError
from landscribe.files import replacing


@dataclass(frozen=True)
class LeftOut:
    """A patch that does not go on, and why."""

    patch_id: str
    reason: str


def check_bad_fraction(quarantined: Sequence[LeftOut], num_patches: int, limit: float, section: str) -> None:
    """Raise `ArchiveError` with a summary of the reasons when more than `limit` of the patches are bad."""
    # Divided, not multiplied: 0.29 * 100 is less than 29.
    if not quarantined or len(quarantined) / num_patches <= limit:
        return
    first = quarantined[0]
    raise ArchiveError(
        f"{len(quarantined)} of {num_patches} patches are bad, more than {section}.max_bad_fraction = {limit}."
        f" The first: {first.patch_id}: {first.reason}. Repair the archive, or raise the limit if this is expected."
    )


def write_left_out(path: Path, **groups: Sequence[LeftOut]) -> None:
    """Write a CSV `group,patch_id,reason`, one row a patch; the same input gives the same bytes."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["group", "patch_id", "reason"])
        for group, patches in groups.items():
            writer.writerows([group, patch.patch_id, patch.reason] for patch in patches)


def summarise_reasons(patches: Sequence[LeftOut]) -> dict[str, int]:
    """Return reason -> count, most frequent first; what is particular to a patch (its name) is cut out."""
    reasons = Counter(patch.reason.replace(patch.patch_id, "<patch>") for patch in patches)
    return dict(reasons.most_common())
