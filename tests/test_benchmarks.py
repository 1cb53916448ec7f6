"""The benchmarks run, here at a size that measures nothing."""

import importlib
import math

import pytest

from benchmarks import Figure, discover_v1
from benchmarks.__main__ import CASES, format_figure, is_met, main


def test_a_case_gives_figures_beside_their_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover_v1, "NUM_PATCHES", 3)
    figures = discover_v1.run()
    assert len({figure.name for figure in figures}) == len(figures) > 1
    for figure in figures:
        assert figure.value > 0
        assert math.isclose(figure.ratio, figure.value / figure.reference)


@pytest.mark.parametrize("case", CASES)
def test_every_case_can_be_run(case: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{case}").run)


@pytest.mark.parametrize(
    ("unit", "value", "met"), [("s", 4.0, True), ("s", 6.0, False), ("patches/s", 4.0, False), ("MB", 5.0, True)]
)
def test_a_rate_is_to_be_reached_and_all_else_not_to_be_passed(unit: str, value: float, met: bool) -> None:
    figure = Figure("case: what", value, unit, 2.0, value / 2, 5.0)
    assert is_met(figure) == met
    assert format_figure(figure).endswith("met" if met else "MISSED")


def test_an_unknown_case_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover_v2"]) == 2
    assert capsys.readouterr().err == f"error: expected cases out of {', '.join(CASES)}; received discover_v2\n"
