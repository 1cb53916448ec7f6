"""A registered version by its URI: known before its network is loaded; one sentence where it cannot be."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from landscribe.core.errors import RegistryError
from landscribe.registry.registration import register
from landscribe.registry.served_version import open_served
from landscribe.tracking.store import open_store
from tests.support.model_fixtures import make_candidate, make_plain_environment

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(10)


@pytest.fixture(scope="module")
def uri(store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A version whose network cannot be loaded."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    path.write_bytes(b"weights")
    experiment = open_store()  # a client made before it belongs to the store before
    run_id = MlflowClient().create_run(experiment).info.run_id
    register(make_candidate(path), "broken", run_id)
    return "models:/broken@challenger"


def test_what_a_version_takes_is_known_before_tensorflow_is_imported(uri: str) -> None:
    code = (
        "import sys\nfrom landscribe.registry.served_version import open_served\n"
        "with open_served(sys.argv[1]) as served:\n"
        "    print(*served.metadata.metadata['bands'], *served.metadata.get_input_schema().input_names())\n"
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", code, uri]
    done = subprocess.run(words, env=make_plain_environment(), check=True, capture_output=True, text=True)
    assert done.stdout == "B02 B02\n"


def test_a_network_that_cannot_be_loaded_is_one_sentence(uri: str) -> None:
    with open_served(uri) as served, pytest.raises(RegistryError, match="broken@challenger cannot be loaded") as caught:
        served.predict({"B02": np.ones((1, 4, 4), np.uint16)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["models:/never@champion", "models:/never/1", "models:/never", "no/such/folder", "runs:/0/model", "models:/"]
)
@pytest.mark.usefixtures("store")
def test_a_model_that_is_not_there_is_one_sentence(uri: str) -> None:
    open_store()
    match = r"cannot be loaded: .*Expected e\.g\. models:/landscribe@champion"
    with pytest.raises(RegistryError, match=match) as caught, open_served(uri):
        pass
    assert "\n" not in str(caught.value)
