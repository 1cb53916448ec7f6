"""The machine's measures: the same few keys on every host."""

import time
from pathlib import Path

import mlflow
import pytest

from landscribe.evaluation.metrics import HEADLINE
from landscribe.tracking import runs, system_metrics
from landscribe.tracking.system_metrics import SystemMetrics, average_gpus

pytest_plugins = ["tests.support.model_fixtures"]

# As MLflow's monitors name them.
OF_A_GPU = ("memory_usage_megabytes", "memory_usage_percentage", "utilization_percentage", "power_usage_watts",
            "power_usage_percentage")  # fmt: skip


def make_gpus(number: int) -> dict[str, float]:
    return {f"gpu_{gpu}_{measure}": 10.0 * gpu for gpu in range(number) for measure in OF_A_GPU}


def test_gpus_are_averaged_and_the_rest_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    values = {"cpu_utilization_percentage": 50.0, "gpu_0_power_usage_watts": 100.0, "gpu_11_power_usage_watts": 300.0}
    assert average_gpus(values) == {"cpu_utilization_percentage": 50.0, "gpu_power_usage_watts": 200.0}


@pytest.mark.parametrize(("visible", "mean"), [("1,3", 20.0), ("3", 30.0), ("GPU-8f1e", 15.0), ("", 15.0)])
def test_gpus_that_are_hidden_by_number_do_not_count(
    monkeypatch: pytest.MonkeyPatch, visible: str, mean: float
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert set(average_gpus(make_gpus(4)).values()) == {mean}


def test_a_run_is_measured_while_it_lasts(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "SAMPLING_INTERVAL_S", 0.05)
    with runs.start_run("train", {}, {}) as run_id:
        time.sleep(1)
    metrics = mlflow.get_run(run_id).data.metrics
    assert set(metrics) >= set(SystemMetrics().sample())
    assert all(name.startswith("system/") for name in metrics)


@pytest.mark.parametrize("num_gpus", [0, 2, 8])
def test_a_full_run_has_at_most_60_metrics(num_gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    epoch = {"loss", "val_loss", "val_macro_ap", "learning_rate", "seconds"}
    outcome = {"best_epoch", "best_val_macro_ap"}
    measured = {f"{split}_{name}" for split in ("val", "test") for name in (*HEADLINE, "macro_ap_ridge")}
    interval = {"test_macro_ap_low", "test_macro_ap_high"}
    machine = set(SystemMetrics().sample()) | set(average_gpus(make_gpus(num_gpus)))
    assert len(epoch | outcome | measured | interval | machine) <= 60
