"""Errors that a user can act on.

    LandscribeError
    ├── ParamsError (ValueError)        params.yaml, a recipe, SET or an option is wrong
    ├── ArchiveError (ValueError)       the archive as a whole cannot be read
    ├── PatchError (ValueError)         one patch is bad; it is quarantined
    ├── NomenclatureError (ValueError)  a label or a class order does not fit
    ├── ForeignError (ValueError)       a file of foreign labels or scores does not fit
    ├── RecordsError (ValueError)       records or their manifest do not fit
    ├── TrainingError (RuntimeError)    training cannot start: empty split, no GPU, no weights
    ├── SearchError (RuntimeError)      a study cannot be reached, or a trial cannot be done
    ├── WorkerError (RuntimeError)      a worker process was killed
    ├── LockHeldError (RuntimeError)    another process does the same work
    ├── RegistryError (RuntimeError)    the MLflow store does not have, or does not accept, what was requested
    │   └── StoreDownError              it does not answer; a later call may succeed
    └── PromotionError (RuntimeError)   a promotion or a rollback is refused

A message says what was expected, what was received and what to do. `runtime.entry.run_or_exit` turns any of them into
one sentence on stderr and an exit status: 1 for a `PromotionError`, 2 for the others.
"""

import difflib
from collections.abc import Iterable

_MAX_NAME = 200  # longer than any class or key: comparing is quadratic


class LandscribeError(Exception):
    """Root of the errors that a user can act on."""


class ParamsError(LandscribeError, ValueError):
    """A value of `params.yaml`, of a recipe, of SET or of an option is missing, unknown or impossible."""


class ArchiveError(LandscribeError, ValueError):
    """The archive as a whole cannot be read."""


class PatchError(LandscribeError, ValueError):
    """One patch cannot be read; the caller quarantines it with this reason."""


class NomenclatureError(LandscribeError, ValueError):
    """A label is unknown, or two class orders differ."""


class ForeignError(LandscribeError, ValueError):
    """A file of foreign labels or scores cannot be imported."""


class RecordsError(LandscribeError, ValueError):
    """Records and manifest are absent or do not match the request."""


class TrainingError(LandscribeError, RuntimeError):
    """Training or scoring cannot start."""


class SearchError(LandscribeError, RuntimeError):
    """A study cannot be reached, or one of its trials cannot be done."""


class WorkerError(LandscribeError, RuntimeError):
    """A worker process was ended from outside."""


class LockHeldError(LandscribeError, RuntimeError):
    """Another process holds the lock of this work."""


class RegistryError(LandscribeError, RuntimeError):
    """The MLflow store does not have, or does not accept, what was requested."""


class StoreDownError(RegistryError):
    """The MLflow store does not answer; the same call may succeed later."""


class PromotionError(LandscribeError, RuntimeError):
    """A promotion or a rollback is refused; the champion is unchanged."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest known name, or an empty string."""
    if len(name) > _MAX_NAME:
        return ""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
