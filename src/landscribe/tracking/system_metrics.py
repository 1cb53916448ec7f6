"""System metrics: those of MLflow, with all GPUs together.

MLflow's thread for them ends with the first call that fails, holds up the end of the run while it does, and logs five
metrics per GPU: on a host with eight they would hide the metrics of the run.
"""

import contextlib
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from mlflow.environment_variables import MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL
from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

SAMPLING_INTERVAL_S = 5.0
_OF_A_GPU = re.compile(r"gpu_(?P<number>\d+)_(?P<measure>.+)")


class SystemMetrics:
    """The monitors of this host."""

    def __init__(self) -> None:
        self._monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor(), *_find_gpus()]

    def sample(self) -> dict[str, float]:
        """Return `system/<measure>` -> value now; `system/gpu_<measure>` is the mean over the visible GPUs."""
        values: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            values |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        return {f"system/{name}": value for name, value in average_gpus(values).items()}


@contextlib.contextmanager
def sample_while(put: Callable[[dict[str, float], int], None], began_ms: int) -> Iterator[None]:
    """Measure in a thread while the block lasts.

    Args:
        put: receives (metrics, seconds since the run began) at each measure.
        began_ms: when the run began, in milliseconds since 1970: a run that goes on after a kill counts on.
    """
    ended = threading.Event()

    def work() -> None:
        metrics = SystemMetrics()
        while not ended.wait(MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL.get() or SAMPLING_INTERVAL_S):
            put(metrics.sample(), round(time.time() - began_ms / 1000))

    thread = threading.Thread(target=work, name="system metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def average_gpus(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values with one `gpu_<measure>` in place of a `gpu_<number>_<measure>` for each GPU.

    Args:
        values: of all GPUs of the host; those that CUDA_VISIBLE_DEVICES hides by number are left out.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").replace(" ", "").split(",")
    hidden_by_number = all(name.isdigit() for name in visible)
    averaged: dict[str, float] = {}
    gpus: dict[str, list[float]] = defaultdict(list)
    for name, value in values.items():
        if not (found := _OF_A_GPU.fullmatch(name)):
            averaged[name] = value
        elif not hidden_by_number or found["number"] in visible:
            gpus[f"gpu_{found['measure']}"].append(value)
    return averaged | {name: sum(of_all) / len(of_all) for name, of_all in gpus.items()}


def _find_gpus() -> list[BaseMetricsMonitor]:
    """Return the monitor of NVIDIA's or of AMD's GPUs; none where there are none or their library is absent."""
    for monitor in (GPUMonitor, ROCMMonitor):
        try:
            return [monitor()]
        except (ImportError, RuntimeError):
            continue
    return []
