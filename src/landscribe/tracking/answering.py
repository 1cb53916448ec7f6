"""MLflow's failures as one sentence."""

import contextlib
from collections.abc import Iterator

from mlflow.exceptions import MlflowException

from landscribe.core.errors import RegistryError


@contextlib.contextmanager
def expect_answer(what: str) -> Iterator[None]:
    """Turn a failure of MLflow, or of its artifact store, into a `RegistryError`.

    Args:
        what: was to be done, e.g. "the log of champions cannot be read".
    """
    try:
        yield
    except (MlflowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RegistryError(f"{what}: {reason} Check that the MLflow store answers and try again.") from error
