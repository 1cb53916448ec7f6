"""The doors of the store: one to write, and one to read, which needs nothing but the database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from landscribe.core.errors import RegistryError
from landscribe.tracking.registered import find_registered, read_alias
from landscribe.tracking.store import EXPERIMENT, open_store, open_store_to_read

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(6)


@pytest.fixture
def root(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout of the test's own, whose store lies at its root."""
    before = mlflow.get_tracking_uri()
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    yield tmp_path
    mlflow.set_tracking_uri(before)


def test_a_reader_makes_nothing(root: Path) -> None:
    with pytest.raises(RegistryError, match=r"mlflow\.db: nothing is registered here yet\. Run make repro"):
        open_store_to_read()
    with pytest.raises(RegistryError, match="Run make repro"):
        find_registered("models:/landscribe@champion")
    assert [path.name for path in root.iterdir()] == ["dvc.yaml"]


@pytest.mark.drill
def test_a_deleted_experiment_is_restored_by_the_command_that_the_sentence_names(root: Path) -> None:
    experiment = open_store()
    MlflowClient().create_registered_model("landscribe")
    MlflowClient().delete_experiment(experiment)
    with pytest.raises(RegistryError, match=r"experiment 'landscribe' .* was deleted; .* Restore it") as caught:
        open_store()
    open_store_to_read()  # a reader does not ask for it
    assert read_alias("landscribe", "champion") is None
    command = str(caught.value).partition("again: ")[2]
    assert f"experiments restore --experiment-id {experiment}" in command
    subprocess.run(command, shell=True, check=True, cwd="/")  # noqa: S602
    assert open_store() == experiment
    assert mlflow.get_experiment_by_name(EXPERIMENT).lifecycle_stage == "active"


def test_a_store_that_is_no_database_is_a_sentence_for_readers_and_writers(root: Path) -> None:
    (root / "mlflow.db").write_bytes(b"no database, but long enough to be looked at" * 20)
    for door in (open_store, open_store_to_read):
        with pytest.raises(RegistryError, match=r"cannot be used: file is not a database"):
            door()


def test_a_reader_needs_no_experiment_that_was_deleted_for_good(root: Path) -> None:
    experiment = open_store()
    MlflowClient().create_registered_model("landscribe")
    MlflowClient().delete_experiment(experiment)
    address = f"sqlite:///{root / 'mlflow.db'}"
    command = ["mlflow", "gc", "--backend-store-uri", address, "--experiment-ids", experiment]
    environment = os.environ | {"MLFLOW_TRACKING_URI": address}
    subprocess.run([sys.executable, "-m", *command], check=True, cwd=root, env=environment)
    assert mlflow.get_experiment_by_name(EXPERIMENT) is None
    open_store_to_read()
    assert read_alias("landscribe", "champion") is None
