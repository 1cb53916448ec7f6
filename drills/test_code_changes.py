"""An edit of the code while work is under way: a comment loses nothing, a metric's definition begins again."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.checkout import Checkout
from tests.support.processes import find_processes

SMALL = (
    "demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials=1 search.epochs=1"
    " search.backbones=[SmallResNet] train.epochs=6 train.batch_size_patches=8"
)
METRIC = "src/landscribe/core/average_precision.py"
COMMENTED = (METRIC, "src/landscribe/models/residual.py", "src/landscribe/search/trial.py", "stages/train.py")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout that has searched once."""
    made = Checkout(tmp_path_factory.mktemp("edited").resolve())
    made.repro(SMALL, "--stage", "search")
    return made


def append(checkout: Checkout, name: str, text: str) -> None:
    """Write at the end of a file of the checkout."""
    with (checkout.folder / name).open("a", encoding="utf-8") as stream:
        stream.write(text)


def start_and_kill(checkout: Checkout) -> None:
    """Start `train` and kill it once it has a snapshot."""
    snapshots = checkout.folder / ".landscribe/train"
    known = set(snapshots.glob("*/snapshot.npz"))
    words = ("dvc", "repro", "train")
    with subprocess.Popen(words, cwd=checkout.folder, env=checkout.env, stdout=subprocess.DEVNULL) as dvc:
        while set(snapshots.glob("*/snapshot.npz")) <= known:
            assert dvc.poll() is None
            time.sleep(0.02)
        for stage in find_processes(checkout.folder, "stages.train"):
            stage.send_signal(signal.SIGKILL)


def read_resumed(text: str) -> int:
    """Return how many epochs a training found."""
    found = re.search(r"train: (\d+) of 6 epochs are there", text)
    return int(found[1]) if found else 0


def test_a_comment_orphans_no_study(checkout: Checkout) -> None:
    for name in COMMENTED:
        append(checkout, name, "\n# A comment.\n")
    said = checkout.repro("search.trials=2", "--stage", "search")
    assert "search: 1 of 2 trials are there" in said
    assert "Running stage 'convert'" not in said


def test_a_comment_drops_no_snapshot_and_a_metric_does(checkout: Checkout) -> None:
    start_and_kill(checkout)
    for name in COMMENTED:
        append(checkout, name, "\n# Another comment.\n")
    said = checkout.run("dvc", "repro", "train").stdout
    assert "Running stage 'search'" not in said
    assert read_resumed(said) >= 1

    append(checkout, METRIC, "\nANOTHER_DEFINITION = True\n")
    start_and_kill(checkout)
    append(checkout, METRIC, "\nYET_ANOTHER_DEFINITION = True\n")
    said = checkout.run("dvc", "repro", "train").stdout
    assert "Running stage 'convert'" not in said
    assert "Running stage 'search'" in said
    assert read_resumed(said) == 0


def test_a_chart_is_drawn_again_and_nothing_is_trained(checkout: Checkout) -> None:
    checkout.run("dvc", "repro")
    append(checkout, "src/landscribe/figures/charts.py", "\nANOTHER_STYLE = True\n")
    said = checkout.run("dvc", "repro").stdout
    running = re.findall(r"Running stage '(\w+)'", said)
    assert "draw" in running
    assert not {"convert", "search", "train", "score"} & set(running)
    assert Path(checkout.folder / "reports/draw/train/learning_curves.png").is_file()
