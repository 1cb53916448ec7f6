"""Model versions: one for each distinct model, the newest trained one under the alias `challenger`."""

import contextlib
import importlib.metadata
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.types.schema import Array, DataType

from landscribe.core.files import compute_digest, compute_file_digest, write_json
from landscribe.models.card import ModelCard
from landscribe.records.schema import Manifest
from landscribe.registry.versions import write_test_scores
from landscribe.runtime.code_digest import compute_code_digest
from landscribe.runtime.progress import make_logger
from landscribe.tracking.outage import patiently
from landscribe.tracking.registered import CHALLENGER, DIGEST_TAG, read_alias
from landscribe.tracking.store import open_store

METRIC_TAG, TEST_TAG = "test_macro_ap", "test_digest"
_SERVED_MODEL = Path(__file__).with_name("served_model.py")
# Facts that can be read before the network is loaded, also if the signature has no inputs.
_METADATA = ("bands", "optional", "resamples", "max_nodata_fraction", "thresholds", "window_m")
_SERVING_LIBRARIES = ("tensorflow", "keras", "mlflow", "numpy", "pandas", "pillow")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trained and evaluated model.

    Attributes:
        model_path: `model.keras`; `card` the card inside it.
        thresholds: float64 [class], in class order.
        metrics: metrics of the test split, with their prefix.
        test_digest: `compute_test_digest` of the records that they were measured on.
        example: one raw patch, {band: [1, row, column]}.
        statistics: band -> statistics of the train split, as `records.statistics.read_statistics` returns them.
        description: Markdown that the version's page shows; at most 5,000 characters.
        scores_path: truth and scores of these test records; a version without them cannot be compared with another.
        window_m: ground side of the patches that it was trained on, metres; None where it is unknown.
    """

    model_path: Path
    card: ModelCard
    thresholds: np.ndarray
    metrics: Mapping[str, float]
    test_digest: str
    example: Mapping[str, np.ndarray]
    statistics: Mapping[str, Mapping[str, Any]]
    description: str = ""
    scores_path: Path | None = None
    window_m: float | None = None

    @property
    def digest(self) -> str:
        """What makes two candidates the same model: weights, card, thresholds, train range and the code that serves."""
        model, served = compute_file_digest(self.model_path), compute_code_digest("landscribe.registry.served_model")
        parts = (repr(self.thresholds.tolist()), repr(self.percentiles), repr(self.window_m))
        return compute_digest(model, served, *parts)

    @property
    def percentiles(self) -> dict[str, dict[str, float]]:
        """Band of the model -> percentile -> value over the pixels of the train split."""
        return {name: dict(self.statistics[name]["percentiles"]) for name in self.card.bands}


def compute_test_digest(manifest: Manifest) -> str:
    """Return the digest of the test records: classes in order, patches, truth and the pixels of every stored band."""
    return compute_digest(repr(manifest.classes), repr(manifest.groups), repr(manifest.splits["test"]))


def register(candidate: Candidate, model_name: str, run_id: str) -> dict[str, Any]:
    """Make the candidate the challenger; a model that is already registered gets no second version.

    Returns:
        The content of `registration.json`: model_name, version, digest, run_id.
    """
    open_store()
    version = find_version(model_name, candidate.digest)
    if version is None:
        version = _log_version(candidate, model_name, run_id)
    if candidate.scores_path is not None:
        write_test_scores(version, candidate.test_digest, candidate.scores_path)
    client = MlflowClient()
    # Also for an existing version: the same model may have been measured on other test records since.
    measured = {METRIC_TAG: repr(candidate.metrics["test_macro_ap"]), TEST_TAG: candidate.test_digest}
    for tag, value in measured.items():
        client.set_model_version_tag(model_name, version.version, tag, value)
    client.update_model_version(model_name, version.version, candidate.description)
    client.set_registered_model_alias(model_name, CHALLENGER, version.version)
    make_logger("register").info("register: %s version %s is the challenger", model_name, version.version)
    return {
        "model_name": model_name,
        "version": int(version.version),
        "digest": candidate.digest,
        "run_id": version.run_id,
    }


def write_registration(path: Path, candidate: Candidate, model_name: str, run_id: str) -> None:
    """Register as `register` does, waiting for a store that does not answer, and write `registration.json`."""
    write_json(path, patiently(register, candidate, model_name, run_id))


def find_version(model_name: str, digest: str) -> ModelVersion | None:
    """Return the loadable version of this digest, or None."""
    client = MlflowClient()
    for version in client.search_model_versions(f"name = '{model_name}'"):
        if version.tags.get(DIGEST_TAG) == digest and is_loadable(model_name, version.version):
            return version
    return None


def is_registered(registration: Mapping[str, Any]) -> bool:
    """Return whether the version of `registration.json` is still in the registry, with the alias `challenger`."""
    open_store()
    version = read_alias(registration["model_name"], CHALLENGER)
    if version is None or version.tags.get(DIGEST_TAG) != registration["digest"]:
        return False
    return int(version.version) == registration["version"] and is_loadable(version.name, version.version)


def is_loadable(model_name: str, version: str) -> bool:
    """Return whether the version and its files are still there.

    Raises:
        StoreDownError: the store does not answer, so that it is unknown.
    """
    try:
        patiently(mlflow.models.get_model_info, f"models:/{model_name}/{version}")
    except (MlflowException, OSError):
        return False
    return True


def make_signature(card: ModelCard) -> ModelSignature:
    """Return the signature: bands by name and dtype in, classes by name out.

    The model itself checks its input, so that a refusal says what to do, and a sensor may be missing. MLflow's check
    would come first, has no optional tensors, and casts the numbers of a request: reflectances would become 0. MLmodel
    therefore states that the input is validated in `predict`, which is MLflow's way for signatures of type hints.
    """
    inputs = [
        TensorSpec(np.dtype(band["dtype"]), (-1, -1, -1) if card.resamples else (-1, *[band["size_px"]] * 2), name)
        for name, band in card.bands.items()
    ]
    outputs = [ColSpec(DataType.double, name) for name in card.classes]
    outputs += [ColSpec(Array(DataType.string), "labels"), ColSpec(DataType.string, "warning")]
    signature = ModelSignature(Schema(inputs), Schema(outputs))
    signature._is_signature_from_type_hint = True  # `is_signature_from_type_hint` of MLmodel; MLflow has no other door
    return signature


def _log_version(candidate: Candidate, model_name: str, run_id: str) -> ModelVersion:
    """Log the served model to the run and register it."""
    logged = mlflow.initialize_logged_model("model", source_run_id=run_id, model_type="classifier")
    # `mlflow.pyfunc.log_model` would load the model to try its example, and import TensorFlow to do so.
    with tempfile.TemporaryDirectory() as folder:
        _save_served(candidate, Path(folder), Model(run_id=run_id, model_id=logged.model_id))
        MlflowClient().log_model_artifacts(logged.model_id, str(Path(folder) / "model"))
    mlflow.finalize_logged_model(logged.model_id, "READY")
    client = MlflowClient()
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    with contextlib.suppress(MlflowException):  # it exists already
        client.create_registered_model(model_name)
    tags = {
        DIGEST_TAG: candidate.digest,
        "nomenclature": candidate.card.nomenclature,
        "backbone": candidate.card.backbone,
    }
    return client.create_model_version(model_name, logged.model_uri, run_id, tags, model_id=logged.model_id)


def _save_served(candidate: Candidate, folder: Path, mlflow_model: Model) -> None:
    """Save the served model, code and facts included, under `folder`/model."""
    facts = {
        "bands": candidate.card.bands,
        "resamples": candidate.card.resamples,
        "optional": candidate.card.optional,
        "max_nodata_fraction": candidate.card.max_nodata_fraction,
        "percentiles": candidate.percentiles,
        "nomenclature": candidate.card.nomenclature,
        "thresholds": dict(zip(candidate.card.classes, candidate.thresholds.tolist(), strict=True)),
        "window_m": candidate.window_m,
    }
    write_json(folder / "facts.json", facts)
    mlflow.pyfunc.save_model(
        folder / "model",
        mlflow_model=mlflow_model,
        python_model=str(_SERVED_MODEL),
        artifacts={"network": str(candidate.model_path), "facts": str(folder / "facts.json")},
        signature=make_signature(candidate.card),
        input_example=dict(candidate.example),
        metadata={name: facts[name] for name in _METADATA},
        # Given explicitly: MLflow would start a process and import TensorFlow to infer them.
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in _SERVING_LIBRARIES],
    )
