"""Real MLflow servers on loopback: one for runs, to be killed and started again, and one that answers for a model."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.model_fixtures import make_plain_environment

_STARTS_WITHIN_S = 300  # of a busy machine; 5 s of an idle one


class MlflowServer:
    """A server with its database and its artifacts in `folder`; always at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _find_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--workers", "1"]
        words += ["--artifacts-destination", str(self.folder / "artifacts"), "--port", str(self.port)]
        env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("mlflow")), "server", "--host", "127.0.0.1", *words],
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,  # its workers end with it
            )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text(encoding="utf-8")
            time.sleep(0.2)

    def kill(self) -> None:
        """Kill it and its workers; without one running, do nothing."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        return _answers(f"{self.uri}/health")


@dataclass(frozen=True)
class ModelServer:
    """A running `mlflow models serve`.

    Attributes:
        port: of loopback.
        env: environment in which `mlflow` finds the store, without this project.
    """

    port: int
    env: Mapping[str, str]

    def post(self, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
        """Return the HTTP status and the body of the answer to a request."""
        uri, headers = f"http://127.0.0.1:{self.port}/invocations", {"Content-Type": content_type}
        try:
            with urllib.request.urlopen(urllib.request.Request(uri, body, headers), timeout=_STARTS_WITHIN_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ask(self, bands: Mapping[str, np.ndarray]) -> Any:
        """Return the rows of the answer to a right request."""
        inputs = {name: values.tolist() for name, values in bands.items()}
        status, body = self.post(json.dumps({"inputs": inputs}).encode())
        assert status == 200, body
        return json.loads(body)["predictions"]


@contextlib.contextmanager
def serve_model(model_uri: str, store_uri: str, folder: Path) -> Iterator[ModelServer]:
    """Start `mlflow models serve` and end it afterwards.

    Args:
        model_uri: the registered model.
        store_uri: the store that it is registered in.
        folder: of the server's log; nothing of this project is there to import.
    """
    port, log_path = _find_port(), folder / "serve.log"
    words = ["models", "serve", "-m", model_uri, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    env = make_plain_environment() | {"MLFLOW_TRACKING_URI": store_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"  # it starts uvicorn by name
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("mlflow")), *words],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    try:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not _answers(f"http://127.0.0.1:{port}/ping"):
            assert process.poll() is None, log_path.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log_path.read_text(encoding="utf-8")
            time.sleep(0.2)
        yield ModelServer(port, env)
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(uri, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False
