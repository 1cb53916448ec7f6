"""Measures a version in a separate process: its scores on the present test records, or its latency.

    python -m landscribe.registry.measure models:/landscribe/1 scores.parquet --records data/records
    python -m landscribe.registry.measure models:/landscribe/1 latency.json

A version runs the code that it was registered with. Two versions in one process would share the code of the first.
"""

import argparse
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.core.files import write_json
from landscribe.core.scores import Scores, write_scores
from landscribe.models.scoring import predict_scores
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.records.schema import check_subset, read_manifest
from landscribe.registry.served_version import open_served
from landscribe.runtime.entry import run_or_exit

_BATCH_SIZE_PATCHES = 64
_NUM_WARM_UP_CALLS, _NUM_CALLS = 5, 50


def main() -> None:
    """Measure one version."""
    parser = argparse.ArgumentParser(description="Measure a registered version in a separate process.")
    parser.add_argument("uri", help="e.g. models:/landscribe/1")
    parser.add_argument("out", type=Path, metavar="FILE", help=".parquet: scores; .json: latency_ms of a patch")
    parser.add_argument("--records", type=Path, metavar="FOLDER", help="score the version on their test split")
    arguments = parser.parse_args()

    from landscribe.models.devices import choose_device  # imported here: TensorFlow, without its messages

    choose_device("auto")
    with open_served(arguments.uri) as served:
        if arguments.records:
            write_scores(score_test(served, arguments.records), arguments.out)
        else:
            write_json(arguments.out, {"latency_ms": compute_latency_ms(served)})


def score_test(served: Any, records_dir: Path) -> Scores:
    """Return truth and scores of the test records, in the class order of their manifest.

    Args:
        served: the loaded MLflow model; bands and classes are matched by name.
        records_dir: folder of the records and their manifest.

    Raises:
        RecordsError: a band is not stored, or a shard is corrupt.
    """
    manifest = read_manifest(records_dir / "manifest.json")
    bands = list(served.metadata.metadata["bands"])
    check_subset(bands, manifest, "the champion")
    batches = make_eval_dataset(manifest, records_dir, "test", bands, _BATCH_SIZE_PATCHES)

    def predict(values: Mapping[str, Any]) -> np.ndarray:
        table = served.predict({name: values[name].numpy() for name in bands})
        return np.asarray(table[list(manifest.classes)].to_numpy(np.float32))

    scored = predict_scores(predict, batches, manifest.num_records("test"), "scoring the champion")
    return Scores(*scored, manifest.classes)


def compute_latency_ms(served: Any) -> float:
    """Return the median time of a call with one patch, in milliseconds, as its caller sees it."""
    bands = served.metadata.metadata["bands"]
    # Not zeros: a patch without a signal is answered without its scores.
    patch = {name: np.ones((1, band["size_px"], band["size_px"]), band["dtype"]) for name, band in bands.items()}
    durations_s = []
    for _ in range(_NUM_WARM_UP_CALLS + _NUM_CALLS):
        began = time.perf_counter()
        served.predict(patch)
        durations_s.append(time.perf_counter() - began)
    return 1000 * statistics.median(durations_s[_NUM_WARM_UP_CALLS:])


if __name__ == "__main__":
    run_or_exit(main)
