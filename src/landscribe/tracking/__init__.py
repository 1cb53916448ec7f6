"""MLflow's home: runs, registry, the log of champions."""

import os

# Before MLflow is imported anywhere: no network access unless the user asks for it.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
