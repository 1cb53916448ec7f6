"""Who is champion: a gate on the test score, an alias that moves, a log that lives in the registry."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from landscribe.errors import RegistryError
from landscribe.tracking.registry import CHALLENGER, CHAMPION, METRIC_TAG, TEST_TAG, read_alias, read_classes

_LOG_TAG = "landscribe.champions"


def promote(model_name: str, force_reason: str | None) -> str:
    """Make the challenger the champion and return a sentence that says so.

    The first challenger passes. Later ones must have a higher `test_macro_ap` on the same test records, unless
    forced with a reason; a champion with other classes is never replaced.

    Raises:
        RegistryError: there is no challenger, or it is refused.
    """
    challenger = read_alias(model_name, CHALLENGER)
    if challenger is None:
        raise RegistryError(f"registered model '{model_name}' has no challenger; train one with make repro.")
    champion = read_alias(model_name, CHAMPION)
    if champion is None:
        why = "first champion"
    else:
        if challenger.version == champion.version:
            raise RegistryError(f"version {champion.version} is the champion already; there is nothing to promote.")
        _check_classes(challenger, champion)
        refusal = _compare(challenger, champion)
        if refusal and not force_reason:
            raise RegistryError(f'{refusal} Refused; landscribe promote --force "REASON" overrides this.')
        why = f"forced: {force_reason}" if refusal else f"test_macro_ap above version {champion.version}"
    _move(model_name, [*_read_honest_log(model_name), _make_entry(challenger, why)])
    return f"version {challenger.version} of {model_name} is champion ({why}); test_macro_ap {_score(challenger):.4f}"


def rollback(model_name: str) -> str:
    """Make the previous champion the champion again and return a sentence that says so.

    Raises:
        RegistryError: there is no previous champion, or its version was deleted.
    """
    log = _read_honest_log(model_name)
    if len(log) < 2:
        raise RegistryError(f"registered model '{model_name}' has no previous champion to go back to.")
    *kept, current = log
    previous = kept[-1]["version"]
    try:
        MlflowClient().get_model_version(model_name, previous)
    except MlflowException as error:
        raise RegistryError(f"the previous champion, version {previous} of {model_name}, was deleted.") from error
    _move(model_name, kept)
    return f"version {previous} of {model_name} is champion again; version {current['version']} was rolled back"


def read_log(model_name: str) -> list[dict[str, Any]]:
    """Return the champions, oldest first: version, since, why, test_macro_ap."""
    try:
        tags: Mapping[str, str] = MlflowClient().get_registered_model(model_name).tags
    except MlflowException:
        return []
    log: list[dict[str, Any]] = json.loads(tags.get(_LOG_TAG, "[]"))
    return log


def _read_honest_log(model_name: str) -> list[dict[str, Any]]:
    """Return the log, with the present champion at its end even when its alias was moved by hand."""
    log, champion = read_log(model_name), read_alias(model_name, CHAMPION)
    if champion is None or (log and log[-1]["version"] == str(champion.version)):
        return log
    return [*log, _make_entry(champion, "alias moved by hand")]


def _check_classes(challenger: ModelVersion, champion: ModelVersion) -> None:
    ours, theirs = read_classes(challenger), read_classes(champion)
    if ours != theirs:
        raise RegistryError(
            f"the champion (version {champion.version}) has other classes: expected {'; '.join(theirs)}. The"
            f" challenger (version {challenger.version}) has {'; '.join(ours)}. Models of other classes need a name"
            " of their own: set register.model_name in params.yaml and run make repro again."
        )


def _compare(challenger: ModelVersion, champion: ModelVersion) -> str:
    """Return why the challenger may not replace the champion, or an empty string."""
    if challenger.tags.get(TEST_TAG) != champion.tags.get(TEST_TAG):
        return (
            f"version {challenger.version} and the champion, version {champion.version}, were scored on different"
            " test patches, so their test_macro_ap cannot be compared."
        )
    if not _score(challenger) > _score(champion):  # also when one of them has no score
        return (
            f"version {challenger.version} is not better: expected a test_macro_ap above {_score(champion):.4f}"
            f" (champion, version {champion.version}); received {_score(challenger):.4f}."
        )
    return ""


def _score(version: ModelVersion) -> float:
    return float(version.tags.get(METRIC_TAG, "nan"))


def _make_entry(version: ModelVersion, why: str) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"version": str(version.version), "since": now, "why": why, "test_macro_ap": _score(version)}


def _move(model_name: str, log: list[dict[str, Any]]) -> None:
    """Write the log, then the alias: a log that is ahead is put right by the next promotion."""
    client = MlflowClient()
    client.set_registered_model_tag(model_name, _LOG_TAG, json.dumps(log))
    client.set_registered_model_alias(model_name, CHAMPION, log[-1]["version"])
