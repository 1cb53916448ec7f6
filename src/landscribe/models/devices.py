"""The device and the precision of a training: chosen once and reported, never changed silently."""

from typing import Any, Literal

from landscribe.core.errors import TrainingError
from landscribe.models.config import Device
from landscribe.pipeline.backend import tf

_BFLOAT16, _FLOAT16 = (8, 0), (7, 0)  # compute capabilities from which the type is faster: Ampere, Volta


def choose_device(wanted: Device) -> str:
    """Prepare the devices and return their name, e.g. "CPU", "GPU: NVIDIA H200" or "2 x GPU: NVIDIA H200".

    Raises:
        TrainingError: a GPU was requested and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "gpu" and not gpus:
        raise TrainingError(
            "machine.device: asked for a GPU and TensorFlow sees none. Install the GPU lock (make GPU=1 repro), check"
            " the driver with nvidia-smi, or set machine.device to auto or cpu."
        )
    if wanted == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        return "CPU"
    for gpu in gpus:  # take memory as it is needed: the machine may be shared
        tf.config.experimental.set_memory_growth(gpu, True)
    count = f"{len(gpus)} x " if len(gpus) > 1 else ""
    return f"{count}GPU: {tf.config.experimental.get_device_details(gpus[0]).get('device_name', 'unnamed')}"


def make_strategy(batch_size_patches: int) -> Any:
    """Return the strategy for the chosen devices: one replica per device, each with its share of a batch.

    Raises:
        TrainingError: the global batch cannot be divided evenly.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    if batch_size_patches % len(devices):
        raise TrainingError(
            f"train.batch_size_patches: expected a multiple of the {len(devices)} devices, which share each batch;"
            f" received {batch_size_patches}. Change it, or name fewer GPUs in CUDA_VISIBLE_DEVICES."
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def choose_precision(wanted: Literal["auto", "on", "off"]) -> str:
    """Return the Keras dtype policy for the chosen devices: "float32", "mixed_bfloat16" or "mixed_float16".

    A CPU computes slower in 16 bits (MobileNetV2: 511 ms per step instead of 330 ms); "on" uses them nevertheless.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if wanted == "off" or (wanted == "auto" and not gpus):
        return "float32"
    if not gpus:
        return "mixed_bfloat16"
    ability = min(tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus)
    if ability >= _BFLOAT16:
        return "mixed_bfloat16"
    return "mixed_float16" if ability >= _FLOAT16 or wanted == "on" else "float32"
