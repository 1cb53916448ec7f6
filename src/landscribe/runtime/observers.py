"""Observers: modules that no result depends on. They are declared here, once, each with its reason.

An observer watches, reports or schedules. Its code is left out of every code digest, and so is what is reached through
observers alone. A module that may change a number, a name or a byte of an output does not belong here.
"""

OBSERVERS: dict[str, str] = {
    "landscribe.core.errors": "classes of errors and their hints: a result that an error prevents is none",
    "landscribe.runtime.code_digest": "says which code matters; a change of its answers shows in the answers",
    "landscribe.runtime.cluster": "runs the tasks of the worker pool elsewhere; a test holds the bytes equal",
    "landscribe.runtime.entry": "turns an error into a sentence and an exit status",
    "landscribe.runtime.interrupts": "decides when Ctrl-C is raised",
    "landscribe.runtime.lock": "decides who waits for whom",
    "landscribe.runtime.observers": "this list; a change of it shows in the digests",
    "landscribe.runtime.parent": "ends a process with its parent",
    "landscribe.runtime.pool": "shares tasks out; their results and order do not depend on it, as tests hold",
    "landscribe.runtime.progress": "bars and lines for whoever waits",
    "landscribe.search.processes": "starts and counts the processes that do trials",
    "landscribe.search.study_locks": "keeps two processes from the same trial",
    "landscribe.tracking.answering": "sentences for what MLflow raises",
    "landscribe.tracking.outage": "waits for a store that does not answer",
    "landscribe.tracking.outbox": "delivers what a run logs",
    "landscribe.tracking.provenance": "tags that say what made a run",
    "landscribe.tracking.runs": "logs to MLflow what was computed elsewhere",
    "landscribe.tracking.store": "finds the MLflow store",
    "landscribe.tracking.studies": "logs a study to MLflow",
    "landscribe.tracking.system_metrics": "measures how busy the machine is",
    "landscribe.training.epoch_lines": "lines and bars of a training",
}
