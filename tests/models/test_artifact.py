"""`model.keras`: the same weights give the same bytes, and it reloads where this package is not installed."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.core.errors import RecordsError
from landscribe.models.artifact import read_model, write_model
from landscribe.models.card import ModelCard, read_card
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.pipeline.backend import keras
from tests.support.model_fixtures import make_plain_environment
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow(15)

BANDS = [
    BandInput("B05", 16, "uint16", 1500.0, 400.0),
    BandInput("B02", 32, "uint16", 600.0, 250.0),
    BandInput("VV", 32, "float32", -12.0, 4.0),
]
CARD = ModelCard(
    bands={band.name: {"size_px": band.size_px, "dtype": band.dtype} for band in BANDS},
    classes=("Beaches, dunes, sands", "forêt", "water"),
    nomenclature="discovered",
    backbone="SmallResNet",
    resamples=False,
)
ELSEWHERE = """
import pathlib, sys
from tests.models.test_artifact import CARD, build, write_model
write_model(build(), CARD, pathlib.Path(sys.argv[1]))
"""
# Loads and predicts without a trace of this package: `import landscribe` raises.
ALONE = """
import sys
sys.modules["landscribe"] = None
import keras, numpy
with numpy.load(sys.argv[2]) as values:
    logits = keras.saving.load_model(sys.argv[1]).predict_on_batch(dict(values))
numpy.save(sys.argv[3], logits)
"""


def build() -> Any:
    """Return a classifier with seeded weights."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(11)
    spec = ClassifierSpec(bands=BANDS, num_classes=3, backbone="SmallResNet", dropout=0.1)
    return build_classifier(spec)


def draw_values() -> dict[str, np.ndarray]:
    """Return three random patches."""
    rng = np.random.default_rng(0)
    values = {band.name: rng.normal(band.mean, band.std, (3, band.size_px, band.size_px)) for band in BANDS}
    return {band.name: np.maximum(values[band.name], -30).astype(band.dtype) for band in BANDS}


def run_python(*words: str, folder: Path) -> None:
    """Run Python in a process of its own."""
    environment = make_plain_environment() | {"PYTHONHASHSEED": "123"}
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def model() -> Any:
    """The classifier."""
    return build()


@pytest.fixture(scope="module")
def path(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file, alone in a folder."""
    path = tmp_path_factory.mktemp("artifact") / "model.keras"
    write_model(model, CARD, path)
    return path


def test_the_same_model_gives_the_same_bytes_again(model: Any, path: Path, tmp_path: Path) -> None:
    write_model(model, CARD, tmp_path / "model.keras")
    assert (tmp_path / "model.keras").read_bytes() == path.read_bytes()


@pytest.mark.drill
def test_the_same_model_gives_the_same_bytes_in_another_process(path: Path, tmp_path: Path) -> None:
    run_python("-c", ELSEWHERE, str(tmp_path / "model.keras"), folder=ROOT)
    assert (tmp_path / "model.keras").read_bytes() == path.read_bytes()


def test_other_weights_or_another_card_give_other_bytes(model: Any, path: Path, tmp_path: Path) -> None:
    card = ModelCard(**(vars(CARD) | {"classes": ("water", "forêt", "Beaches, dunes, sands")}))
    write_model(model, card, tmp_path / "card.keras")
    other = build()
    other.set_weights([weight + 1 for weight in other.get_weights()])
    write_model(other, CARD, tmp_path / "weights.keras")
    assert len({file.read_bytes() for file in (path, tmp_path / "card.keras", tmp_path / "weights.keras")}) == 3


def test_nothing_is_left_beside_the_model(path: Path) -> None:
    assert list(path.parent.iterdir()) == [path]


def test_a_reloaded_model_predicts_the_same(model: Any, path: Path) -> None:
    values = draw_values()
    expected = model.predict_on_batch(values)
    assert np.ptp(expected, axis=0).min() > 0  # the patches differ: equality means something
    np.testing.assert_array_equal(read_model(path).predict_on_batch(values), expected)


def test_the_file_carries_no_optimizer(path: Path, tmp_path: Path) -> None:
    compiled = build()
    compiled.compile(optimizer="adam", loss="mse")
    compiled.optimizer.build(compiled.trainable_variables)
    write_model(compiled, CARD, tmp_path / "model.keras")
    assert (tmp_path / "model.keras").read_bytes() == path.read_bytes()


def test_it_predicts_where_this_package_is_absent(model: Any, path: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "values.npz", **draw_values())  # type: ignore[arg-type]
    run_python("-I", "-c", ALONE, str(path), "values.npz", "logits.npy", folder=tmp_path)
    logits = np.load(tmp_path / "logits.npy")
    np.testing.assert_allclose(logits, model.predict_on_batch(draw_values()), rtol=1e-5, atol=1e-5)


def test_the_card_survives_its_file(path: Path) -> None:
    assert read_card(path) == CARD
    assert list(read_card(path).bands) == ["B05", "B02", "VV"]  # the order of the inputs


@pytest.mark.parametrize("content", ["absent", "no archive", "no card"])
def test_a_file_without_a_card_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.keras"
    if content == "no archive":
        path.write_bytes(b"something else")
    if content == "no card":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    with pytest.raises(RecordsError, match=r"model\.keras: expected a model written by the stage train"):
        read_card(path)
