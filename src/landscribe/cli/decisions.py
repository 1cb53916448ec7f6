"""The commands `promote`, `rollback` and `history`: for people a text, with --json one JSON object on stdout."""

import argparse
import contextlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from landscribe.core.errors import PromotionError
from landscribe.core.params import PARAMS_FILE, find_repository, parse_section, read_params
from landscribe.evaluation.config import EvaluateConfig
from landscribe.registry.config import PromoteConfig, RegisterConfig
from landscribe.runtime.entry import explain


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command has to say.

    Attributes:
        text: for a terminal.
        record: the same for a program.
        refusal: the sentence of a challenger that is refused; "": it is not.
    """

    text: str
    record: Mapping[str, Any]
    refusal: str = ""


def run_promote(arguments: argparse.Namespace) -> None:
    """Promote the challenger of params.yaml, or say why not."""
    _answer(lambda: _promote(arguments.force), arguments.json)


def run_rollback(arguments: argparse.Namespace) -> None:
    """Make the previous champion the champion again."""
    _answer(_roll_back, arguments.json)


def run_history(arguments: argparse.Namespace) -> None:
    """List the champions."""
    _answer(_list_champions, arguments.json)


def _promote(force_reason: str | None) -> Answer:
    from landscribe.registry.decision import format_decision, make_outcome, make_record
    from landscribe.registry.promotion import Terms, promote

    root = find_repository()
    params = read_params(root / PARAMS_FILE)
    terms = Terms(
        config=parse_section(params, "promote", PromoteConfig),
        bootstrap=parse_section(params, "evaluate", EvaluateConfig).bootstrap,
        records_dir=root / "data/records",
        force_reason=force_reason,
    )
    decision = promote(_read_model_name(), terms)
    table, outcome, record = format_decision(decision), make_outcome(decision), make_record(decision)
    if decision.verdict == "refused":
        return Answer(text=table, record=record, refusal=outcome)
    return Answer(text=f"{table}\n{outcome}", record=record)


def _roll_back() -> Answer:
    from landscribe.registry.rollback import format_rollback, rollback

    name = _read_model_name()
    entry = rollback(name)
    record = {"model_name": name, "verdict": entry.kind, "entry": asdict(entry)}
    return Answer(text=format_rollback(name, entry), record=record)


def _list_champions() -> Answer:
    from landscribe.registry.champions import find_champion, read_log
    from landscribe.registry.history_table import format_history
    from landscribe.tracking.store import open_store_to_read

    open_store_to_read()
    name = _read_model_name()
    log = read_log(name)
    record = {"model_name": name, "champion": find_champion(log), "entries": [asdict(entry) for entry in log]}
    return Answer(text=format_history(name, log), record=record)


def _read_model_name() -> str:
    """Return the registered model of params.yaml: the command works from any folder of the repository."""
    return parse_section(read_params(find_repository() / PARAMS_FILE), "register", RegisterConfig).model_name


def _answer(decide: Callable[[], Answer], as_json: bool) -> None:
    """Print what was decided.

    Raises:
        PromotionError: it is a refusal.
    """
    answer = _print_json(decide) if as_json else decide()
    if not as_json:
        print(answer.text)  # noqa: T201
    if answer.refusal:
        raise PromotionError(answer.refusal)


def _print_json(decide: Callable[[], Answer]) -> Answer:
    """Print one object, also of an error; what is printed on the way there goes to stderr.

    Raises:
        Exception: whatever `decide` raises, after the object.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            answer = decide()
    except PromotionError as error:
        _write({"verdict": "refused", "reasons": [str(error)]})
        raise
    except Exception as error:
        _write({"error": explain(error) or f"{type(error).__name__}: {error}"})
        raise
    _write(answer.record)
    return answer


def _write(record: Mapping[str, Any]) -> None:
    print(json.dumps(_drop_nan(record), indent=2, ensure_ascii=False))  # noqa: T201


def _drop_nan(value: Any) -> Any:
    """Return a value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _drop_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_drop_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
