"""Where studies live, and one sentence for every way in which a database fails; no sentence tells a password."""

from pathlib import Path

import pytest
import sqlalchemy

from landscribe.core.errors import SearchError
from landscribe.search.storage import explain_failures, find_url, open_locks, open_storage
from landscribe.search.study_locks import FileLocks
from tests.support.searches import open_study


def test_without_a_variable_studies_live_in_the_scratch_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for value in (None, ""):
        monkeypatch.setenv("OPTUNA_STORAGE", value) if value is not None else monkeypatch.delenv(
            "OPTUNA_STORAGE", raising=False
        )
        assert find_url().database == str(tmp_path / ".landscribe/search/studies.db")


def test_a_relative_path_starts_from_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///studies/ours.db")
    assert find_url().database == str(tmp_path / "studies/ours.db")
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{tmp_path}/ours.db")
    assert find_url().database == str(tmp_path / "ours.db")


@pytest.mark.parametrize("text", ["journal.log", "mysql://u:secret@host/x", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", text)
    with pytest.raises(SearchError, match="expected postgresql://") as caught:
        find_url()
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql://me:secret@127.0.0.1:1/studies")
    with pytest.raises(SearchError, match=r"cannot be used: .*refused") as caught, explain_failures():
        open_study()
    assert "secret" not in str(caught.value)
    assert "Check OPTUNA_STORAGE" in str(caught.value)


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "studies.db").write_text("no database", encoding="utf-8")
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    with pytest.raises(SearchError, match="file is not a database"), explain_failures():
        open_study()


def test_a_driver_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql+pg8000://me@127.0.0.1/studies")
    with pytest.raises(SearchError, match="driver pg8000 is missing"), explain_failures():
        open_study()


def test_studies_of_one_database_have_locks_of_their_own(tmp_path: Path) -> None:
    url = sqlalchemy.make_url(f"sqlite:///{tmp_path}/studies.db")
    one, other = open_locks(url, "one"), open_locks(url, "other")
    with one.hold(3):
        assert one.is_held(3)
        assert not one.is_held(4)
        assert not other.is_held(3)
    assert not one.is_held(3)
    assert isinstance(one, FileLocks)


def test_a_storage_makes_its_folder(tmp_path: Path) -> None:
    open_storage(sqlalchemy.make_url(f"sqlite:///{tmp_path}/a/b/studies.db"))
    assert (tmp_path / "a/b/studies.db").is_file()
