"""The ablation: three trainings of one section, one table, goes on where it was killed, a parent run with children."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from landscribe.cli import ablation
from landscribe.cli.ablation import Row, ablate, choose_bands, format_report, make_table
from landscribe.core.errors import ParamsError
from landscribe.core.scores import Scores
from landscribe.evaluation.config import EvaluateConfig
from landscribe.tracking.store import open_store
from landscribe.training.config import TrainConfig
from landscribe.training.fit import FitResult
from tests.support.model_fixtures import TinyRecords, make_train_config

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(8)

EVALUATE = EvaluateConfig.model_validate(
    {
        "threshold_metric": "f1",
        "min_precision": 0.8,
        "shrinkage_positives": 3,
        "bootstrap": {"draws": 100, "slice_draws": 100, "confidence": 0.9, "seed": 1},
        "calibration_bins": 5,
    }
)
WITHOUT = ["S1+S2 without S1", "S1+S2 without S2"]


class MeanModel:
    """Stands for a trained model: the score of every class follows the means of the bands."""

    def __init__(self, num_classes: int) -> None:
        self._shifts = np.linspace(-1, 1, num_classes)

    def predict_on_batch(self, bands: Mapping[str, Any]) -> np.ndarray:
        """Return logits [batch, class]."""
        means = np.sum([np.asarray(values, np.float64).mean(axis=(1, 2)) for values in bands.values()], axis=0)
        logits: np.ndarray = (means[:, None] / 1000 * self._shifts).astype(np.float32)
        return logits


class Fits:
    """Stands for `fit_classifier`; is killed at the training whose number `killed_at` says."""

    def __init__(self, killed_at: int = -1) -> None:
        self.configs: list[TrainConfig] = []
        self.killed_at = killed_at

    def __call__(self, *words: Any) -> tuple[MeanModel, FitResult]:
        """Train nothing."""
        manifest, _, _, config, *_ = words
        if len(self.configs) == self.killed_at:
            raise KeyboardInterrupt
        self.configs.append(config)
        return MeanModel(len(manifest.classes)), FitResult([{"epoch": 1, "val_macro_ap": 0.25}])


def call(records: TinyRecords, folder: Path, train: TrainConfig) -> pd.DataFrame:
    """Ablate on the tiny records."""
    return ablate(train, EVALUATE, "cpu", records.folder.parent, folder)


def test_three_trainings_of_one_section_make_one_table(
    records: TinyRecords, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = make_train_config(bands=["B05", "B01"], seed=11)
    killed, fits = Fits(killed_at=2), Fits()
    monkeypatch.setattr(ablation, "fit_classifier", killed)
    with pytest.raises(KeyboardInterrupt):
        call(records, tmp_path, train)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(ablation, "fit_classifier", fits)
    table = call(records, tmp_path, train)
    trained = [*killed.configs, *fits.configs]  # what is finished is not trained again
    assert [config.bands for config in trained] == [["VV"], ["B05", "B01"], ["B05", "B01", "VV"]]
    assert [config.model_copy(update={"bands": train.bands}) for config in trained] == [train] * 3
    assert table["sensors"].tolist() == ["S1", "S2", "S1+S2"]
    assert table["against"].tolist() == ["", "S1", "S2"]
    assert {path.name for path in tmp_path.iterdir()} == {"ablation.csv", "ablation.png"}
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "ablation.csv", keep_default_na=False, na_values=[""]).fillna({"against": ""}), table
    )
    pd.testing.assert_frame_equal(call(records, tmp_path, train), table)
    assert len(fits.configs) == 1
    open_store()
    runs = mlflow.search_runs(search_all_experiments=True, order_by=["start_time ASC"], output_format="list")
    parent, *children = [run for run in runs if run.info.run_name.startswith("ablation")]
    assert [run.info.run_name for run in children] == ["ablation-S1", "ablation-S2", "ablation-S1+S2"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert [run.data.metrics["test_macro_ap"] for run in children] == table["test_macro_ap"].tolist()


def test_a_model_that_learnt_to_do_without_a_sensor_is_measured_without_it(
    records: TinyRecords, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "fit_classifier", Fits())
    table = call(records, tmp_path, make_train_config(bands=["B01", "VV"], modality_dropout=0.5)).set_index("sensors")
    assert table.index.tolist() == ["S1", "S2", "S1+S2", *WITHOUT]
    assert table.loc[WITHOUT, "against"].tolist() == ["S2", "S1"]  # beside the model that was made for what is left
    assert table.loc[WITHOUT, "bands"].tolist() == table.loc[["S2", "S1"], "bands"].tolist()
    # A constant added to every patch changes the order within no class of this model.
    np.testing.assert_allclose(table.loc[WITHOUT, "test_macro_ap"], table.loc[["S2", "S1"], "test_macro_ap"])


def test_bands_of_a_sensor_are_those_of_train_or_all_that_are_stored() -> None:
    stored = ["B02", "B03", "VV", "VH"]
    assert choose_bands(["B03"], stored) == {"S1": ["VV", "VH"], "S2": ["B03"], "S1+S2": ["B03", "VV", "VH"]}
    assert choose_bands(["VH", "B02"], stored) == {"S1": ["VH"], "S2": ["B02"], "S1+S2": ["VH", "B02"]}
    with pytest.raises(ParamsError, match="S1 has none among B02"):
        choose_bands(["B02"], ["B02"])


def make_row(sensors: str, against: str, noise: float) -> Row:
    """Return a row of a model whose scores are the truth and some noise."""
    rng = np.random.default_rng(0)

    def draw(num_patches: int) -> Scores:
        truth = (rng.random((num_patches, 3)) < 0.3).astype(np.float32)
        scores = np.clip(0.5 * truth + noise * rng.random(truth.shape), 0, 1).astype(np.float32)
        return Scores(tuple(map(str, range(num_patches))), truth, scores, ("a", "b", "c"))

    bands: Sequence[str] = ["VV"]
    return Row(sensors, bands, against, draw(40), draw(60))


def test_the_table_compares_patch_by_patch() -> None:
    table = make_table([make_row("S1", "", 1.0), make_row("S2", "S1", 0.4), make_row("S1+S2", "S2", 0.4)], EVALUATE)
    first, second, third = table.to_dict("records")
    assert np.isnan(first["difference"])
    assert second["test_macro_ap"] == 1.0  # separable
    assert second["difference"] == second["test_macro_ap"] - first["test_macro_ap"] > 0
    assert second["difference_low"] > 0
    assert third["difference"] == third["difference_low"] == third["difference_high"] == 0  # the same scores
    lines = format_report(table).splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["S1", "S2", "S1+S2"]
    assert lines[4].split()[-1] == "S1"
    assert lines[4].split()[1] == f"{second['val_macro_ap']:.4f}"
