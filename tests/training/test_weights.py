"""`train.weights` is checked before any work; another file or a moved alias is another source."""

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
from mlflow import MlflowClient

from landscribe.core.errors import LandscribeError
from landscribe.models.card import CARD_NAME
from landscribe.models.config import find_kind
from landscribe.registry.registration import register
from landscribe.tracking.runs import start_run
from landscribe.training.weights import find_source
from tests.support.model_fixtures import make_candidate

pytest_plugins = ["tests.support.model_fixtures"]

HDF5 = b"\x89HDF\r\n\x1a\n"


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that says it is a model: nothing here loads it."""
    path = tmp_path_factory.mktemp("weights") / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(CARD_NAME, json.dumps(asdict(make_candidate(path).card)))
    return path


@pytest.mark.parametrize("weights", [None, "imagenet"])
def test_nothing_of_the_users_is_nothing_to_look_at(weights: str | None) -> None:
    source = find_source(weights, ["VGG16"])
    assert (source.digest, source.fetch()) == ("", None)


@pytest.mark.parametrize(
    ("weights", "kind"),
    [
        ("imagenet", "imagenet"),
        ("some/model.keras", "model"),
        ("/weights/vgg16_notop.h5", "keras_weights"),
        ("a.weights.h5", "keras_weights"),
        ("models:/land scribe@champion", "registered"),
        ("models:/landscribe/12", "registered"),
    ],
)
def test_weights_are_told_by_their_name(weights: str, kind: str) -> None:
    assert find_kind(weights) == kind


@pytest.mark.parametrize("weights", ["", "imagnet", "model.pt", "models:/landscribe", "models:/a/x", "models:/a.keras"])
def test_any_other_name_is_refused(weights: str) -> None:
    with pytest.raises(ValueError, match=f"received '{weights}'"):
        find_kind(weights)


def test_another_file_is_another_source(model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # relative paths start from the repository
    (tmp_path / "a.keras").write_bytes(model_path.read_bytes())
    source = find_source("a.keras", ["SmallResNet"])
    assert source.fetch() == tmp_path / "a.keras"
    assert find_source(str(model_path), ["SmallResNet"]).digest == source.digest
    digests = {source.digest}
    for content in (HDF5 + b"1", HDF5 + b"2"):
        (tmp_path / "a.h5").write_bytes(content)
        digests.add(find_source("a.h5", ["VGG16"]).digest)
    assert len(digests) == 3


def test_what_does_not_fit_is_one_sentence(model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("text", encoding="utf-8")
    (tmp_path / "text.h5").write_text("text", encoding="utf-8")
    cases = {
        str(tmp_path / "absent.keras"): "absent.keras does not exist",
        str(tmp_path / "text.keras"): "expected a model of the stage train",
        str(tmp_path / "text.h5"): "expected Keras weights in HDF5",
        str(model_path): "is a SmallResNet; expected VGG16",
    }
    for weights, words in cases.items():
        with pytest.raises(LandscribeError, match=words) as caught:
            find_source(weights, ["VGG16"])
        assert "\n" not in str(caught.value)


def test_an_alias_that_moves_is_another_source(store: Path, model_path: Path) -> None:
    digests = []
    for threshold in (0.1, 0.2):
        with start_run("train", {}, {}) as run_id:
            version = register(make_candidate(model_path, threshold=threshold), "weights", run_id)["version"]
        MlflowClient().set_registered_model_alias("weights", "champion", str(version))
        source = find_source("models:/weights@champion", ["SmallResNet"])
        assert source.digest == find_source(f"models:/weights/{version}", ["SmallResNet"]).digest
        digests.append(source.digest)
        for _ in range(2):  # fetched, and found again
            path = source.fetch()
            assert path is not None
            assert path.read_bytes() == model_path.read_bytes()
    assert len(set(digests)) == 2
    for uri, words in {
        "models:/weights@nobody": "expected a model that make repro registered",
        "models:/weights/99": "has none of this name",
        "models:/weights/1": "is a SmallResNet; expected VGG16",
    }.items():
        with pytest.raises(LandscribeError, match=words):
            find_source(uri, ["VGG16"])
