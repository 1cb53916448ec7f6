"""MLflow's failures as one sentence."""

import contextlib
from collections.abc import Iterator

from landscribe.core.errors import LandscribeError, RegistryError

_REMEDY = "Check that the MLflow store answers and try again."


@contextlib.contextmanager
def expect_answer(what: str, remedy: str = _REMEDY) -> Iterator[None]:
    """Turn a failure of MLflow, of its database or of its artifact store into a `RegistryError`.

    Args:
        what: cannot be done, e.g. "the log of champions cannot be read".
        remedy: what to do.
    """
    try:
        yield
    except LandscribeError:
        raise
    except Exception as error:  # MLflow lets through whatever the driver of a database raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        end = "" if reason.endswith((".", "!", "?")) else "."
        raise RegistryError(f"{what}: {reason}{end} {remedy}") from error
