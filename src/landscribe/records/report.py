"""Report of the stage `convert`: what was written, what was resampled, what was quarantined and why."""

from pathlib import Path

from landscribe.files import write_json
from landscribe.quarantine import summarise_reasons, write_left_out
from landscribe.records.conversion import Conversion
from landscribe.splits import SPLITS


def write_convert_report(folder: Path, conversion: Conversion) -> dict[str, object]:
    """Write summary.json and left_out.csv; return the summary."""
    manifest = conversion.manifest
    summary: dict[str, object] = {
        "num_records": {split: manifest.num_records(split) for split in SPLITS},
        "num_shards": {split: len(manifest.splits[split]) for split in SPLITS},
        "bytes_per_record": sum(group.num_bytes for group in manifest.groups),
        "quirks": {"resampled-image": conversion.num_resampled} if conversion.num_resampled else {},
        "quarantined": summarise_reasons(conversion.quarantined),
        "warnings": [f"the split {split} is empty" for split in SPLITS if not manifest.num_records(split)],
    }
    write_json(folder / "summary.json", summary)
    write_left_out(folder / "left_out.csv", quarantined=conversion.quarantined)
    return summary
