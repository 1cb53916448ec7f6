"""The commands of README.md work as printed."""

import functools
import re
import time

import pytest

from tests.support.checkout import Checkout
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow(240)

SMALL = (
    "demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials=0 train.epochs=1"
    " train.batch_size_patches=16"
)
# The same commands with less to train.
SMALLER = {"MobileNetV2": "SmallResNet", "=1e-3,4e-3": "=4e-3"}
_QUEUE_S = 600


def list_commands(heading: str) -> list[str]:
    """Return the lines of the first block of commands below a heading, without their comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {heading}\n\n```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    return [re.sub(r" +# .*", "", line) for line in found[1].splitlines()]


def wait_for_queue(checkout: Checkout) -> None:
    """Wait until no experiment is queued or runs; the one that was queued must have succeeded."""
    deadline = time.monotonic() + _QUEUE_S
    while "Queued" in (text := checkout.run("dvc", "queue", "status").stdout) or "Running" in text:
        assert time.monotonic() < deadline, text
        time.sleep(2)
    assert text.count("Success") == 1, text


def test_the_experiments_work_as_printed(tmp_path_factory: pytest.TempPathFactory) -> None:
    checkout = Checkout(tmp_path_factory.mktemp("readme"))
    name = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    checkout.env |= name
    activate = checkout.folder / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    checkout.repro(SMALL)
    said = {}
    for command in list_commands("Experiments"):
        smaller = functools.reduce(lambda text, pair: text.replace(*pair), SMALLER.items(), command)
        said[command] = checkout.run("bash", "-c", smaller).stdout
        assert "failed" not in said[command], said[command]
        if command == "dvc queue start":
            wait_for_queue(checkout)
    rows = re.findall(r"test_macro_ap +([\d.]+) +([\d.]+) +-?[\d.]+$", said["dvc metrics diff"], re.MULTILINE)
    assert rows, said["dvc metrics diff"]
    assert checkout.run("git", "status", "--porcelain", "--", "mlflow.db", "data", "reports").stdout == ""
    default = checkout.run("mlflow", "runs", "list", "--experiment-id", "0", "--view", "all").stdout
    assert len(re.findall(r"\b[0-9a-f]{32}\b", default)) == 0, default
