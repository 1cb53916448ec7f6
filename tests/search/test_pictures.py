"""Pictures of a search: all of them for any number of trials, none too."""

from pathlib import Path

import pytest

from landscribe.core.files import write_json
from landscribe.search.pictures import draw_search
from landscribe.search.report import write_search_report
from tests.search.test_report import make_study

pytest_plugins = ["tests.support.searches"]
pytestmark = pytest.mark.usefixtures("storage")

PICTURES = {"history.png", "epochs.png", "slices.png", "importance.png"}


@pytest.mark.parametrize("trials", [1, 3, 12])
def test_a_search_has_every_picture(tmp_path: Path, trials: int) -> None:
    write_search_report(tmp_path / "report", make_study(trials))
    draw_search(tmp_path / "report", tmp_path / "drawn")
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == PICTURES


def test_without_a_search_each_picture_says_so(tmp_path: Path) -> None:
    write_json(tmp_path / "summary.json", {"num_trials": 0})
    draw_search(tmp_path, tmp_path / "drawn")
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == PICTURES
