"""The commit of a run: known, or unknown with a word about why, and what git says helps."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from landscribe.tracking import provenance

FOREIGN_USER = 1234

pytest_plugins = ["tests.support.words"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one commit, the current folder; git reads no setting but those below HOME."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    folder = tmp_path / "a repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "--quiet"], [*identity, "commit", "--quiet", "--allow-empty", "-m", "start"]):
        subprocess.run(["git", *words], check=True)
    provenance._warn_of_git.cache_clear()
    return folder


def test_a_repository_of_another_user_is_a_warning_with_a_remedy_that_works(repository: Path, said: list[str]) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to another user")
    known = provenance.read_git()
    assert known[1] is False
    os.chown(repository, FOREIGN_USER, FOREIGN_USER)
    os.chown(repository / ".git", FOREIGN_USER, FOREIGN_USER)
    for _ in range(2):
        assert provenance.read_git() == ("unknown", True)
    assert len(said) == 1
    assert "git.commit is unknown (detected dubious ownership in repository" in said[-1]
    remedy = said[0].partition("run: ")[2]
    assert shlex.split(remedy)[:5] == ["git", "config", "--global", "--add", "safe.directory"]
    subprocess.run(remedy, shell=True, check=True)  # noqa: S602
    assert provenance.read_git() == known


def test_no_repository_and_no_commit_are_a_warning_once(
    repository: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    (repository.parent / "plain").mkdir()
    monkeypatch.chdir(repository.parent / "plain")
    for _ in range(2):
        assert provenance.read_git() == ("unknown", True)
    assert len(said) == 1
    assert "git.commit is unknown (not a git repository" in said[-1]
