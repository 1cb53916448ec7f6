"""The content of a registered version: facts of its served model, its size, its scores on test splits."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from landscribe.core.errors import RegistryError
from landscribe.core.files import read_json
from landscribe.core.scores import Scores, read_scores
from landscribe.tracking.answering import expect_answer

_TEST_SCORES = "test_scores"  # folder next to the served model; one file per test split


@dataclass(frozen=True, kw_only=True)
class VersionFacts:
    """The facts that callers of a version rely on.

    Attributes:
        bands: name -> {"size_px", "dtype"}.
        classes: names in the order of its columns.
        thresholds: class -> score from which it is predicted.
        resamples: images of any size are accepted.
        optional: sensors of which one may be missing.
        size_bytes: of the files of the model.
    """

    bands: Mapping[str, Mapping[str, Any]]
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    resamples: bool
    optional: tuple[str, ...]
    size_bytes: int


def read_version_facts(version: ModelVersion) -> VersionFacts:
    """Return the facts that the version was registered with.

    Raises:
        RegistryError: its files are missing, or it was not registered by this project.
    """
    try:
        size_bytes = Model.load(_find_uri(version)).model_size_bytes
        with _fetching(version, "artifacts/facts.json") as path:
            facts = read_json(path)
        return VersionFacts(
            bands=facts["bands"],
            classes=tuple(facts["thresholds"]),
            thresholds=facts["thresholds"],
            resamples=facts["resamples"],
            optional=tuple(facts["optional"]),
            size_bytes=int(size_bytes),
        )
    except (MlflowException, OSError, KeyError, TypeError, ValueError) as error:
        raise RegistryError(
            f"version {version.version} of {version.name} cannot be read (its files are gone, or it is not a model of"
            " this project); expected a model registered by make repro. Delete the version or its alias."
        ) from error


def read_test_scores(version: ModelVersion, test_digest: str) -> Scores | None:
    """Return the version's scores on a test split, or None if it was never scored on it.

    Raises:
        RegistryError: the artifact store does not answer.
    """
    name = f"{_TEST_SCORES}/{test_digest}.parquet"
    with expect_answer(f"the test scores of version {version.version} of {version.name} cannot be read"):
        stored = mlflow.artifacts.list_artifacts(artifact_uri=f"{_find_uri(version)}/{_TEST_SCORES}")
        if name not in {file.path for file in stored}:
            return None
        with _fetching(version, name) as path:
            return read_scores(path)


def write_test_scores(version: ModelVersion, test_digest: str, path: Path) -> None:
    """Store a file of the version's scores on a test split next to its model.

    Raises:
        RegistryError: the artifact store does not answer.
    """
    what = f"the test scores of version {version.version} of {version.name} cannot be stored"
    with tempfile.TemporaryDirectory() as folder, expect_answer(what):
        shutil.copyfile(path, Path(folder) / f"{test_digest}.parquet")
        MlflowClient().log_model_artifacts(version.source.removeprefix("models:/"), folder, _TEST_SCORES)


def write_tags(model_name: str, version: str, tags: Mapping[str, str]) -> None:
    """Set tags of a version.

    Raises:
        RegistryError: the registry does not answer.
    """
    with expect_answer(f"the tags of version {version} of {model_name} cannot be written"):
        for key, value in tags.items():
            MlflowClient().set_model_version_tag(model_name, version, key, value)


def log_texts(run_id: str, texts: Mapping[str, str]) -> None:
    """Log texts as artifacts of a run that may be finished: path -> content.

    Raises:
        RegistryError: the artifact store does not answer.
    """
    with expect_answer(f"the artifacts of run {run_id} cannot be written"):
        for path, text in texts.items():
            MlflowClient().log_text(run_id, text, path)


def _find_uri(version: ModelVersion) -> str:
    return f"models:/{version.name}/{version.version}"


@contextlib.contextmanager
def _fetching(version: ModelVersion, name: str) -> Iterator[Path]:
    """Yield a copy of a file of the version."""
    with tempfile.TemporaryDirectory() as folder:
        uri = f"{_find_uri(version)}/{name}"
        yield Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
