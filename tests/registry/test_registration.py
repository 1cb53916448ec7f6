"""The registry: one version for each distinct model, the newest trained one is the challenger."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from landscribe.models.card import ModelCard
from landscribe.registry import registration
from landscribe.registry.registration import (
    Candidate,
    find_version,
    is_registered,
    make_signature,
    register,
)
from landscribe.registry.versions import read_version_facts
from landscribe.tracking.registered import CHALLENGER, CHAMPION, read_alias
from landscribe.tracking.store import open_store
from tests.support.model_fixtures import make_candidate

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(5)

MODEL = "landscribe"


@pytest.fixture(scope="module")
def run_id(store: Path) -> str:
    """A run to register under."""
    experiment = open_store()
    identifier: str = MlflowClient().create_run(experiment).info.run_id
    return identifier


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the place of `model.keras`: the registry stores it and never reads it."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A registered model of the test's own."""
    return str(request.node.name)


def list_versions(name: str) -> list[int]:
    """Return the version numbers, oldest first."""
    return sorted(int(version.version) for version in MlflowClient().search_model_versions(f"name = '{name}'"))


def test_the_same_candidate_makes_one_version(run_id: str, model_path: Path, name: str) -> None:
    candidate = make_candidate(model_path)
    first = register(candidate, name, run_id)
    assert register(candidate, name, run_id) == first
    assert first == {"model_name": name, "version": 1, "digest": candidate.digest, "run_id": run_id}
    assert list_versions(name) == [1]


def test_another_model_makes_another_version_and_is_the_challenger(run_id: str, model_path: Path, name: str) -> None:
    first, second = make_candidate(model_path, 0.5), make_candidate(model_path, 0.6)
    assert [register(candidate, name, run_id)["version"] for candidate in (first, second)] == [1, 2]
    assert int(read_alias(name, CHALLENGER).version) == 2  # type: ignore[union-attr]
    assert register(first, name, run_id)["version"] == 1  # trained again: the challenger goes back to it
    assert int(read_alias(name, CHALLENGER).version) == 1  # type: ignore[union-attr]
    assert list_versions(name) == [1, 2]
    assert read_alias(name, CHAMPION) is None  # registering never promotes


def test_weights_and_thresholds_make_the_model(tmp_path: Path) -> None:
    digests = set()
    for content in (b"weights", b"other weights"):
        path = tmp_path / f"{content.decode()}.keras"
        path.write_bytes(content)
        digests |= {make_candidate(path, threshold=value).digest for value in (0.1, 0.2)}
    assert len(digests) == 4
    (tmp_path / "copy.keras").write_bytes(b"weights")
    assert make_candidate(tmp_path / "copy.keras", threshold=0.1).digest in digests


def test_a_version_says_what_it_was_measured_on(run_id: str, model_path: Path, name: str) -> None:
    register(make_candidate(model_path, 0.5), name, run_id)
    version = read_alias(name, CHALLENGER)
    assert version is not None
    assert float(version.tags[registration.METRIC_TAG]) == 0.5
    assert version.tags[registration.TEST_TAG] == "the test records"
    assert read_version_facts(version).classes == ("forest", "water")
    # The same model on other test records: a stale score would let it pass, or fail, the gate.
    register(make_candidate(model_path, 0.4, threshold=0.5, test_digest="other records"), name, run_id)
    assert list_versions(name) == [1]
    version = read_alias(name, CHALLENGER)
    assert version is not None
    assert float(version.tags[registration.METRIC_TAG]) == 0.4
    assert version.tags[registration.TEST_TAG] == "other records"


def test_the_description_is_the_newest_card_of_the_model(run_id: str, model_path: Path, name: str) -> None:
    for text in ("# Card", "# Card\n\n| measured | again |"):
        register(replace(make_candidate(model_path), description=text), name, run_id)
        version = read_alias(name, CHALLENGER)
        assert version is not None
        assert version.description == text
    assert list_versions(name) == [1]


def test_the_version_belongs_to_its_run_and_carries_an_example(run_id: str, model_path: Path, name: str) -> None:
    register(make_candidate(model_path), name, run_id)
    version = read_alias(name, CHALLENGER)
    assert version is not None
    assert version.run_id == run_id
    info = mlflow.models.get_model_info(f"models:/{name}@{CHALLENGER}")
    assert info.saved_input_example_info is not None
    assert mlflow.get_run(run_id).outputs.model_outputs


def test_registered_means_still_there_under_its_alias(run_id: str, model_path: Path, name: str) -> None:
    registration = register(make_candidate(model_path, 0.5), name, run_id)
    assert is_registered(registration)
    assert not is_registered(registration | {"digest": "of another model"})
    assert not is_registered(registration | {"version": 99})
    assert not is_registered(registration | {"model_name": "never registered"})
    register(make_candidate(model_path, 0.6), name, run_id)
    assert not is_registered(registration)  # the alias has moved on
    register(make_candidate(model_path, 0.5), name, run_id)
    assert is_registered(registration)
    MlflowClient().delete_registered_model_alias(name, CHALLENGER)
    assert not is_registered(registration)


def test_a_version_whose_files_are_lost_is_registered_anew(
    run_id: str, model_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = make_candidate(model_path)
    registration = register(candidate, name, run_id)
    monkeypatch.setattr(mlflow.models, "get_model_info", raise_os_error)
    assert not is_registered(registration)
    assert find_version(name, candidate.digest) is None
    assert register(candidate, name, run_id)["version"] == 2


def raise_os_error(*_: Any) -> Any:
    """Stand for an artifact store that has lost the files."""
    raise OSError("no such file")


def test_a_store_that_is_lost_holds_nothing(run_id: str, model_path: Path, tmp_path: Path) -> None:
    registration = register(make_candidate(model_path), MODEL, run_id)
    kept = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'empty.db'}")
        assert not is_registered(registration)
    mlflow.set_tracking_uri(kept)
    assert is_registered(registration)


def test_the_signature_names_bands_and_classes_in_order() -> None:
    bands = {"VV": {"size_px": 12, "dtype": "float32"}, "B01": {"size_px": 2, "dtype": "uint16"}}
    words = {"classes": ("Beaches, dunes, sands", "water"), "nomenclature": "n", "backbone": "b"}
    signature = make_signature(ModelCard(bands=bands, resamples=False, **words))  # type: ignore[arg-type]
    assert [(spec.name, spec.type, spec.shape) for spec in signature.inputs.inputs] == [
        ("VV", np.dtype("float32"), (-1, 12, 12)),
        ("B01", np.dtype("uint16"), (-1, 2, 2)),
    ]
    assert signature.outputs.input_names() == ["Beaches, dunes, sands", "water", "labels", "warning"]
    free = make_signature(ModelCard(bands=bands, resamples=True, **words))  # type: ignore[arg-type]
    assert {spec.shape for spec in free.inputs.inputs} == {(-1, -1, -1)}


def test_a_candidate_needs_a_threshold_for_every_class(run_id: str, model_path: Path, name: str) -> None:
    whole = make_candidate(model_path)
    broken = Candidate(**(vars(whole) | {"thresholds": np.array([0.5])}))
    with pytest.raises(ValueError, match="zip"):
        register(broken, name, run_id)
    assert list_versions(name) == []
