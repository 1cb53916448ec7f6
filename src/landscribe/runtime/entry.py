"""Entry of a process: an error that a user can act on becomes one sentence and an exit status, never a traceback."""

import errno
import sys
from collections.abc import Callable

from landscribe.core.errors import LandscribeError

# A full disk, a folder that is not writable, a file in the place of a folder: errors that the user can fix.
_NO_PLACE = {
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOSPC,
    errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip


def run_or_exit(action: Callable[[], int | None]) -> None:
    """Run `action` and exit with its status; a `LandscribeError`, or a place not to write to, becomes one sentence."""
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
