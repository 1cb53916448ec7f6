"""The links of `make ui`: the experiment and the model that are there, in pages that MLflow has."""

import shutil
from pathlib import Path

import mlflow
import pytest

from landscribe.core.errors import RegistryError
from landscribe.core.params import PARAMS_FILE
from landscribe.registry.pages import make_links
from landscribe.tracking.store import EXPERIMENT, open_store
from tests.support.challengers import Challenge
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(5)

PORT = 5017


def test_links_are_of_what_is_there(store: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / PARAMS_FILE, store)
    with pytest.raises(RegistryError, match="Run make repro first"):
        make_links(PORT)
    experiment = open_store()
    start, end = f"http://127.0.0.1:{PORT}/#", "?workflowType=machine_learning"
    runs = f"runs:      {start}/experiments/{experiment}/runs{end}"
    assert make_links(PORT) == [runs, f"registry:  {start}/models{end}"]
    Challenge("landscribe", tmp_path).register(0.5)
    assert make_links(PORT) == [runs, f"registry:  {start}/models/landscribe{end}"]
    assert mlflow.get_experiment(experiment).name == EXPERIMENT


def test_the_pages_are_those_of_mlflow() -> None:
    scripts = Path(mlflow.__file__).parent / "server/js/build/static/js"
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in scripts.glob("*.js"))
    wanted = (
        "/experiments/:experimentId/runs",
        "/models/:modelName",
        "/models",
        '"workflowType"',
        '"machine_learning"',
    )
    assert [name for name in wanted if name not in text] == []
