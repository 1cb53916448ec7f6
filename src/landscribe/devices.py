"""Where training runs: chosen once, said aloud, never silently another."""

from typing import Literal

from landscribe.backend import tf
from landscribe.errors import TrainingError


def choose_device(wanted: Literal["auto", "cpu", "gpu"]) -> str:
    """Prepare the device and return its name, e.g. "CPU" or "GPU: NVIDIA H200".

    Raises:
        TrainingError: a GPU was asked for and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "gpu" and not gpus:
        raise TrainingError(
            "train.device: asked for a GPU and TensorFlow sees none. Install the GPU lock (make GPU=1 repro), check"
            " the driver with nvidia-smi, or set train.device to auto or cpu."
        )
    if wanted == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        return "CPU"
    for gpu in gpus:  # take memory as it is needed: the machine may be shared
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.set_visible_devices(gpus[:1], "GPU")
    return f"GPU: {tf.config.experimental.get_device_details(gpus[0]).get('device_name', 'unnamed')}"
