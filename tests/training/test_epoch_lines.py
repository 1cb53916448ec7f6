"""A training is never silent: a line per epoch, and within a long one."""

import types

import pytest

from landscribe.runtime import progress
from landscribe.training.epoch_lines import EpochMeter


def test_a_long_epoch_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr(progress._heard, "at_s", 0.0)
    logger = progress.make_logger("progress")
    logger.addHandler(caplog.handler)
    meter = EpochMeter("trial 3", epochs=2, steps=10)
    meter.on_epoch_begin(1)
    for batch in range(10):
        now_s += 6.0
        meter.on_train_batch_end(batch)
    meter.on_epoch_end(1)
    logger.removeHandler(caplog.handler)
    assert caplog.messages[0].startswith("trial 3, epoch 2 of 2: 2 of 10, 0.167 batches/s, about 48 s left")
    assert len(caplog.messages) == 4
