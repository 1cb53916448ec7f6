"""The ridge baseline learns what a line can tell, on train alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landscribe.core.scores import Scores
from landscribe.evaluation.baseline import compute_ridge_macro_aps
from tests.support.model_fixtures import TinyRecords

pytest_plugins = ["tests.support.model_fixtures"]


def make_linear_toy(records: TinyRecords) -> tuple[pd.DataFrame, Scores]:
    """Return an index whose first class is what one band's mean says, its second what another's says, and the test."""
    statistics = pd.read_parquet(records.patch_statistics_path)
    features = statistics.set_index("patch_id")[["B02_mean", "VV_mean"]]
    truth = (features > features.median()).rename(columns={"B02_mean": "bright", "VV_mean": "rough"})
    labels = [[name for name in truth if row[name]] for _, row in truth.iterrows()]
    test = statistics.loc[statistics["split"] == "test", "patch_id"].tolist()
    values = truth.loc[test].to_numpy(np.float32)
    index = pd.DataFrame({"patch_id": truth.index, "labels": labels})
    return index, Scores(tuple(test), values, np.zeros_like(values), ("bright", "rough"))


@pytest.mark.parametrize("num_classes", [1, 2])
def test_the_ridge_baseline_learns_what_a_line_can_tell(records: TinyRecords, tmp_path: Path, num_classes: int) -> None:
    index, test = make_linear_toy(records)
    classes = test.classes[:num_classes]
    index["labels"] = [[name for name in names if name in classes] for names in index["labels"]]
    index.to_parquet(path := tmp_path / "index.parquet")
    scored = Scores(test.patch_ids, test.truth[:, :num_classes], test.scores[:, :num_classes], classes)
    macro_aps = compute_ridge_macro_aps(path, records.patch_statistics_path, {"test": scored})
    assert macro_aps.keys() == {"test"}
    assert macro_aps["test"] > 0.9
