"""A real MLflow server on loopback, to be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

_STARTS_WITHIN_S = 300  # of a busy machine; 5 s of an idle one


class MlflowServer:
    """A server with its database and its artifacts in `folder`; always at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
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
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False
