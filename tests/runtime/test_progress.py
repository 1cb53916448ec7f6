"""Progress in a log: now and then a line whose rate and time left come true."""

import itertools
import re
import time
import types
from collections.abc import Iterator

import pytest

from landscribe.runtime import progress

LINE = re.compile(
    r"converting: (\d+) of 1200, ([\d.]+) patches/s, about (?:(\d+) h )?(?:(\d+) min ?)?(?:(\d+) s )?left"
)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What `track` writes where no terminal is."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    logger = progress.make_logger("progress")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("chunk_s", [0.5, 4.0, 100.0])
def test_the_time_left_comes_true(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture, chunk_s: float
) -> None:
    now_s = 0.0
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr(progress._heard, "at_s", 0.0)
    spoke_s: list[float] = []
    for _ in progress.track([12] * 100, total=1200, what="converting", count=int):
        spoke_s += [now_s] * (len(said.messages) - len(spoke_s))
        now_s += chunk_s
    assert len(spoke_s) >= 3
    assert max(later - before for before, later in itertools.pairwise(spoke_s)) <= 10 + chunk_s
    for at_s, message in zip(spoke_s, said.messages, strict=False):
        found = LINE.fullmatch(message)
        assert found, message
        num_done, hours, minutes, seconds = (int(found[part] or 0) for part in (1, 3, 4, 5))
        assert num_done == round(at_s / chunk_s) * 12
        assert float(found[2]) == pytest.approx(12 / chunk_s, rel=0.02)
        assert abs(100 * chunk_s - at_s - (hours * 3600 + minutes * 60 + seconds)) <= (60 if hours else 0.5)


def test_a_first_step_that_takes_long_is_not_silent(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.02)
    monkeypatch.setattr(progress, "_LOOK_EVERY_S", 0.005)
    meter = progress.Meter(4, "training", "batches")
    deadline_s = time.monotonic() + 20
    while len(said.messages) < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    meter.close()
    assert set(said.messages) == {"training: 0 of 4 batches"}


def test_short_work_says_nothing_in_a_log(monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress._heard, "at_s", time.monotonic())
    assert list(progress.track("abc", total=3, what="converting")) == ["a", "b", "c"]
    assert said.messages == []


def test_a_block_that_waits_is_not_silent(monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.02)
    monkeypatch.setattr(progress, "_LOOK_EVERY_S", 0.005)
    with progress.never_silent("trial 3"):
        deadline_s = time.monotonic() + 20
        while not said.messages:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
    assert said.messages[0] == "trial 3: still at work"
