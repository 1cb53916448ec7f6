"""Errors that a user can act on.

    LandscribeError
    ├── ParamsError (ValueError)        params.yaml, a recipe or SET is wrong
    ├── ArchiveError (ValueError)       the archive as a whole cannot be read
    ├── PatchError (ValueError)         one patch is bad; it is quarantined
    ├── NomenclatureError (ValueError)  a label or a class order does not fit
    ├── ForeignError (ValueError)       a file of foreign labels or scores does not fit
    ├── RecordsError (ValueError)       records or their manifest do not fit
    ├── TrainingError (RuntimeError)    training cannot start: empty split, no GPU, no weights
    ├── SearchError (RuntimeError)      a study cannot be reached, or a trial cannot be done
    ├── WorkerError (RuntimeError)      a worker process was killed
    ├── RegistryError (RuntimeError)    the MLflow store does not hold, or take, what was asked for
    │   └── StoreDownError              it does not answer; later it may
    └── PromotionError (RuntimeError)   a promotion or a rollback is refused

A message says what was expected, what was received and what to do. `run_or_exit` turns any of them into one
sentence on stderr and exit status 1.
"""

import difflib
import errno
import sys
from collections.abc import Callable, Iterable

from landscribe.orphans import end_with_dvc

# A full disk, a folder that may not be written to, a file in the place of a folder: the user's to mend.
_NO_PLACE = {
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOSPC,
    errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip
_MAX_NAME = 200  # longer than any class or key: comparing is quadratic


class LandscribeError(Exception):
    """Root of the errors that a user can act on."""


class ParamsError(LandscribeError, ValueError):
    """A value of `params.yaml`, of a recipe or of SET is missing, unknown or impossible."""


class ArchiveError(LandscribeError, ValueError):
    """The archive as a whole cannot be read."""


class PatchError(LandscribeError, ValueError):
    """One patch cannot be read; the caller quarantines it with this reason."""


class NomenclatureError(LandscribeError, ValueError):
    """A label is unknown, or two class orders differ."""


class ForeignError(LandscribeError, ValueError):
    """A file of foreign labels or scores cannot be taken in."""


class RecordsError(LandscribeError, ValueError):
    """Records and manifest are absent or do not fit what was asked for."""


class TrainingError(LandscribeError, RuntimeError):
    """Training or scoring cannot start."""


class SearchError(LandscribeError, RuntimeError):
    """A study cannot be reached, or one of its trials cannot be done."""


class WorkerError(LandscribeError, RuntimeError):
    """A worker process was ended from outside."""


class RegistryError(LandscribeError, RuntimeError):
    """The MLflow store does not hold, or does not take, what was asked for."""


class StoreDownError(RegistryError):
    """The MLflow store does not answer; the same call may succeed later."""


class PromotionError(LandscribeError, RuntimeError):
    """A promotion or a rollback is refused; nobody else is champion than before."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest known name, or an empty string."""
    if len(name) > _MAX_NAME:
        return ""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def run_or_exit(action: Callable[[], int | None]) -> None:
    """Run `action` and exit with its status; a `LandscribeError`, or a place not to write to, becomes one sentence.

    A stage ends with the `dvc` that started it.
    """
    end_with_dvc()
    try:
        sys.exit(action() or 0)
    except LandscribeError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        sys.stderr.write(f"error: {error.filename or 'a file'} cannot be written or read: {error.strerror}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run the same command again\n")
        sys.exit(130)
