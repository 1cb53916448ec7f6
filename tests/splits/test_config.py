"""Section `split` refuses what no archive can fix, and names every file that it reads."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.indices import make_config


def test_lists_start_from_the_repository_and_all_of_them_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    config = make_config("official", files=["a.csv", "b.csv", "c.csv"], seen_lists=["seen.csv"])
    assert config.official_paths == [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    assert config.seen_paths == [tmp_path / "seen.csv"]
    assert config.file_paths == [*config.official_paths, *config.seen_paths]
    assert make_config("random", files=["a.csv"]).file_paths == []  # random reads none
    assert make_config("official").official_paths == []  # the archive's own split


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strategy": "official", "files": ["a", "b"]}, "takes three lists"),
        ({"strategy": "by-place"}, "'spatial'"),
        ({"fractions": {"val": 0.6, "test": 0.4}}, "must be below 1"),
        ({"fractions": {"val": -0.1, "test": 0.4}}, "greater than or equal to 0"),
        ({"fractions": {"val": 0.1}}, "test"),
        ({"seed": None}, "seed"),
        ({"spatial": {"block_cells": 0}}, "block_cells"),
        ({"spatial": {"buffer_cells": 0}}, "buffer_cells"),
        ({"spatial": {"unit": "continent"}}, "'country'"),
        ({"spatial": {"unit": "block", "val": ["33UUP"]}}, "blocks have no names"),
        ({"spatial": {"unit": "tile", "val": ["33UUP"], "test": ["33UUP", "29SND"]}}, "33UUP cannot be held out"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_config(**values)
