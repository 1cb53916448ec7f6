"""The stages: one script per verb, which connects files with packages. Each ends with the `dvc` that started it."""

from landscribe.runtime.parent import end_with_dvc

end_with_dvc()  # here, before a stage imports what takes seconds: `dvc` may be killed meanwhile
