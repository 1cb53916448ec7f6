"""The search for hyper-parameters: a study of trials that several processes and hosts share. Optuna's only home."""
