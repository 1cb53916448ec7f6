"""The baseline that a model must beat: ridge regression on mean and standard deviation of every stored band."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from landscribe.core.average_precision import compute_macro_ap
from landscribe.core.multi_hot import encode_multi_hot
from landscribe.core.scores import Scores

_ALPHAS = np.logspace(-2, 4, 7)  # chosen by leave-one-out on train, as `RidgeCV` does


def compute_ridge_macro_aps(
    index_path: Path, patch_statistics_path: Path, scored: Mapping[str, Scores]
) -> dict[str, float]:
    """Return split -> macro average precision of a ridge regression, fitted on train.

    Args:
        index_path: the index: truth of the train patches.
        patch_statistics_path: patch_id, split, `<band>_mean` and `<band>_std` of every record.
        scored: split -> patches and truth to evaluate it on; all have one class order.
    """
    statistics = pd.read_parquet(patch_statistics_path).set_index("patch_id")
    features = statistics.drop(columns="split").astype(np.float32)
    train_ids = statistics.index[statistics["split"] == "train"]
    classes = next(iter(scored.values())).classes
    model = make_pipeline(StandardScaler(), RidgeCV(_ALPHAS))
    model.fit(features.loc[train_ids], _read_truth(index_path, train_ids, classes))
    macro_aps = {}
    for split, rows in scored.items():
        predicted = model.predict(features.loc[list(rows.patch_ids)])
        macro_aps[split] = compute_macro_ap(rows.truth, predicted.reshape(rows.truth.shape))  # flat for a single class
    return macro_aps


def _read_truth(index_path: Path, patch_ids: pd.Index, classes: tuple[str, ...]) -> np.ndarray:
    index = pq.read_table(index_path, columns=["patch_id", "labels"])
    place = pd.Index(index["patch_id"].to_pylist()).get_indexer(patch_ids)
    return encode_multi_hot(index["labels"].take(place), classes)
