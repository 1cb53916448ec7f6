"""Devices and precision are chosen from what the host has; what cannot work is refused with one sentence."""

from types import SimpleNamespace
from typing import Any, Literal

import pytest

from landscribe.core.errors import TrainingError
from landscribe.models import devices
from landscribe.pipeline.backend import tf


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make TensorFlow see GPUs of these compute capabilities; none of them is ever used."""

    def see(*abilities: tuple[int, int]) -> None:
        gpus = [SimpleNamespace(name=f"GPU:{number}", ability=ability) for number, ability in enumerate(abilities)]
        details = {"device_name": "Fake"}
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus)
        monkeypatch.setattr(tf.config, "set_visible_devices", lambda gpus, kind: None)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, grows: None)
        monkeypatch.setattr(
            tf.config.experimental, "get_device_details", lambda gpu: details | {"compute_capability": gpu.ability}
        )

    return see


@pytest.mark.parametrize(
    ("abilities", "wanted", "name"),
    [
        ([], "auto", "CPU"),
        ([(8, 0)], "cpu", "CPU"),
        ([(8, 0)], "auto", "GPU: Fake"),
        ([(9, 0), (9, 0)], "gpu", "2 x GPU: Fake"),
    ],
)
def test_a_device_says_what_it_is(host: Any, abilities: list[Any], wanted: Any, name: str) -> None:
    host(*abilities)
    assert devices.choose_device(wanted) == name


def test_a_gpu_that_is_not_there_is_refused(host: Any) -> None:
    host()
    with pytest.raises(TrainingError, match="asked for a GPU"):
        devices.choose_device("gpu")


@pytest.mark.parametrize(
    ("abilities", "auto", "on"),
    [
        ([], "float32", "mixed_bfloat16"),
        ([(6, 1)], "float32", "mixed_float16"),
        ([(7, 5)], "mixed_float16", "mixed_float16"),
        ([(8, 0), (9, 0)], "mixed_bfloat16", "mixed_bfloat16"),
        ([(9, 0), (7, 0)], "mixed_float16", "mixed_float16"),  # the weakest decides
    ],
)
def test_precision_follows_the_weakest_device(host: Any, abilities: list[Any], auto: str, on: str) -> None:
    host(*abilities)
    chosen: dict[Literal["auto", "on", "off"], str] = {"auto": auto, "on": on, "off": "float32"}
    assert {wanted: devices.choose_precision(wanted) for wanted in chosen} == chosen


def test_a_batch_that_cannot_be_shared_out_is_refused(host: Any) -> None:
    host((8, 0), (8, 0))
    with pytest.raises(TrainingError, match=r"multiple of the 2 devices.*received 9"):
        devices.make_strategy(9)


def test_one_device_needs_no_strategy(host: Any) -> None:
    host((8, 0))
    assert devices.make_strategy(9).num_replicas_in_sync == 1
