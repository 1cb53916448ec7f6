"""How every command and stage ends: an error that a user can act on becomes one sentence, never a traceback.

    0    done
    1    refused: a promotion or a rollback was decided against (`PromotionError`); the champion is unchanged
    2    anything else: wrong options, params or paths, a store that cannot be used; a defect, with its traceback
    130  interrupted

argparse exits with 2 as well.
"""

import atexit
import errno
import gc
import sys
import traceback
from collections.abc import Callable

from landscribe.core.errors import LandscribeError, PromotionError

REFUSED, FAILED, INTERRUPTED = 1, 2, 130

# A full disk, a folder that is not writable, a file in the place of a folder: errors that the user can fix.
_NO_PLACE = {
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOSPC,
    errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip


# Of new objects, between two collections of garbage. Python's 700 cost 2 s while TensorFlow and MLflow are imported:
# millions of objects, none of which is garbage.
_GC_THRESHOLD = 50_000


def run_or_exit(action: Callable[[], int | None]) -> None:
    """Run `action` and exit with the status that it returns, or with that of its error."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)  # at its end Python would look through all that TensorFlow made, which takes 2 s
    try:
        sys.exit(action() or 0)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run the same command again\n")
        sys.exit(INTERRUPTED)
    except Exception as error:
        sentence = explain(error)
        sys.stderr.write(f"error: {sentence}\n" if sentence else traceback.format_exc())
        sys.exit(REFUSED if isinstance(error, PromotionError) else FAILED)


def explain(error: Exception) -> str:
    """Return the sentence of an error that a user can act on; an empty one for a defect."""
    if isinstance(error, LandscribeError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NO_PLACE:
        return f"{error.filename or 'a file'} cannot be written or read: {error.strerror}"
    return ""
