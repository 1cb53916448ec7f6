"""Two devices learn what one learns from the same global batch; the same params give the same bytes."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from landscribe.pipeline.config import NO_AUGMENTATION
from tests.support.model_fixtures import TinyRecords, make_plain_environment, make_train_config
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.drill

# A process of its own: devices are divided before TensorFlow starts.
CODE = """
import json, sys
from pathlib import Path
from landscribe.pipeline.backend import keras, tf
(cpu,) = tf.config.list_physical_devices("CPU")
num_devices, records_dir, statistics_path, *configs = json.loads(sys.argv[1])
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices)
from landscribe.core.files import compute_digest
from landscribe.records.schema import read_manifest
from landscribe.records.statistics import read_statistics
from landscribe.training.config import TrainConfig
from landscribe.training.recipe import fit_classifier, prepare
manifest = read_manifest(Path(records_dir) / "manifest.json")
statistics = read_statistics(Path(statistics_path))
for config in map(TrainConfig.model_validate, configs):
    prepare(manifest, config, "cpu")
    model, result = fit_classifier(manifest, Path(records_dir), statistics, config, lambda epoch, row: None)
    digest = compute_digest(*(weight.tobytes() for weight in model.get_weights()))
    print(json.dumps([result.history, digest, sorted({layer.dtype_policy.name for layer in model.layers})]))
"""


Trained = tuple[list[dict[str, float]], str, list[str]]


def train(records: TinyRecords, num_devices: int, *changes: dict[str, Any]) -> list[Trained]:
    """Train in one process on so many logical devices, once per change of the section.

    Returns:
        history, digest of the weights and dtype policies of each training.
    """
    values = {"epochs": 2, "dropout": 0.0, "learning_rate": 0.02}
    configs = [make_train_config(**values | changed).model_dump() for changed in changes]
    words = json.dumps([num_devices, str(records.folder), str(records.statistics_path), *configs])
    done = subprocess.run(
        [sys.executable, "-c", CODE, words], cwd=ROOT, env=make_plain_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()[-len(changes) :]]


AUGMENTATION = NO_AUGMENTATION.model_dump() | {
    "dihedral": True,
    "shift_fraction": 0.1,
    "zoom_fraction": 0.2,
    "size_fraction": 0.8,
    "gain_fraction": 0.1,
    "mixup_alpha": 0.2,
}
# Clipping and averages depend on the global batch.
CHANGED = {"deterministic": True, "clip_norm": 0.05, "ema_momentum": 0.5, "augmentation": AUGMENTATION}


@pytest.fixture(scope="module")
def trained(records: TinyRecords) -> Trained:
    """History, digest of the weights and dtype policies on one device, in 32 bits."""
    return train(records, 1, CHANGED)[0]


def test_two_devices_learn_what_one_learns(records: TinyRecords, trained: Trained) -> None:
    one, ((two, _, _),) = trained[0], train(records, 2, CHANGED)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose([row[name] for row in two], [row[name] for row in one], rtol=0, atol=1e-3)


def test_the_same_params_give_the_same_bytes_and_16_bits_others(records: TinyRecords, trained: Trained) -> None:
    first, digest, _ = trained
    in_16_bits = CHANGED | {"mixed_precision": "on", "epochs": 1}  # one: a CPU takes three times as long for 16 bits
    (second, same, _), ((mixed,), _, policies) = train(records, 1, CHANGED, in_16_bits)
    assert [row | {"seconds": 0} for row in first] == [row | {"seconds": 0} for row in second]
    assert digest == same
    assert policies == ["float32"]
    assert mixed["loss"] != first[0]["loss"]
    assert mixed["loss"] == pytest.approx(first[0]["loss"], abs=0.02)


def test_a_fitted_head_is_the_same_on_two_devices(records: TinyRecords) -> None:
    # The weights are named and not read: the features of random ones are fitted as those of any others.
    change = {"weights": "imagenet", "probe_penalty": 0.5, "freeze_epochs": "all", "learning_rate": 1e-6, "epochs": 1}
    ((one, _, _),), ((two, _, _),) = (train(records, num_devices, change) for num_devices in (1, 2))
    for name in ("loss", "val_loss", "val_macro_ap"):
        np.testing.assert_allclose(two[0][name], one[0][name], rtol=1e-4)
