"""MLflow's home: runs, registry, the log of champions."""

import os

# Before MLflow is imported anywhere: no network access unless the user asks for it.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# By default 7, four minutes in which nothing is said; `outage.patiently` waits beyond these two pauses of 2 and 4 s.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
