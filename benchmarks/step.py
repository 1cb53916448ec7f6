"""step: a training step as the stage `train` runs it, beside a bare one of Keras and one of PyTorch.

    [STEP_NETWORKS="SmallResNet MobileNetV2"] [TORCH_PYTHON=FILE] python -m benchmarks step

Batches of 32 patches of 12 bands at 120 pixels, on two cores. The training reads records, augments as params.yaml says,
is deterministic, resamples and standardises its bands in the model, and shows its progress; `step_train`, `step_bare`
and `step_torch` describe what the three do. What a training does between epochs is no part of a step. FILE is a Python
that has torch and torchvision; without it there is no comparison with PyTorch.

Each is a process, and blocks of steps take turns. Of a block the first steps do not count; a ratio is the median over
five blocks, each with the block of the reference that follows it. The processor time counts all threads, those of the
input pipeline as well. After them a profiled block says how the time of TensorFlow's operations is shared: each counts
from its begin to its end on the thread that runs it, also while another one has the core.
"""

import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import Figure
from benchmarks.fake_v1 import plan_conversion, write_s2_patches
from benchmarks.step_clock import BATCH_SIZE_PATCHES, NUM_BLOCKS, STEPS, Racer
from landscribe.archive.protocol import PATCH_SCHEMA
from landscribe.conversion.converter import convert
from landscribe.records.schema import write_manifest

TIMES_BARE = 1.05
TRAIN, BARE, TORCH = "train", "bare Keras", "PyTorch"
NUM_PATCHES, NUM_VAL = 256, 32  # that are written; each is several records of train
SHARD_SIZE_MB = 20.0
_CONVOLUTION = re.compile("conv2d|depthwise", re.IGNORECASE)
_CHECKOUT = Path(__file__).resolve().parents[1]

Answers = Mapping[str, Sequence[Mapping[str, Any]]]
"""What each process says of its blocks, in order."""


def run() -> Iterator[Figure]:
    """Convert a made archive; train on it with each network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_records(folder)
        for network in os.environ.get("STEP_NETWORKS", " ".join(STEPS)).split():
            answers = _race(network, folder)
            _check_parameters(network, answers)
            _describe(network, answers)
            yield _compare(network, answers, BARE, TIMES_BARE)
            if TORCH in answers:
                yield _compare(network, answers, TORCH, None)


def _write_records(folder: Path) -> None:
    """Write the records of enough patches for every network, their manifest and statistics beside them."""
    names = write_s2_patches(folder / "S2", NUM_PATCHES)
    num_train = BATCH_SIZE_PATCHES * (NUM_BLOCKS + 2) * max(map(sum, STEPS.values()))
    source, config = plan_conversion(folder, names, SHARD_SIZE_MB)
    ids = [f"P{number:05d}" for number in range(num_train + NUM_VAL)]
    classes = source.nomenclature[1]
    columns = {
        "patch_id": ids,
        "path": [names[number % len(names)] for number in range(len(ids))],
        "labels": [[classes[number % len(classes)]] for number in range(len(ids))],
    }
    index = pd.DataFrame(dict.fromkeys(PATCH_SCHEMA.names) | columns)
    splits = pd.DataFrame({"patch_id": ids, "split": ["train"] * num_train + ["val"] * NUM_VAL})
    made = replace(source, index=index, splits=splits)
    done = convert(made, config, folder / "records", folder / "scratch", num_workers=1)
    write_manifest(done.manifest, folder / "manifest.json")
    summaries = {band: each.summarise() for band, each in done.statistics.items()}
    (folder / "statistics.json").write_text(json.dumps(summaries), encoding="utf-8")


def _race(network: str, folder: Path) -> Answers:
    """Let all train in turns; each is a process of its own, for TensorFlow's threads and determinism."""
    paths = os.pathsep.join([str(_CHECKOUT), str(_CHECKOUT / "src")])
    environment = os.environ | {"PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "-1"}
    python = [sys.executable, "-m"]
    commands = {
        TRAIN: [*python, "benchmarks.step_train", network, str(folder)],
        BARE: [*python, "benchmarks.step_bare", network],
    }
    if torch_python := os.environ.get("TORCH_PYTHON"):
        commands[TORCH] = [torch_python, "-m", "benchmarks.step_torch", network]
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    racers = {name: Racer(words, environment) for name, words in commands.items()}
    try:
        for _ in range(NUM_BLOCKS + 2):
            for name, racer in racers.items():
                answers[name].append(racer.take_turn())
    finally:
        for racer in racers.values():
            racer.end()
    return answers


def _check_parameters(network: str, answers: Answers) -> None:
    """Say how many weights learn. PyTorch's ResNet50 has no biases before a normalisation, Keras' has."""
    counts = {name: blocks[0]["parameters"] for name, blocks in answers.items()}
    words = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    if counts[TRAIN] != counts[BARE] or (network != "ResNet50" and len(set(counts.values())) > 1):
        raise ValueError(f"expected equal networks; received weights of {network}: {words}")
    _say(f"{network}: weights that learn: {words}")


def _describe(network: str, answers: Answers) -> None:
    """Print rates, processor time and the shares of operations."""
    for name, blocks in answers.items():
        wall_ms, processor_ms = (_list_times(blocks, key) for key in ("wall_ms", "processor_ms"))
        rate = 1e3 * BATCH_SIZE_PATCHES / statistics.median(wall_ms)
        each = " ".join(f"{value:.1f}" for value in wall_ms)
        processor = statistics.median(processor_ms)
        _say(f"{network}, {name}: {rate:.1f} images/s; ms per step {each}; processor {processor:.1f} ms per step")
        times: dict[str, float] = blocks[-1].get("operations_ms", {})
        if times:
            whole = sum(times.values())
            ranked = sorted(times.items(), key=lambda item: -item[1])
            others = [(kind, time) for kind, time in ranked if not _CONVOLUTION.search(kind)]
            outside = sum(time for _, time in others) / whole
            largest = ", ".join(f"{kind} {time / whole:.1%}" for kind, time in others[:8])
            _say(f"{network}, {name}: {outside:.1%} of the time of operations is outside convolutions: {largest}")


def _compare(network: str, answers: Answers, reference: str, factor: float | None) -> Figure:
    """Return the figure of the wall clock; the ratio of the processor times, which are steadier, goes to stdout."""
    what = f"{network}, train over {reference}"
    _say(f"{what}: {_compute_ratio(answers, reference, 'processor_ms'):.3f} x the processor time")
    ratio = _compute_ratio(answers, reference, "wall_ms")
    reference_ms = statistics.median(_list_times(answers[reference], "wall_ms"))
    target = None if factor is None else factor * reference_ms
    return Figure(f"step: {what}", ratio * reference_ms, "ms", reference_ms, ratio, target)


def _compute_ratio(answers: Answers, reference: str, key: str) -> float:
    """Return the median over the blocks of the training's times as parts of those of a reference."""
    ours, others = (_list_times(answers[name], key) for name in (TRAIN, reference))
    return statistics.median(one / other for one, other in zip(ours, others, strict=True))


def _list_times(blocks: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """Return the times of the blocks that count: the first warms up, the last is profiled."""
    return [block[key] for block in blocks[1:-1]]


def _say(words: str) -> None:
    sys.stdout.write(f"step: {words}\n")
    sys.stdout.flush()
