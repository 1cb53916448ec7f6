"""The time of TensorFlow's operations in a few steps, by type."""

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from landscribe.pipeline.backend import tf

_ALL_OPERATIONS = 3  # level of the tracer; 2 leaves out those that TensorFlow takes for cheap
_OPERATION = re.compile(r"[^:]+:(\w+)")  # "path/of/the/operation:_MklNativeConv2D"; "Iterator::Root" is none
_OUTER = re.compile("PartitionedCall|While|If|Case|IteratorGetNext")  # they wait for other operations


class StepProfiler:
    """TensorFlow's own profiler, whose trace has an event for each operation that a thread runs."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()

    def start(self) -> None:
        """Begin."""
        options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=_ALL_OPERATIONS, python_tracer_level=0)
        tf.profiler.experimental.start(self._folder.name, options)

    def stop(self) -> dict[str, Any]:
        """Return {"operations_ms": {type: time of all its operations}}.

        The time is that of the thread which runs the operation; the threads that help it are not counted. Operations
        of the input pipeline are among them.
        """
        tf.profiler.experimental.stop()
        times: defaultdict[str, float] = defaultdict(float)
        with self._folder as name:
            for kind, duration_ms in _iter_operations(Path(name)):
                times[kind] += duration_ms
        return {"operations_ms": dict(times)}


def _iter_operations(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield type and milliseconds of each operation in a trace."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    for path in folder.rglob("*.xplane.pb"):
        for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
            names = {number: each.name for number, each in plane.event_metadata.items()}
            for event in (event for line in plane.lines for event in line.events):
                found = _OPERATION.fullmatch(names[event.metadata_id])
                if found and not _OUTER.search(found[1]):
                    yield found[1], event.duration_ps / 1e9
