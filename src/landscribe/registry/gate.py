"""The rules that a challenger must pass: each with what it expects, what it received and whether it passed."""

from collections.abc import Sequence
from dataclasses import dataclass

from landscribe.registry.comparison import ClassFall, Comparison
from landscribe.registry.config import PromoteConfig
from landscribe.registry.versions import VersionFacts

_BYTES_PER_MB = 1_000_000
_MAX_CLASSES = 3  # of a sentence


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule and its result.

    Attributes:
        name: of the rule.
        expected: as text; `received` what was received.
        passed: None: not judged.
        refusal: the sentence of a rule that did not pass.
        is_final: `--force` cannot override it.
    """

    name: str
    expected: str
    received: str
    passed: bool | None
    refusal: str = ""
    is_final: bool = False


def judge_class_names(champion: tuple[str, VersionFacts], challenger: tuple[str, VersionFacts]) -> Rule:
    """Return whether both have the same classes, in any order; `--force` cannot override this rule.

    Args:
        champion: version and facts.
        challenger: the same of the challenger.
    """
    theirs, ours = champion[1].classes, challenger[1].classes
    passed = sorted(ours) == sorted(theirs)
    return Rule(
        name="classes",
        expected=f"the champion's {len(theirs)}" if passed else "; ".join(theirs),
        received="the same" if passed else "; ".join(ours),
        passed=passed,
        is_final=True,
        refusal=""
        if passed
        else f"the champion (version {champion[0]}) has other classes: expected {'; '.join(theirs)}. The challenger"
        f" (version {challenger[0]}) has {'; '.join(ours)}. Models of other classes need a name of their own: set"
        " register.model_name in params.yaml and run make repro again.",
    )


def judge_bands(champion: VersionFacts, challenger: VersionFacts) -> Rule:
    """Return whether callers of the champion can call the challenger in the same way."""
    theirs, ours = _describe_bands(champion), _describe_bands(challenger)
    needed = sorted(set(champion.optional) - set(challenger.optional))
    passed = sorted(ours) == sorted(theirs) and not needed
    expected = ", ".join(theirs)
    received = ", ".join(ours) + "".join(f"; never without {sensor}" for sensor in needed)
    return Rule(
        name="bands",
        expected=f"the champion's {len(theirs)}" if passed else expected,
        received="the same" if passed else received,
        passed=passed,
        refusal=""
        if passed
        else "callers of the champion could not call it, as it takes other bands: expected"
        f" {expected}; received {received}. Train with the champion's bands, or set another register.model_name.",
    )


def _describe_bands(facts: VersionFacts) -> list[str]:
    """Return the bands with their dtype and size, in the order of the model."""
    return [
        f"{name} {band['dtype']} {'any size' if facts.resamples else str(band['size_px']) + ' px'}"
        for name, band in facts.bands.items()
    ]


def judge_gain(comparison: Comparison, config: PromoteConfig) -> Rule:
    """Return whether the metric rises by more than `min_gain`; with `confident`, whether its whole interval does."""
    gain, metric = comparison.gain, comparison.metric
    enough = gain.value > config.min_gain
    passed = enough and (gain.low > config.min_gain or not config.confident)
    expected = f"a gain{', its interval included,' if config.confident else ''} above {config.min_gain:g}"
    received = f"{comparison.champion:.4f} to {comparison.challenger:.4f}: {format_gain(comparison)}"
    reason = "it is not better" if not enough else "it may be better by chance"
    return Rule(
        name=metric,
        expected=expected,
        received=received,
        passed=passed,
        refusal="" if passed else f"{reason}: {metric}: expected {expected}; received {received}.",
    )


def format_gain(comparison: Comparison) -> str:
    """Return the gain with its interval, e.g. `+0.0100 [+0.0021, +0.0180] at 95 %`."""
    gain = comparison.gain
    return f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] at {100 * comparison.confidence:g} %"


def judge_classes(comparison: Comparison, config: PromoteConfig) -> Rule:
    """Return whether no class falls by more than `class_tolerance`."""
    lost = [fall for fall in comparison.classes if fall.weighed > config.class_tolerance]
    expected = f"no fall in average precision above {config.class_tolerance:g}"
    received = _format_falls(lost or comparison.classes[:1])
    return Rule(
        name="each class",
        expected=expected,
        received=received,
        passed=not lost,
        refusal=f"it loses {len(lost)} of the classes: expected {expected}; received {received}." if lost else "",
    )


def _format_falls(falls: Sequence[ClassFall]) -> str:
    texts = [
        f"{fall.name}: {fall.champion:.3f} to {fall.challenger:.3f} on {fall.num_positives} test patches, weighs"
        f" {fall.weighed:.3f}"
        for fall in falls[:_MAX_CLASSES]
    ]
    return "; ".join(texts) + (f"; and {len(falls) - _MAX_CLASSES} more" if len(falls) > _MAX_CLASSES else "")


def judge_size(facts: VersionFacts, config: PromoteConfig) -> Rule:
    """Return whether the files of the model are within `max_size_mb`."""
    return _judge_limit("size", facts.size_bytes / _BYTES_PER_MB, config.max_size_mb, "MB", "promote.max_size_mb")


def judge_latency(latency_ms: float | None, config: PromoteConfig) -> Rule:
    """Return whether a call with one patch takes at most `max_latency_ms`; None: not measured."""
    return _judge_limit("latency of a patch", latency_ms, config.max_latency_ms, "ms", "promote.max_latency_ms")


def _judge_limit(name: str, value: float | None, limit: float | None, unit: str, key: str) -> Rule:
    received = "not measured" if value is None else f"{value:,.2f} {unit}"
    if limit is None or value is None:
        return Rule(name=name, expected="any" if limit is None else f"{limit:g} {unit}", received=received, passed=None)
    passed = value <= limit
    return Rule(
        name=name,
        expected=f"at most {limit:g} {unit}",
        received=received,
        passed=passed,
        refusal="" if passed else f"its {name} is {received}; expected at most {limit:g} {unit} ({key}).",
    )


def find_refusals(rules: Sequence[Rule]) -> list[str]:
    """Return the sentences of the rules that did not pass."""
    return [rule.refusal for rule in rules if rule.passed is False]
