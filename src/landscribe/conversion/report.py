"""Report of the stage `convert`: what was written, what was resampled, what was quarantined and why."""

from pathlib import Path

from landscribe.conversion.converter import Conversion
from landscribe.conversion.equal_pixels import count_equal_pixels, find_equal_pixels
from landscribe.core.files import replacing, write_csv, write_json
from landscribe.core.quarantine import summarise_reasons, write_left_out
from landscribe.splits.config import SPLITS


def write_convert_report(folder: Path, conversion: Conversion) -> dict[str, object]:
    """Write summary.json, left_out.csv and equal_pixels.csv, nodata.csv where there is any; return the summary."""
    manifest = conversion.manifest
    equal = find_equal_pixels(conversion.pixels)
    counts = count_equal_pixels(equal)
    summary: dict[str, object] = {
        "num_records": {split: manifest.num_records(split) for split in SPLITS},
        "num_shards": {split: len(manifest.splits[split]) for split in SPLITS},
        "bytes_per_record": sum(group.num_bytes for group in manifest.groups),
        "quirks": {"resampled-image": conversion.num_resampled} if conversion.num_resampled else {},
        **_summarise_nodata(conversion),
        "quarantined": summarise_reasons(conversion.quarantined),
        "equal_pixels": counts,
        "warnings": [
            *(f"the split {split} is empty" for split in SPLITS if not manifest.num_records(split)),
            *(
                f"{number:,} patches of {name.replace('_also_in_', ' have the same pixels as patches of ')}:"
                " equal_pixels.csv names them"
                for name, number in counts.items()
                if "_also_in_" in name
            ),
        ],
    }
    write_json(folder / "summary.json", summary)
    write_left_out(folder / "left_out.csv", quarantined=conversion.quarantined)
    write_csv(folder / "equal_pixels.csv", equal)
    if len(conversion.nodata):
        write_csv(folder / "nodata.csv", conversion.nodata.round(6))
    return summary


def _summarise_nodata(conversion: Conversion) -> dict[str, object]:
    """Return, where any patch has nodata, how many have and how much of them it is."""
    shares = conversion.nodata["nodata_fraction"]
    if shares.empty:
        return {}
    mean, largest = round(float(shares.mean()), 4), round(float(shares.max()), 4)
    return {"nodata": {"num_patches": len(shares), "mean_fraction": mean, "max_fraction": largest}}


def write_patch_statistics(conversion: Conversion, path: Path) -> None:
    """Write the parquet file with one row per record: patch_id, split, `<band>_mean` and `<band>_std`."""
    with replacing(path) as beside:
        conversion.patch_statistics.to_parquet(beside, index=False)
