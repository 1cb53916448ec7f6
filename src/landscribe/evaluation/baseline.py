"""What a model must beat: ridge regression on the mean and standard deviation of every stored band."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from landscribe.evaluation.average_precision import compute_macro_ap
from landscribe.labels import encode_multi_hot, read_index
from landscribe.scores import Scores

_ALPHAS = np.logspace(-2, 4, 7)  # chosen by leave-one-out on train, as `RidgeCV` does


def compute_ridge_macro_ap(index_path: Path, patch_statistics_path: Path, scored: Scores) -> float:
    """Return the macro average precision of a ridge regression, fitted on train, on the patches of `scored`.

    Args:
        index_path: the index: truth of the train patches.
        patch_statistics_path: patch_id, split, `<band>_mean` and `<band>_std` of every record.
        scored: patches and truth to judge it on.
    """
    statistics = pd.read_parquet(patch_statistics_path).set_index("patch_id")
    labels = read_index(index_path).set_index("patch_id")["labels"]
    train_ids = statistics.index[statistics["split"] == "train"]
    truth = encode_multi_hot([list(names) for names in labels.loc[train_ids]], scored.classes)
    features = statistics.drop(columns="split")
    model = make_pipeline(StandardScaler(), RidgeCV(_ALPHAS))
    model.fit(features.loc[train_ids], truth)
    predicted = model.predict(features.loc[list(scored.patch_ids)])
    return compute_macro_ap(scored.truth, predicted.reshape(scored.truth.shape))  # flat for a single class
