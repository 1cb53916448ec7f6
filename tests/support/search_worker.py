"""A worker without a training: claims a trial as `landscribe.search.trial` does, and ends as its task says."""

import os
import signal
import sys
import time

from landscribe.core.errors import SearchError
from landscribe.runtime.entry import run_or_exit
from landscribe.search.processes import NO_TRIAL, name_worker, read_task
from tests.support.searches import open_study, score


def main() -> int:
    """Do one trial, or what the task says of its number."""
    task = read_task()
    study = open_study("shared", trials=task["trials"])
    with study.claim(name_worker(os.getpid())) as trial:
        if trial is None:
            return NO_TRIAL
        deed = task["deeds"].get(str(trial.number))
        if deed == "die" or task["deeds"].get("all") == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if deed == "fail":
            raise SearchError("no such luck")
        time.sleep(3600 if deed == "hang" else task["seconds"])
        trial.tell("COMPLETE", score(trial.values))
    return 0


if __name__ == "__main__":
    sys.argv[0] = "worker"
    run_or_exit(main)
