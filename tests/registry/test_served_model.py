"""The served model: MLflow and TensorFlow alone give the scores of the Keras model, and refuse what does not fit."""

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from landscribe.archive.image import resample
from landscribe.models.artifact import write_model
from landscribe.models.card import ModelCard
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.models.scoring import make_predict, predict_scores
from landscribe.pipeline.backend import keras
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.pipeline.modality import make_fills, remove_sensor
from landscribe.records.reader import iter_split
from landscribe.registry.registration import Candidate, register
from landscribe.tracking.store import open_store
from tests.support.model_fixtures import TinyRecords, Trained, make_percentiles, make_plain_environment

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(40)

IMAGE_PX = 32
# Cases of a model that can do without one sensor: the bands given.
GIVEN = {
    "whole": ["B05", "B02", "VV"],
    "optical": ["B05", "B02"],
    "radar": ["VV"],
    "part": ["B05", "VV"],
    "nothing": [],
}
# A process that knows MLflow and where the store is, and nothing of this package. Writes a table for each case that
# is answered, and the words of each that is refused.
CLIENT = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("landscribe", "stages", "tests"):
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
import mlflow, numpy
mlflow.set_tracking_uri(sys.argv[1])
refused = {}
for case in json.load(open("cases.json")):
    with numpy.load(case + ".npz") as values:
        bands = dict(values)
    model = mlflow.pyfunc.load_model("models:/" + case.split(".")[0] + "@challenger")
    try:
        model.predict(bands).to_parquet(case + ".parquet")
    except Exception as error:
        refused[case] = str(error)
json.dump(refused, open("refused.json", "w"))
"""


@dataclass(frozen=True)
class Served:
    """What the other process answered: case -> table, and case -> words of a refusal."""

    tables: dict[str, pd.DataFrame]
    refused: dict[str, str]


def build_image_model(folder: Path) -> tuple[Any, ModelCard, Path]:
    """Return an untrained classifier of images, its card and its file."""
    keras.utils.set_random_seed(5)
    bands = [BandInput(name, IMAGE_PX, "uint8", 120.0, 60.0) for name in "RGB"]
    model = build_classifier(ClassifierSpec(bands=bands, num_classes=2, backbone="SmallResNet", dropout=0.0))
    facts = {name: {"size_px": IMAGE_PX, "dtype": "uint8"} for name in "RGB"}
    card = ModelCard(
        bands=facts, classes=("a, b", "c"), nomenclature="discovered", backbone="SmallResNet", resamples=True
    )
    write_model(model, card, folder / "images.keras")
    return model, card, folder / "images.keras"


def read_test_patches(records: TinyRecords, bands: list[str]) -> dict[str, np.ndarray]:
    """Return the test split as the served model takes it."""
    stored = list(iter_split(records.manifest, records.folder, "test"))
    return {name: np.stack([record.bands[name] for record in stored]) for name in bands}


def draw_images(side_px: int) -> dict[str, np.ndarray]:
    """Return three random images, smooth enough to be resampled."""
    rng = np.random.default_rng(0)
    return {
        name: np.stack([resample(patch, side_px) for patch in rng.integers(0, 256, (3, 9, 9)).astype(np.uint8)])
        for name in "RGB"
    }


def build_float_model(folder: Path) -> tuple[Any, ModelCard, Path]:
    """Return an untrained classifier of floats and signed numbers, its card and its file."""
    keras.utils.set_random_seed(6)
    bands = [BandInput("RE", IMAGE_PX, "float32", 0.3, 0.1), BandInput("height", IMAGE_PX, "int16", -40.0, 90.0)]
    model = build_classifier(ClassifierSpec(bands=bands, num_classes=2, backbone="SmallResNet", dropout=0.0))
    facts = {
        "RE": {"size_px": IMAGE_PX, "dtype": "float32", "fill": 0.3},
        "height": {"size_px": IMAGE_PX, "dtype": "int16", "fill": -40.0},
    }
    words = {"nomenclature": "discovered", "backbone": "SmallResNet"}
    card = ModelCard(bands=facts, classes=("a", "b"), resamples=True, max_nodata_fraction=0.3, **words)  # type: ignore[arg-type]
    write_model(model, card, folder / "floats.keras")
    return model, card, folder / "floats.keras"


def draw_floats() -> dict[str, dict[str, np.ndarray]]:
    """Return case -> bands of two patches: whole, with gaps in the floats, and these as the archive reads them."""
    rng = np.random.default_rng(1)
    found: dict[str, dict[str, np.ndarray]] = {}
    for case, side_px in (("native", IMAGE_PX), ("larger", 77)):
        values = rng.normal(0.3, 0.1, (2, side_px, side_px)).astype(np.float32)
        heights = rng.integers(-300, 300, (2, side_px, side_px)).astype(np.int16)
        found[case] = {"RE": values.copy(), "height": heights}
        gaps = np.zeros(values.shape, np.bool_)
        gaps[:, : side_px // 3] = True
        values[gaps] = [np.nan, np.inf, -np.inf, np.nan, np.nan, np.inf] * (gaps.sum() // 6) + [np.nan] * (
            gaps.sum() % 6
        )
        found[f"{case} with gaps"] = {"RE": values, "height": heights}
        read = [resample(np.ma.MaskedArray(patch, gap), IMAGE_PX) for patch, gap in zip(values, gaps, strict=True)]
        by_archive = np.stack([np.ma.filled(patch, np.float32(0.3)) for patch in read])
        found[f"{case} as read"] = {
            "RE": by_archive,
            "height": np.stack([resample(patch, IMAGE_PX) for patch in heights]),
        }
    gone = found["native"]["RE"] * np.array([1, np.nan], np.float32)[:, None, None]
    found["gone"] = {"RE": gone, "height": found["native"]["height"]}
    return found


def make_unusual(records: TinyRecords, bands: list[str]) -> dict[str, np.ndarray]:
    """Return five patches: ordinary, of the new baseline, reflectances cut to integers, nodata, saturated."""
    patches = {name: values[:5].copy() for name, values in read_test_patches(records, bands).items()}
    for name, values in patches.items():
        values[3] = 0
        if name != "VV":
            values[1] += 1000
            values[2] //= 10_000
            values[4].flat[: values[4].size // 50] = 65535
    return patches


def make_cases(records: TinyRecords, bands: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """Return what is asked: `<model>.<case>` -> bands."""
    patches, images = read_test_patches(records, bands), draw_images(IMAGE_PX)
    return {
        "patches.whole": patches,
        "patches.reordered": dict(reversed(patches.items())),
        "patches.unusual": make_unusual(records, bands),
        "either.json": {
            name: values.astype(np.float64 if name == "VV" else np.int64) for name, values in patches.items()
        },
        "either.reflectance": patches | {"B02": patches["B02"] / 10_000},
        "patches.none": {name: values[:0] for name, values in patches.items()},
        "patches.dtype": patches | {"B05": patches["B05"].astype(np.float32)},
        "patches.missing": {name: values for name, values in patches.items() if name != "B05"},
        "patches.size": patches | {"B05": patches["B05"][:, :-1, :-1]},
        "patches.count": patches | {"B05": patches["B05"][1:]},
        **{f"either.{case}": {name: patches[name] for name in given} for case, given in GIVEN.items()},
        "images.native": images,
        "images.larger": draw_images(80),
        "images.smaller": draw_images(11),
        "images.dtype": {name: values.astype(np.uint16) for name, values in images.items()},
        "images.unknown": images | {"A": images["R"]},
        **{f"floats.{case}": values for case, values in draw_floats().items()},
    }


def make_thresholds(num_classes: int) -> np.ndarray:
    """Return thresholds that differ from class to class."""
    return np.linspace(0.1, 0.6, num_classes)


@pytest.fixture(scope="module")
def image_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ModelCard, Path]:
    """A classifier of images."""
    return build_image_model(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def served(
    records: TinyRecords,
    trained: Trained,
    image_model: tuple[Any, ModelCard, Path],
    store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Served:
    """Both models registered, loaded and asked in a process of its own, in a folder elsewhere."""
    folder = tmp_path_factory.mktemp("elsewhere")
    cases = make_cases(records, list(trained.card.bands))
    experiment = open_store()
    run_id = MlflowClient().create_run(experiment).info.run_id
    either = dataclasses.replace(
        trained.card, optional=make_fills(records.manifest, records.statistics, GIVEN["whole"])
    )
    floats = dict.fromkeys(("RE", "height"), make_percentiles(-300, 300))
    for name, card, path, case, statistics in (
        ("patches", trained.card, trained.path, "whole", records.statistics),
        ("either", either, trained.path, "whole", records.statistics),
        ("images", *image_model[1:], "native", dict.fromkeys("RGB", make_percentiles(5, 250))),
        ("floats", *build_float_model(folder)[1:], "native", floats),
    ):
        example = {band: values[:1] for band, values in cases[f"{name}.{case}"].items()}
        candidate = Candidate(
            model_path=path,
            card=card,
            thresholds=make_thresholds(len(card.classes)),
            metrics={"test_macro_ap": 0.5},
            test_digest="",
            example=example,
            statistics=statistics,
        )
        register(candidate, name, run_id)
    for case, bands in cases.items():
        np.savez(folder / f"{case}.npz", **bands)  # type: ignore[arg-type]
    (folder / "cases.json").write_text(json.dumps(list(cases)))
    words = [sys.executable, "-I", "-c", CLIENT, f"sqlite:///{store / 'mlflow.db'}"]
    done = subprocess.run(words, cwd=folder, env=make_plain_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused = json.loads((folder / "refused.json").read_text())
    return Served({case: pd.read_parquet(folder / f"{case}.parquet") for case in cases if case not in refused}, refused)


def test_scores_are_those_of_the_keras_model(served: Served, records: TinyRecords, trained: Trained) -> None:
    batches = make_eval_dataset(records.manifest, records.folder, "test", trained.config.bands, 5)
    scores = predict_scores(make_predict(trained.model), batches, records.manifest.num_records("test"))[2]
    table = served.tables["patches.whole"]
    assert tuple(table.columns) == (*trained.card.classes, "labels", "warning")
    assert np.ptp(scores, axis=0).max() > 1e-3  # patches differ: equality means something
    np.testing.assert_allclose(table[list(trained.card.classes)], scores, atol=1e-5)


def test_labels_are_the_classes_at_or_above_their_threshold(served: Served, trained: Trained) -> None:
    table = served.tables["patches.whole"]
    thresholds = make_thresholds(len(trained.card.classes))
    expected = [
        [name for name, limit in zip(trained.card.classes, thresholds, strict=True) if row[name] >= limit]
        for _, row in table.iterrows()
    ]
    assert [list(labels) for labels in table["labels"]] == expected
    assert any(expected)


def test_bands_are_taken_by_name(served: Served) -> None:
    pd.testing.assert_frame_equal(served.tables["patches.reordered"], served.tables["patches.whole"])


def test_no_patch_gives_an_empty_table(served: Served) -> None:
    table = served.tables["patches.none"]
    assert len(table) == 0
    assert list(table.columns) == list(served.tables["patches.whole"].columns)


@pytest.mark.parametrize(("case", "lost"), [("whole", ""), ("optical", "S1"), ("radar", "S2")])
def test_a_sensor_that_the_model_can_do_without_may_be_missing(
    served: Served, records: TinyRecords, trained: Trained, case: str, lost: str
) -> None:
    fill = make_fills(records.manifest, records.statistics, GIVEN["whole"]).get(lost, {})
    batches = make_eval_dataset(records.manifest, records.folder, "test", trained.config.bands, 5)
    batches = batches.map(lambda patch_ids, bands, truth: (patch_ids, remove_sensor(bands, fill), truth))
    scores = predict_scores(make_predict(trained.model), batches, records.manifest.num_records("test"))[2]
    np.testing.assert_allclose(served.tables[f"either.{case}"][list(trained.card.classes)], scores, atol=1e-5)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("patches.dtype", "band B05: expected uint16 [n, 60, 60]; received float32 [12, 60, 60] from"),
        ("patches.missing", "B05 is missing. Send every band by name"),
        ("patches.size", "expected uint16 [n, 60, 60]; received [12, 59, 59]"),
        ("patches.count", "same number of patches"),
        ("either.reflectance", "Send digital numbers"),
        ("either.part", "B02 is missing"),
        ("either.nothing", "B05, B02, VV are missing"),
        ("images.dtype", "received uint16 [3, 32, 32] from"),
        ("images.unknown", "received A as well. Leave out"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(served: Served, case: str, words: str) -> None:
    assert words in served.refused[case]


def test_nothing_else_is_refused(served: Served) -> None:
    refused = ("patches.dtype", "patches.missing", "patches.size", "patches.count", "images.dtype", "images.unknown")
    assert set(served.refused) == {*refused, "either.part", "either.nothing", "either.reflectance"}


def check_unusual(table: pd.DataFrame, whole: pd.DataFrame) -> None:
    """Check the answer to `make_unusual` against that to the patches as they were."""
    classes = list(whole.columns[:-2])
    assert list(table.columns) == list(whole.columns)
    np.testing.assert_allclose(table.loc[0, classes].astype(float), whole.loc[0, classes].astype(float), atol=1e-5)
    assert table[classes].isna().all(axis=1).tolist() == [False, False, False, True, False]
    assert table[classes].notna().any(axis=1).tolist() == [True, True, True, False, True]
    assert list(table["labels"][3]) == []
    words = ["", "`--offset -1000`", "10,000 times the reflectance", "every pixel is 0: nodata", "65535"]
    assert [part in said for part, said in zip(words, table["warning"], strict=True)] == [True] * 5, table["warning"]
    assert table["warning"][0] == ""


def test_a_patch_out_of_range_is_said_in_its_row(served: Served) -> None:
    check_unusual(served.tables["patches.unusual"], served.tables["patches.whole"])
    assert (served.tables["patches.whole"]["warning"] == "").all()


def test_numbers_without_a_dtype_are_taken_where_nothing_is_lost(served: Served) -> None:
    pd.testing.assert_frame_equal(served.tables["either.json"], served.tables["either.whole"])


@pytest.mark.parametrize(("case", "side_px"), [("larger", 80), ("smaller", 11), ("native", IMAGE_PX)])
def test_images_of_another_size_are_resampled_as_the_archive_resamples_them(
    served: Served, image_model: tuple[Any, ModelCard, Path], case: str, side_px: int
) -> None:
    model, card, _ = image_model
    bands = {
        name: np.stack([resample(patch, IMAGE_PX) for patch in values]) for name, values in draw_images(side_px).items()
    }
    scores = np.asarray(keras.ops.sigmoid(model.predict_on_batch(bands)))
    np.testing.assert_allclose(served.tables[f"images.{case}"][list(card.classes)], scores, atol=1e-6)


@pytest.mark.parametrize("case", ["native", "larger"])
def test_gaps_in_floats_are_what_the_archive_makes_of_them(served: Served, case: str) -> None:
    table, as_read = served.tables[f"floats.{case} with gaps"], served.tables[f"floats.{case} as read"]
    np.testing.assert_allclose(table[["a", "b"]], as_read[["a", "b"]], atol=1e-6)
    assert np.isfinite(table[["a", "b"]].to_numpy()).all()
    assert np.abs(table[["a", "b"]] - served.tables[f"floats.{case}"][["a", "b"]]).to_numpy().max() > 1e-6


def test_a_patch_with_too_many_gaps_is_not_scored_and_says_so(served: Served) -> None:
    table = served.tables["floats.gone"]
    assert np.isfinite(table[["a", "b"]].to_numpy()).all(axis=1).tolist() == [True, False]
    assert [list(labels) for labels in table["labels"]][1] == []
    assert table["warning"][1] == "50% of the pixels are nodata; at most 30% are tolerated"
