"""Processes that train in turns: each waits for a line before a block of steps, and answers with its times.

The standard library alone: a process of PyTorch imports it too.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

NUM_BLOCKS = 5  # that count; one before them warms up, one after them is profiled
NUM_CORES = 2
BATCH_SIZE_PATCHES, SIDE_PX, NUM_BANDS, NUM_CLASSES = 32, 120, 12, 19
DROPOUT = 0.1
# Steps of a block that do not count, and that do. A step of ResNet50 takes seconds.
STEPS = {"SmallResNet": (4, 12), "MobileNetV2": (3, 9), "ResNet50": (2, 4)}
_MARK = "block: "


class Profiler(Protocol):
    """Looks into the steps of a block."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> dict[str, float]:
        """Return what was found."""


def keep_cores() -> None:
    """Keep this process to as many cores as there shall be threads; to be called before a library counts them."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:NUM_CORES])


class StepClock:
    """Waits for the turn of each block of steps and says when it is over.

    A block is answered when the next one would begin: what a training does in between is not in another one's turn.

    Args:
        network: one of STEPS.
        profiler: of the last block; None: it is as the others.
    """

    def __init__(self, network: str, profiler: Profiler | None = None) -> None:
        self._num_skipped, num_timed = STEPS[network]
        self._num_in_block = self._num_skipped + num_timed
        self._profiler = profiler
        self._num_done = 0
        self._times: list[tuple[float, float]] = []  # of this block, after each step: wall and processor
        self._found: dict[str, float] = {}
        self.num_parameters = 0

    @property
    def num_steps(self) -> int:
        """Steps of all blocks."""
        return (NUM_BLOCKS + 2) * self._num_in_block

    @property
    def is_over(self) -> bool:
        """Whether all steps are done."""
        return self._num_done == self.num_steps

    def begin_step(self) -> None:
        """Wait, where a block begins."""
        if self._num_done % self._num_in_block == 0:
            if self._num_done:
                self.answer()
            if not sys.stdin.readline():
                raise EOFError("the process that gives the turns has ended")

    def end_step(self) -> None:
        """Note the time."""
        self._times.append((time.perf_counter(), time.process_time()))
        self._num_done += 1
        if self._profiler and self._num_done == self.num_steps - self._num_in_block + self._num_skipped:
            self._profiler.start()
        if self._profiler and self.is_over:
            self._found = self._profiler.stop()

    def answer(self) -> None:
        """Say how long the steps of the block took, the mean of those that count."""
        first, last = self._times[self._num_skipped - 1], self._times[-1]
        num_timed = self._num_in_block - self._num_skipped
        wall_ms, processor_ms = (1e3 * (end - begin) / num_timed for begin, end in zip(first, last, strict=True))
        facts = {"wall_ms": wall_ms, "processor_ms": processor_ms, "parameters": self.num_parameters, **self._found}
        sys.stdout.write(f"{_MARK}{json.dumps(facts)}\n")
        sys.stdout.flush()
        self._times = []


class Racer:
    """A process with a StepClock.

    Args:
        words: its command.
        environment: its variables.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment)
        )

    def take_turn(self) -> dict[str, Any]:
        """Let it train for a block; return its answer."""
        if not (self._process.stdin and self._process.stdout):
            raise ValueError("expected a process with pipes")
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(_MARK):
                facts: dict[str, Any] = json.loads(line.removeprefix(_MARK))
                return facts
        raise ChildProcessError(f"{self._process.args!r} ended with {self._process.wait()}")

    def end(self) -> None:
        """Let it go, whatever it does."""
        self._process.kill()
        self._process.communicate()
