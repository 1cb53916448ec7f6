"""A finished checkout that is copied, renamed, mounted read-only or without git: it works, and only on itself."""

import hashlib
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.checkout import Checkout
from tests.support.paths import ROOT

SMALL = (
    "demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials=0 train.epochs=1"
    " train.backbone=SmallResNet train.batch_size_patches=16"
)
MODEL = "models:/landscribe@champion"
OTHER = "train.seed=77"

pytestmark = pytest.mark.slow(300)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A finished checkout with a champion; no test changes one of its files."""
    made = Checkout(tmp_path_factory.mktemp("moved") / "the original")
    made.repro(SMALL)
    made.run("landscribe", "promote")
    made.commit("first run")
    before = digest_files(made.folder)
    yield made
    assert digest_files(made.folder) == before


def digest_files(folder: Path) -> dict[str, str]:
    """Return the digest of every file, by its path in the folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def read_texts(database: Path) -> list[str]:
    """Return every text in a database."""
    texts = []
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608
            texts += [value for row in rows for value in row if isinstance(value, str)]
    assert texts
    return texts


def predict(checkout: Checkout, out: Path) -> str:
    """Label a patch with the champion; return what is said."""
    patch = next((checkout.folder / "data/demo/BigEarthNet-v1.0").iterdir())
    done = checkout.run("landscribe", "predict", str(patch), "--model", MODEL, "--out", str(out))
    assert out.is_file()
    return done.stdout


def collect_garbage(checkout: Checkout) -> None:
    """Delete every run, as the page on cleaning up says, and what MLflow keeps of it."""
    store = f"sqlite:///{checkout.folder / 'mlflow.db'}"
    checkout.env["MLFLOW_TRACKING_URI"] = store
    listed = checkout.run("mlflow", "runs", "list", "--experiment-id", "1").stdout
    runs = re.findall("[0-9a-f]{32}", listed)
    assert runs
    for run in runs:
        checkout.run("mlflow", "runs", "delete", "--run-id", run)
    assert "permanently deleted" in checkout.run("mlflow", "gc", "--backend-store-uri", store).stdout
    del checkout.env["MLFLOW_TRACKING_URI"]


def test_a_copy_runs_promotes_predicts_and_cleans_up_on_its_own_files(original: Checkout, tmp_path: Path) -> None:
    before = digest_files(original.folder)
    copied = original.copy(tmp_path / "a copy")
    said = predict(copied, tmp_path / "labels.csv")
    assert f"this checkout lay in {original.folder} before and is in {copied.folder} now" in said
    assert "this checkout lay" not in predict(copied, tmp_path / "labels.csv")
    assert not [text for text in read_texts(copied.folder / "mlflow.db") if str(original.folder) in unquote(text)]
    assert "landscribe version 2 (alias challenger)" in copied.repro(OTHER)
    copied.run("landscribe", "promote", "--force", "a test")
    collect_garbage(copied)
    assert digest_files(original.folder) == before


def test_every_command_of_the_page_on_cleaning_up_works(original: Checkout, tmp_path: Path) -> None:
    cleaned = original.copy(tmp_path / "cleaned")
    run_id = cleaned.read("reports/train/run.json")["run_id"]
    cleaned.repro(OTHER)
    cleaned.run("landscribe", "promote", "--force", "a test")
    cleaned.commit("second run")
    page = (ROOT / "docs/cleanup.md").read_text(encoding="utf-8")
    script = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    values = {"EXPERIMENT_ID": "1", "RUN_ID": str(run_id), '"VERSION"': '"1"'}
    for name, value in values.items():
        assert name in script
        script = script.replace(name, value)
    said = cleaned.run("bash", "-ec", script).stdout
    assert f"Run with ID {run_id} has been permanently deleted" in said
    assert len(list((cleaned.folder / "mlartifacts/models").glob("*/artifacts/MLmodel"))) == 1
    assert "landscribe version 2 (alias challenger)" in cleaned.repro()
    assert "Running stage 'train'" not in cleaned.repro()
    predict(cleaned, tmp_path / "labels.csv")


def test_a_renamed_checkout_goes_on_where_it_was(original: Checkout, tmp_path: Path) -> None:
    first = original.copy(tmp_path / "first")
    first.run("landscribe", "history")
    renamed = first.rename(tmp_path / "renamed")
    assert "landscribe version 1 (alias challenger)" in renamed.repro()
    assert "is the champion already" in renamed.run("landscribe", "promote", check=False).stdout
    predict(renamed, tmp_path / "labels.csv")
    collect_garbage(renamed)
    assert not first.folder.exists()


@pytest.fixture
def read_only(original: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A copy that is mounted read-only in another folder."""
    copied, place = original.copy(tmp_path / "writable"), tmp_path / "mounted"
    place.mkdir()
    for words in (["--bind", copied.folder, place], ["-o", "remount,bind,ro", place]):
        done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a read-only mount needs root and its rights: {done.stderr.strip()}")
    yield original.at(place)
    subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_checkout_is_read_and_nothing_else(read_only: Checkout, tmp_path: Path) -> None:
    before = digest_files(read_only.folder)
    predict(read_only, tmp_path / "labels.csv")
    assert "* version 1 is champion" in read_only.run("landscribe", "history").stdout
    repro = ("python", "-m", "landscribe.cli.repro")
    for words in (repro, ("landscribe", "promote"), ("landscribe", "rollback")):
        refused = read_only.run(*words, check=False)
        assert refused.returncode == 2
        assert refused.stdout.startswith(f"error: {read_only.folder} cannot be written to")
        assert refused.stdout.count("\n") == 1
    assert digest_files(read_only.folder) == before
    remedy = refused.stdout.partition("with ")[2].partition(", and")[0]
    subprocess.run(remedy.replace("FOLDER", shlex.quote(str(tmp_path / "copied"))), shell=True, check=True)  # noqa: S602
    assert "landscribe version 1 (alias challenger)" in read_only.at(tmp_path / "copied").repro()


def test_a_checkout_without_git_runs_to_the_end(original: Checkout, tmp_path: Path) -> None:
    unpacked = original.copy(tmp_path / "unpacked")
    shutil.rmtree(unpacked.folder / ".git")
    said = unpacked.repro(OTHER)
    assert f"{unpacked.folder} is not a git repository: DVC runs without git" in said
    assert "git.commit is unknown (not a git repository" in said
    assert "landscribe version 2 (alias challenger)" in said
    unpacked.run("git", "init", "--quiet")
    unpacked.commit("now under version control")
    assert "DVC runs without git" not in unpacked.repro()


def test_a_checkout_of_another_user_runs_to_the_end_and_the_remedy_works(original: Checkout, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to another user")
    foreign = original.copy(tmp_path / "foreign")
    subprocess.run(["chown", "-R", "1234:1234", str(foreign.folder)], check=True)
    foreign.env["HOME"] = str(tmp_path)
    said = foreign.repro(OTHER)
    assert "is owned by another user, so git does not read it: DVC runs without git" in said
    assert "landscribe version 2 (alias challenger)" in said
    remedy = next(line for line in said.splitlines() if "git.commit is unknown" in line).partition("run: ")[2]
    foreign.run("bash", "-ec", remedy)
    said = foreign.repro("train.seed=78", "--stage", "train")
    assert "Running stage 'train'" in said
    assert "DVC runs without git" not in said
    assert "git.commit is unknown" not in said
