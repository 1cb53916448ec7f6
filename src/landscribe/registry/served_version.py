"""A registered version, ready to predict: what it takes is known at once, its network is loaded when it is first asked.

TensorFlow takes seconds to import. What is wrong with an input is said without it, and patches are read meanwhile.
"""

import contextlib
import functools
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import Model

from landscribe.tracking.answering import expect_answer
from landscribe.tracking.store import open_store_to_read


class ServedVersion:
    """The served model of a version, as `mlflow.pyfunc.load_model` returns it, but for when it is loaded.

    Args:
        uri: of the model, for errors.
        folder: its files.
    """

    def __init__(self, uri: str, folder: str) -> None:
        self._uri, self._folder, self._loading = uri, folder, threading.Lock()
        with _expect_model(uri):
            self.metadata = Model.load(folder)

    @functools.cached_property
    def _loaded(self) -> Any:
        import landscribe.pipeline.backend  # noqa: F401  # TensorFlow without its noise, before the model imports it

        with _expect_model(self._uri):
            return mlflow.pyfunc.load_model(self._folder)

    def predict(self, bands: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return the table of the served model for {band: [patch, row, column]}.

        Raises:
            RegistryError: the version cannot be loaded.
        """
        with self._loading:  # the property has no lock of its own from Python 3.12 on
            loaded = self._loaded
        table: pd.DataFrame = loaded.predict(bands)
        return table


@contextlib.contextmanager
def open_served(uri: str) -> Iterator[ServedVersion]:
    """Yield the served model of a URI such as `models:/landscribe@champion`.

    Raises:
        RegistryError: there is no such model.
    """
    open_store_to_read()
    # A copy: MLflow writes a file into the folder that it loads from, which may be that of the store.
    with tempfile.TemporaryDirectory() as folder:
        with _expect_model(uri):
            files = mlflow.artifacts.download_artifacts(uri, dst_path=folder)
        yield ServedVersion(uri, files)


def _expect_model(uri: str) -> contextlib.AbstractContextManager[None]:
    remedy = (
        "Expected e.g. models:/landscribe@champion (after make repro and landscribe promote), models:/landscribe/1 or a"
        " run's model."
    )
    return expect_answer(f"model {uri} cannot be loaded", remedy)
