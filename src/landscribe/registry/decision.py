"""A decision about a challenger, and its forms: tags, JSON, Markdown, a table for the terminal."""

from dataclasses import asdict, dataclass
from typing import Any

from landscribe.figures.tables import escape, format_table, make_markdown_table
from landscribe.registry.comparison import Comparison
from landscribe.registry.gate import Rule, find_refusals, format_gain

_NOT_COMPARED = "not compared"
_WORDS = {True: "passed", False: "failed", None: "not judged"}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A decision about a challenger, with its reasons.

    Attributes:
        model_name: the registered model.
        challenger: its version.
        champion: the champion's version; None: there is none.
        rules: those of the gate.
        comparison: None: there is no champion, or it could not be compared.
        test_macro_ap: that the challenger was registered with; None: none.
        force_reason: why the challenger should pass although it fails; "": not forced.
        when: ISO 8601, UTC; `by` user@host.
    """

    model_name: str
    challenger: str
    champion: str | None
    rules: tuple[Rule, ...]
    comparison: Comparison | None
    test_macro_ap: float | None
    force_reason: str
    when: str
    by: str

    @property
    def can_be_forced(self) -> bool:
        """Whether `--force` would let the challenger pass."""
        return not any(rule.is_final for rule in self.rules if rule.passed is False)

    @property
    def verdict(self) -> str:
        """`promoted`, `forced` or `refused`; a reason that was not needed is ignored."""
        if not find_refusals(self.rules):
            return "promoted"
        return "forced" if self.force_reason and self.can_be_forced else "refused"

    @property
    def metric(self) -> str:
        """Name of the metric of `score`."""
        return "test_macro_ap" if self.comparison is None else self.comparison.metric

    @property
    def score(self) -> float | None:
        """Score of the challenger: as compared, else as registered."""
        return self.test_macro_ap if self.comparison is None else self.comparison.challenger

    @property
    def why(self) -> str:
        """The reasons in one sentence."""
        if self.verdict == "forced":
            return f"forced: {self.force_reason}"
        if self.verdict == "refused":
            return f"version {self.challenger} of {self.model_name} is refused: {' '.join(find_refusals(self.rules))}"
        if self.champion is None or self.comparison is None:
            return "first champion"
        return f"{self.comparison.metric} above version {self.champion}"


def make_tags(decision: Decision) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tags of the challenger's version and those of the champion's."""
    comparison = decision.comparison
    gain = interval = _NOT_COMPARED
    if comparison is not None:
        gain = f"{comparison.gain.value:+.4f}"
        interval = f"{comparison.gain.low:+.4f} to {comparison.gain.high:+.4f} at {100 * comparison.confidence:g} %"
    shared = {"verdict": decision.verdict, "gain": gain, "interval": interval, "when": decision.when}
    own = shared | {
        "against": "nobody" if decision.champion is None else f"version {decision.champion}",
        "metric": decision.metric,
        "why": decision.why,
        "by": decision.by,
    }
    others = shared | {"by": f"version {decision.challenger}"}
    return {f"promotion.{key}": own[key] for key in own}, {f"challenged.{key}": others[key] for key in others}


def make_record(decision: Decision) -> dict[str, Any]:
    """Return the decision as values for JSON, every class included; `reasons` are those against it."""
    said = {"verdict": decision.verdict, "why": decision.why, "reasons": find_refusals(decision.rules)}
    return {**asdict(decision), **said}


def make_markdown(decision: Decision) -> str:
    """Return the decision as a page."""
    against = "no champion" if decision.champion is None else f"version {decision.champion}"
    rules = [(rule.name, rule.expected, rule.received, _WORDS[rule.passed]) for rule in decision.rules]
    lines = [
        f"# {escape(decision.model_name)}: version {decision.challenger} against {against}",
        "",
        f"**{decision.verdict}**: {escape(decision.why)}",
        "",
        f"{decision.when}, {escape(decision.by)}",
        "",
        *make_markdown_table(("rule", "expected", "received", "verdict"), [tuple(map(escape, row)) for row in rules]),
    ]
    if decision.comparison is not None:
        header = ("class", "test patches", "average precision of the champion", "of the challenger", "weighed fall")
        rows = [
            (
                escape(fall.name),
                f"{fall.num_positives:,}",
                f"{fall.champion:.3f}",
                f"{fall.challenger:.3f}",
                f"{fall.weighed:+.3f}",
            )
            for fall in decision.comparison.classes
        ]
        lines += ["", "## Classes", "", *make_markdown_table(header, rows)]
    return "\n".join(lines) + "\n"


def format_decision(decision: Decision) -> str:
    """Return the table for the terminal."""
    against = "; there is no champion" if decision.champion is None else f" against version {decision.champion}"
    compared = decision.comparison
    patches = "" if compared is None else f", {compared.num_patches:,} test patches"
    rows = [(rule.name, rule.expected, rule.received, _WORDS[rule.passed]) for rule in decision.rules]
    title = f"{decision.model_name} version {decision.challenger}{against}{patches}"
    return "\n".join([title, *format_table(("rule", "expected", "received", "verdict"), rows)])


def make_outcome(decision: Decision) -> str:
    """Return the final sentence: which version is champion now, or why the challenger is not."""
    if decision.verdict == "refused":
        remedy = ' landscribe promote --force "REASON" overrides this.' if decision.can_be_forced else ""
        return f"{decision.why}{remedy}"
    score = "" if decision.score is None else f"; {decision.metric} {decision.score:.4f}"
    gained = "" if decision.comparison is None else f", gain {format_gain(decision.comparison)}"
    return f"version {decision.challenger} of {decision.model_name} is champion ({decision.why}){score}{gained}"
