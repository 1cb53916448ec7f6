"""Registered versions, found by alias or number, and their networks, fetched to be trained further."""

import shutil
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from landscribe.core.errors import RegistryError
from landscribe.core.files import replacing
from landscribe.tracking.answering import expect_answer
from landscribe.tracking.store import open_store_to_read

CHALLENGER, CHAMPION = "challenger", "champion"  # aliases
DIGEST_TAG = "digest"  # of a version: what makes two versions the same model
_NO_SUCH = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")  # alias, model


def read_alias(model_name: str, alias: str) -> ModelVersion | None:
    """Return the version under an alias of the open store, or None.

    Raises:
        RegistryError: the registry does not answer.
    """
    with expect_answer(f"the alias {alias} of {model_name} cannot be read"):
        try:
            return MlflowClient().get_model_version_by_alias(model_name, alias)
        except MlflowException as error:
            if error.error_code in _NO_SUCH:
                return None
            raise


def find_registered(uri: str) -> ModelVersion:
    """Return the version that `models:/NAME@ALIAS` or `models:/NAME/VERSION` names now.

    Raises:
        RegistryError: there is none, or it was not registered by this project.
    """
    open_store_to_read()
    name, _, alias = uri.removeprefix("models:/").partition("@")
    if alias:
        version = read_alias(name, alias)
    else:
        name, _, number = name.rpartition("/")
        try:
            version = MlflowClient().get_model_version(name, number)
        except MlflowException:
            version = None
    if version is None or DIGEST_TAG not in version.tags:
        raise RegistryError(
            f"{uri}: expected a model that make repro registered, e.g. models:/landscribe@champion; the registry"
            f" {'has none of this name' if version is None else 'has one of another origin'}."
        )
    return version


def name_version(uri: str) -> str:
    """Return e.g. "landscribe version 3" for the URI of a registered version; the URI itself for any other."""
    if not uri.startswith("models:/"):
        return uri
    try:
        version = find_registered(uri)
    except RegistryError:
        return uri
    return f"{version.name} version {version.version}"


def fetch_network(version: ModelVersion, folder: Path) -> Path:
    """Return `model.keras` of a version, copied into `folder` unless it is there from before.

    Raises:
        RegistryError: its files are gone.
    """
    path = folder / f"{version.tags[DIGEST_TAG]}.keras"
    if path.is_file():
        return path
    uri = f"models:/{version.name}/{version.version}"
    try:
        with tempfile.TemporaryDirectory() as temporary, replacing(path) as beside:
            fetched = Path(mlflow.artifacts.download_artifacts(uri, dst_path=temporary))
            shutil.copyfile(next(fetched.glob("artifacts/*.keras")), beside)
    except (MlflowException, OSError, StopIteration) as error:
        raise RegistryError(
            f"{uri} has lost its files; expected model.keras. Name another in train.weights."
        ) from error
    return path
