"""A Dask cluster whose workers are ended: it starts them again for half a minute before it gives up."""

import os
import signal

import pytest

from landscribe.core.errors import WorkerError
from landscribe.runtime.pool import map_in_workers
from tests.runtime.test_cluster import address, workers

__all__ = ["address", "workers"]


def end_itself(number: int) -> None:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("address")
def test_a_task_that_ends_its_workers_ends_the_work_in_one_sentence() -> None:
    with pytest.raises(WorkerError, match="has ended several workers"):
        list(map_in_workers(end_itself, range(8)))
