"""Runs in MLflow: what is logged, and how it reaches the store."""

import os

import lazy_loader

# Before MLflow is imported anywhere: no network access unless the user asks for it.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# By default 7, four minutes in which nothing is said; `outage.patiently` waits beyond these two pauses of 2 and 4 s.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"runs": ["log_metrics", "start_run"], "store": ["open_store"]}
)
