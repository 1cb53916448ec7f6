"""`mlflow models serve` and docs/serving.md: answers equal local ones, a wrong request is refused in words."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.registry.registration import Candidate, register
from landscribe.registry.served_version import open_served
from landscribe.tracking.registered import CHAMPION
from landscribe.tracking.store import open_store
from tests.registry.test_served_model import check_unusual, make_thresholds, make_unusual, read_test_patches
from tests.support.mlflow_server import ModelServer, serve_model
from tests.support.model_fixtures import TinyRecords, Trained
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(60)

NAME, PORT_OF_THE_PAGE = "landscribe", "5001"
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
Inputs = dict[str, Any]  # band -> nested lists


@dataclass(frozen=True)
class Served:
    """A server of the champion, and the same version loaded here."""

    server: ModelServer
    local: Any
    bands: dict[str, np.ndarray]

    def make_inputs(self) -> Inputs:
        """Return a right request of one patch."""
        return {name: values[:1].tolist() for name, values in self.bands.items()}


@pytest.fixture(scope="module")
def served(
    records: TinyRecords, trained: Trained, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One server for all tests."""
    bands = read_test_patches(records, list(trained.card.bands))
    experiment = open_store()  # a client made before it belongs to the store before
    run_id = MlflowClient().create_run(experiment).info.run_id
    candidate = Candidate(
        model_path=trained.path,
        card=trained.card,
        thresholds=make_thresholds(len(trained.card.classes)),
        metrics={"test_macro_ap": 0.5},
        test_digest="",
        example={name: values[:1] for name, values in bands.items()},
        statistics=records.statistics,
    )
    version = register(candidate, NAME, run_id)["version"]
    MlflowClient().set_registered_model_alias(NAME, CHAMPION, version)
    uri = f"models:/{NAME}@{CHAMPION}"
    with (
        serve_model(uri, f"sqlite:///{store / 'mlflow.db'}", tmp_path_factory.mktemp("server")) as server,
        open_served(uri) as served,
    ):
        yield Served(server, served, bands)


def check_equal(rows: Any, expected: pd.DataFrame) -> None:
    """Check rows of JSON against a table."""
    table, classes = pd.DataFrame(rows), list(expected.columns[:-2])
    assert list(table.columns) == list(expected.columns)
    np.testing.assert_allclose(table[classes].astype(float), expected[classes], atol=1e-6)
    for column in ("labels", "warning"):
        assert table[column].tolist() == expected[column].tolist()


def test_served_answers_equal_local_ones(served: Served) -> None:
    check_equal(served.server.ask(served.bands), served.local.predict(served.bands))


def test_a_patch_out_of_range_is_said_in_its_row(served: Served, records: TinyRecords) -> None:
    unusual = make_unusual(records, list(served.bands))
    check_unusual(pd.DataFrame(served.server.ask(unusual)), served.local.predict(served.bands))


def change(band: str, edit: Callable[[list[Any]], Any]) -> Callable[[Inputs], Inputs]:
    """Return what replaces the lists [1][60][60] of a band."""
    return lambda inputs: inputs | {band: edit(inputs[band])}


def put(value: Any) -> Callable[[list[Any]], Any]:
    """Return what replaces the first pixel."""
    return lambda lists: [[[value, *lists[0][0][1:]], *lists[0][1:]]]


NOT_NUMBERS = "which are no numbers. Send numbers alone"
# What is wrong with a request -> how it is made of a right one, and what the answer says.
WRONG: dict[str, tuple[Callable[[Inputs], Any], str]] = {
    "band missing": (
        lambda inputs: {name: lists for name, lists in inputs.items() if name != "B05"},
        "B05 is missing. Send every band by name",
    ),
    "band unknown": (lambda inputs: inputs | {"b05": inputs["B05"]}, "received b05 as well. Leave out"),
    "no bands by name": (lambda inputs: list(inputs.values()), "received a value of type list"),
    "size": (change("B05", lambda lists: [[row[1:] for row in lists[0]]]), "received [1, 60, 59]. Send n patches"),
    "rank": (change("B05", lambda lists: lists[0]), "expected uint16 [n, 60, 60]; received [60, 60]"),
    "unequal rows": (change("B05", lambda lists: [[lists[0][0][1:], *lists[0][1:]]]), "lists of unequal length"),
    "unequal bands": (change("B05", lambda lists: lists * 2), "same number of patches in every band"),
    "no patch": (lambda inputs: {name: [] for name in inputs}, "n at least 1"),
    "text": (change("B05", put("812")), NOT_NUMBERS),
    "null": (change("B05", put(None)), NOT_NUMBERS),
    "NaN": (change("B05", put(float("nan"))), "NaN or infinity: leave the patch out"),
    "too large": (change("B05", put(70_000)), "to 70000. Send numbers from 0 to 65535"),
    "negative": (change("B05", put(-5)), "from -5 to "),
    "fraction": (change("B05", put(812.5)), "fractions? Send whole numbers"),
    "reflectance": (change("B05", lambda lists: (np.array(lists) / 10_000).tolist()), "10,000 times the reflectance"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_is_refused_by_our_sentence_and_the_next_one_is_answered(served: Served, what: str) -> None:
    make, words = WRONG[what]
    status, body = served.server.post(json.dumps({"inputs": make(served.make_inputs())}).encode())
    message = json.loads(body)["message"]
    assert status == 400
    assert words in message
    assert message.startswith(("expected ", "band B05: expected "))
    assert "; received " in message or "missing" in message
    assert len(body) < 500
    with pytest.raises(ValueError, match=re.escape(words)):  # the same sentence where the model is loaded
        served.local.predict(make(served.make_inputs()))
    bands = {name: values[:1] for name, values in served.bands.items()}
    check_equal(served.server.ask(bands), served.local.predict(bands))


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"no JSON", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"instances": []}', "application/json", 400),
        (b'{"inputs": {}, "more": 1}', "application/json", 400),
        (b"B05\n1\n", "text/csv", 400),
        (b"{}", "application/x-www-form-urlencoded", 415),  # curl's own, without -H
        (b"{}", "image/tiff", 415),
    ],
)
def test_what_is_no_request_at_all_is_refused_too(served: Served, body: bytes, content_type: str, status: int) -> None:
    assert served.server.post(body, content_type)[0] == status
    assert served.server.post(json.dumps({"inputs": served.make_inputs()}).encode())[0] == 200


def list_blocks(language: str) -> list[str]:
    """Return the blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def run_as_printed(served: Served, block: str, folder: Path) -> str:
    """Run a block of the page in a folder, but for the port, and return what it prints."""
    if "curl" in block and shutil.which("curl") is None:
        pytest.skip("this machine has no curl")
    language = "python" if "import" in block else "bash"
    done = subprocess.run(
        [language, "-c", block.replace(PORT_OF_THE_PAGE, str(served.server.port))],
        cwd=folder,
        env=dict(served.server.env),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_curl_of_the_page_works_as_printed(served: Served, tmp_path: Path) -> None:
    (block,) = [block for block in list_blocks("sh") if "/invocations" in block and "example" in block]
    answer = run_as_printed(served, block, tmp_path).splitlines()[-1]  # mlflow prints the path of the file
    bands = {name: values[:1] for name, values in served.bands.items()}
    check_equal(json.loads(answer)["predictions"], served.local.predict(bands))


def test_the_request_of_the_page_is_made_of_files(served: Served, demo_root: Path, tmp_path: Path) -> None:
    (tmp_path / "PATCH").mkdir()
    for root in (S2_FOLDER, S1_FOLDER):
        for path in min((demo_root / root).iterdir()).glob("*.tif"):
            shutil.copy(path, tmp_path / "PATCH")
    (block,) = list_blocks("python")
    run_as_printed(served, block, tmp_path)
    (block,) = [block for block in list_blocks("sh") if "@request.json" in block]
    (row,) = json.loads(run_as_printed(served, block, tmp_path))["predictions"]
    assert len(row) == len(served.local.predict(served.bands).columns)


def test_the_addresses_of_health_answer(served: Served, tmp_path: Path) -> None:
    (block,) = [block for block in list_blocks("sh") if "/ping" in block]
    assert run_as_printed(served, block, tmp_path).split()[-1].count(".") == 2  # the version of MLflow


def test_the_folder_of_the_container_holds_the_champion(served: Served, tmp_path: Path) -> None:
    (block,) = [block for block in list_blocks("sh") if "generate-dockerfile" in block]
    run_as_printed(served, block.splitlines()[0], tmp_path)
    folder = tmp_path / "champion-image"
    assert "COPY" in (folder / "Dockerfile").read_text()
    assert list(folder.rglob("MLmodel"))
