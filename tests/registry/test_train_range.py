"""The range of the train split: what is out of it is said, what is ordinary never is."""

import importlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import PatchError
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.core.quarantine import check_signal
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from landscribe.records.statistics import PERCENTILES
from tests.support.model_fixtures import make_percentiles

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of its own type hints while it loads
    served_model = importlib.import_module("landscribe.registry.served_model")

MODEL_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12", "VV", "VH")
# How far a standard normal variable is from its mean at a percentile.
DEVIATIONS = {"1": -2.326, "50": 0.0, "75": 0.674, "95": 1.645, "99": 2.326}
REFLECTANCE = "reflectance? Send digital numbers: 10,000 times the reflectance"
# Evenly spread digital numbers of train: 100 to 600 in B02, 200 to 3000 in B08, 0 to 255 in R.
RANGES = {"B02": (100, 600), "B08": (200, 3000), "R": (0, 255), "VV": (-25, 0)}
ABOVE = "B02: 100 % of the pixels above the 99th percentile of train"

Patch = dict[str, np.ndarray]


def judge(patch: Mapping[str, np.ndarray], percentiles: Mapping[str, Mapping[str, float]]) -> tuple[bool, str]:
    """Return what is said of a patch, {band: [row, column]}."""
    return judge_all([patch], percentiles)[0]


def judge_all(
    patches: Sequence[Mapping[str, np.ndarray]], percentiles: Mapping[str, Mapping[str, float]]
) -> list[tuple[bool, str]]:
    """Return what is said of patches of the same bands, sizes and dtypes."""
    ordered = {name: served_model._sort_pixels(np.stack([patch[name] for patch in patches])) for name in patches[0]}
    judged: list[tuple[bool, str]] = served_model._TrainRange(percentiles).judge(ordered)
    return judged


def make_range(ranges: Mapping[str, tuple[float, float]] = RANGES) -> dict[str, dict[str, float]]:
    """Return the percentiles of bands with evenly spread values."""
    return {name: make_percentiles(*limits)["percentiles"] for name, limits in ranges.items()}


def fill(**values: float) -> Patch:
    """Return a patch with one value in each band."""
    dtypes = {"R": "uint8", "VV": "float32"}
    return {name: np.full((10, 10), value, dtypes.get(name, "uint16")) for name, value in values.items()}


def mix(name: str, share: float, value: float, rest: float) -> Patch:
    """Return a patch of one band: a share of its pixels with one value, the rest with another."""
    patch = fill(**{name: rest})
    patch[name].flat[: round(100 * share)] = value
    return patch


def shift(patch: Patch, offset: int) -> Patch:
    """Return the patch with an offset on its Sentinel-2 bands."""
    return {
        name: (values + offset).astype(values.dtype) if name in S2_BANDS else values for name, values in patch.items()
    }


CASES: dict[str, tuple[Patch, str]] = {
    "ordinary": (fill(B02=300, B08=1500, R=100, VV=-12), ""),
    "few bright pixels": (mix("B02", 0.4, 3000, 300), ""),
    "most pixels bright": (mix("B02", 0.6, 5000, 300), "B02: 60 % of the pixels above the 99th percentile of train"),
    "barely above, all of it": (fill(B02=597), ABOVE),
    "dark as the darkest": (fill(B02=101, B08=205), ""),
    "linear power for decibels": (fill(VV=20), "VV: 100 % of the pixels above the 99th percentile of train"),
    "far below": (fill(VV=-60), "VV: 100 % of the pixels below the 1st percentile of train"),
    "two bands": (fill(B02=5000, B08=9000), f"{ABOVE}, likewise most of B08"),
    "new baseline": (fill(B02=1300, B08=2500), f"{ABOVE}; processing baseline 04.00? `--offset -1000`"),
    "new baseline of water": (
        mix("B02", 0.03, 880, 1200) | fill(B08=1300),
        f"{ABOVE}; processing baseline 04.00? `--offset -1000`",
    ),
    "bright beyond an offset": (fill(B02=3000), ABOVE),
    "reflectance cut to integers": (
        mix("B02", 0.05, 1, 0) | fill(B08=0),
        f"B02, B08: 99 % of the pixels at most 1; {REFLECTANCE}",
    ),
    "black image": (mix("R", 0.1, 1, 0), ""),
    "saturated": (mix("B02", 0.02, 65535, 300), "B02: 2 % of the pixels at 65535, the highest uint16: saturated"),
    "hardly saturated": (mix("B02", 0.01, 65535, 300), ""),
    "saturated image": (mix("R", 0.02, 255, 100), "R: 2 % of the pixels at 255, the highest uint8: saturated"),
}
FAULTS: dict[str, tuple[Patch, str]] = {
    "empty": (fill(B02=0, VV=0), f"every pixel is 0: nodata; or {REFLECTANCE}"),
    "empty image": (fill(R=0), "every pixel is 0: nodata"),
    "NaN": (fill(B02=300, VV=np.nan), "VV holds NaN or infinity"),
    "infinity": (mix("VV", 0.01, -np.inf, -12), "VV holds NaN or infinity"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_out_of_range_is_said(case: str) -> None:
    patch, words = CASES[case]
    assert judge(patch, make_range()) == (True, words)


@pytest.mark.parametrize("case", FAULTS)
def test_what_conversion_leaves_out_cannot_be_scored(case: str) -> None:
    patch, words = FAULTS[case]
    assert judge(patch, make_range()) == (False, words)


def test_the_reason_of_an_empty_patch_is_that_of_conversion() -> None:
    with pytest.raises(PatchError) as caught:
        check_signal(FAULTS["empty image"][0])
    assert str(caught.value) == FAULTS["empty image"][1]


def test_reflectances_of_floats_are_told_where_train_holds_digital_numbers() -> None:
    patch = {"B02": np.linspace(0.01, 1.2, 100, dtype=np.float32).reshape(10, 10)}
    assert judge(patch, make_range())[1] == f"B02: 99 % of the pixels at most 1.19; {REFLECTANCE}"
    assert judge(patch, make_range({"B02": (0, 1.3)})) == (True, "")
    assert judge({"B02": 10_000 * patch["B02"] / 20}, make_range()) == (
        True,
        "",
    )  # digital numbers are what was asked for


def test_white_is_ordinary_where_train_is_white() -> None:
    percentiles = make_range() | {"R": dict.fromkeys(map(str, PERCENTILES), 255.0)}
    assert judge(fill(R=255), percentiles) == (True, "")


def test_the_new_baseline_is_ordinary_for_a_model_that_was_trained_on_it() -> None:
    percentiles = make_range({"B02": (1100, 1600), "B08": (1200, 4000)})
    assert judge(fill(B02=1300, B08=2500), percentiles) == (True, "")


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> list[Patch]:
    """1,000 patches of the demo archive, the first 700 of them those of train."""
    root = tmp_path_factory.mktemp("many") / "demo"
    write_demo_archive(DemoConfig(num_patches=1000, num_tiles=5, seed=20170613), root)
    return list(read_pairs(root / S2_FOLDER, root / S1_FOLDER))


def read_pairs(s2_root: Path, s1_root: Path) -> Iterator[Patch]:
    """Yield the patches of an archive of v1."""
    archive = BigEarthNetV1(s2_root, s1_root)
    for row in archive.read_listing().patches.to_pylist():
        bands = [(S2_BANDS | S1_BANDS)[name] for name in MODEL_BANDS]
        yield archive.read_patch(row["path"], row["s1_path"], bands)


def compute_range(patches: list[Patch]) -> dict[str, dict[str, float]]:
    """Return the percentiles of every band."""
    return {
        name: dict(
            zip(map(str, PERCENTILES), np.percentile([patch[name] for patch in patches], PERCENTILES), strict=True)
        )
        for name in MODEL_BANDS
    }


@pytest.mark.slow(60)
def test_no_ordinary_patch_is_out_of_range_and_nearly_all_of_the_new_baseline_are(ordinary: list[Patch]) -> None:
    percentiles = compute_range(ordinary[:700])
    assert {judge(patch, percentiles) for patch in ordinary} == {(True, "")}
    said = [judge(shift(patch, 1000), percentiles)[1] for patch in ordinary]
    assert np.mean([words.endswith("; processing baseline 04.00? `--offset -1000`") for words in said]) >= 0.98


def test_a_patch_gets_the_same_words_alone_and_in_a_batch(ordinary: list[Patch]) -> None:
    percentiles = compute_range(ordinary[:100])
    changes: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda values: values,
        lambda values: values + values.dtype.type(1000),
        lambda values: values // 10_000,
        np.zeros_like,
        lambda values: np.where(values > np.median(values), 65535, values).astype(values.dtype),
        lambda values: np.full_like(values, 1 if values.dtype.kind == "u" else np.nan),
    ]
    batch = [
        {name: change(values) for name, values in patch.items()}
        for number, change in enumerate(changes * 4)
        for patch in [ordinary[number]]
    ]
    alone = [judge(patch, percentiles) for patch in batch]
    assert judge_all(batch, percentiles) == alone
    assert len(set(alone)) >= len(changes)


def read_constants(samples: Path) -> dict[str, Any]:
    """Return means and deviations of BigEarthNet, of the folder beside that of the samples."""
    path = samples.parent / "reference" / "constants.json"
    if not path.is_file():
        pytest.skip("the statistics of BigEarthNet lie beside the project's checkout (../shared/reference)")
    constants: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return constants


def test_no_real_patch_is_out_of_the_range_of_bigearthnet(samples: Path) -> None:
    constants = read_constants(samples)
    percentiles = {}
    for name in MODEL_BANDS:
        mean, std = constants["v1_mean"][name], constants["v1_std"][name]
        least = 0.0 if name in S2_BANDS else -np.inf
        percentiles[name] = {key: max(least, mean + far * std) for key, far in DEVIATIONS.items()}
    root = samples / "bigearthnet-v1"
    patches = list(read_pairs(root / "BigEarthNet-S2", root / "BigEarthNet-S1"))
    assert len(patches) == 4
    assert {judge(patch, percentiles) for patch in patches} == {(True, "")}
    assert all("--offset -1000" in judge(shift(patch, 1000), percentiles)[1] for patch in patches)
