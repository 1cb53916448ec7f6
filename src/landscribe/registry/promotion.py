"""Promotion: the gate judges the challenger, the decision is recorded, then the alias moves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from landscribe.core.errors import ParamsError, PromotionError
from landscribe.evaluation.config import BootstrapConfig
from landscribe.registry import champions, gate
from landscribe.registry.comparison import Comparison, compare_on_test
from landscribe.registry.config import PromoteConfig
from landscribe.registry.contenders import Contender, find_scores, measure_latency_ms
from landscribe.registry.decision import Decision, make_markdown, make_record, make_tags
from landscribe.registry.decision_lock import hold_store
from landscribe.registry.registration import METRIC_TAG
from landscribe.registry.versions import log_texts, read_version_facts, write_tags
from landscribe.runtime.progress import make_logger
from landscribe.tracking import runs
from landscribe.tracking.registered import CHALLENGER, CHAMPION, read_alias

_MAX_REASON = 1000  # characters; an entry of the log has room for 5,000 in MLflow's database


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The terms of a promotion.

    Attributes:
        config: section `promote`.
        bootstrap: part `evaluate.bootstrap`, for the interval of the gain.
        records_dir: records to score a champion again on.
        force_reason: why the challenger should pass although it fails; None: not forced.
    """

    config: PromoteConfig
    bootstrap: BootstrapConfig
    records_dir: Path
    force_reason: str | None = None


def promote(model_name: str, terms: Terms) -> Decision:
    """Make the challenger the champion if it passes the gate, or is forced; record the decision in either case.

    Returns:
        The decision. If it is a refusal, only tags and artifacts were written.

    Raises:
        ParamsError: the reason is empty or too long.
        PromotionError: there is nothing to decide, or another host was faster.
        RegistryError: the registry does not answer, or a version is not a model of this project.
    """
    _check_reason(terms.force_reason)
    with hold_store():
        log = champions.note_moves_by_hand(model_name)
        found = read_alias(model_name, CHALLENGER)
        if found is None:
            raise PromotionError(f"registered model '{model_name}' has no challenger; train one with make repro.")
        challenger, found = Contender(found, read_version_facts(found)), read_alias(model_name, CHAMPION)
        champion = None if found is None else Contender(found, read_version_facts(found))
        if champion is not None and champion.number == challenger.number:
            raise PromotionError(f"version {champion.number} is the champion already; there is nothing to promote.")
        decision = _decide(challenger, champion, terms)
        champions.check_unchanged(model_name, log)  # they may have changed in the minutes of scoring
        _record(decision, challenger, champion)
        if decision.verdict != "refused":
            champions.append_entry(model_name, log, _make_entry(decision))
    return decision


def _check_reason(reason: str | None) -> None:
    if reason is not None and not reason.strip():
        raise ParamsError(
            '--force: expected a reason, e.g. --force "labels of the test split were wrong"; received none.'
        )
    if reason is not None and len(reason) > _MAX_REASON:
        raise ParamsError(
            f"--force: expected a reason of at most {_MAX_REASON:,} characters; received {len(reason):,}. Shorten it."
        )


def _decide(challenger: Contender, champion: Contender | None, terms: Terms) -> Decision:
    """Judge the cheap rules first, the slow ones only if they can still change the verdict or it is forced."""
    rules = [gate.judge_size(challenger.facts, terms.config)]
    comparison = None
    if champion is not None:
        sides = (champion.number, champion.facts), (challenger.number, challenger.facts)
        rules = [gate.judge_class_names(*sides), gate.judge_bands(champion.facts, challenger.facts), *rules]
        if _may_pass(rules, terms):
            comparison, more = _compare(challenger, champion, terms)
            rules += more
    latency_ms = None
    if terms.config.max_latency_ms is not None and _may_pass(rules, terms):
        latency_ms = measure_latency_ms(challenger)
    return Decision(
        model_name=challenger.version.name,
        challenger=challenger.number,
        champion=None if champion is None else champion.number,
        rules=(*rules, gate.judge_latency(latency_ms, terms.config)),
        comparison=comparison,
        test_macro_ap=_read_score(challenger),
        force_reason=terms.force_reason or "",
        when=champions.read_time(),
        by=champions.read_user(),
    )


def _may_pass(rules: Sequence[gate.Rule], terms: Terms) -> bool:
    failed = [rule for rule in rules if rule.passed is False]
    return not failed or (bool(terms.force_reason) and not any(rule.is_final for rule in failed))


def _compare(challenger: Contender, champion: Contender, terms: Terms) -> tuple[Comparison | None, list[gate.Rule]]:
    scores, rule = find_scores(champion, challenger, terms.records_dir)
    if scores is None:
        return None, [rule]
    sides = (scores[0], champion.facts), (scores[1], challenger.facts)
    config = terms.config
    comparison = compare_on_test(*sides, config.metric, config.class_shrinkage_positives, terms.bootstrap)
    return comparison, [rule, gate.judge_gain(comparison, config), gate.judge_classes(comparison, config)]


def _read_score(contender: Contender) -> float | None:
    """Return the `test_macro_ap` that the version was registered with."""
    text = contender.version.tags.get(METRIC_TAG)
    return None if text is None else float(text)


def _record(decision: Decision, challenger: Contender, champion: Contender | None) -> None:
    """Write the decision as artifacts of the challenger's run and as tags of both versions."""
    run_id = runs.find_run(challenger.version.run_id)
    if run_id is None:
        message = "warning: the run of version %s is gone; the decision is recorded in tags only"
        make_logger("promote").warning(message, challenger.number)
    else:
        folder = f"promotion/version_{challenger.number}"
        record = json.dumps(make_record(decision), indent=2, ensure_ascii=False) + "\n"
        log_texts(run_id, {f"{folder}/decision.json": record, f"{folder}/decision.md": make_markdown(decision)})
    own, others = make_tags(decision)
    write_tags(decision.model_name, challenger.number, own)
    if champion is not None:
        write_tags(decision.model_name, champion.number, others)


def _make_entry(decision: Decision) -> champions.LogEntry:
    entry = champions.LogEntry(
        version=decision.challenger,
        kind="forced" if decision.verdict == "forced" else "promoted",
        why=decision.why,
        metric=decision.metric,
        score=decision.score,
    )
    if decision.comparison is None:
        return entry
    gain = decision.comparison.gain
    return replace(entry, gain=gain.value, low=gain.low, high=gain.high)
