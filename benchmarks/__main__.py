"""`python -m benchmarks [case ...]`: run the cases, print their figures."""

import importlib
import sys
from collections.abc import Sequence

from benchmarks import Figure

CASES = (
    "conversion",
    "conversion_growth",
    "determinism",
    "discover_v1",
    "evaluate",
    "fingerprint",
    "index_v2",
    "losses",
    "map",
    "pipeline",
    "predict",
    "pruning",
    "published",
    "replay",
    "scene_reading",
    "serving",
    "split",
    "stem",
    "step",
    "ucmerced",
)


def main(arguments: Sequence[str]) -> int:
    """Run the named cases, all without a name; return 1 if a target was missed, 2 for a name that is no case."""
    unknown = [name for name in arguments if name not in CASES]
    if unknown:
        sys.stderr.write(f"error: expected cases out of {', '.join(CASES)}; received {', '.join(unknown)}\n")
        return 2
    missed = False
    for case in arguments or CASES:
        try:
            module = importlib.import_module(f"benchmarks.{case}")
        except ModuleNotFoundError as error:
            sys.stdout.write(f"{case}: cannot run: {error}\n")
            continue
        for figure in module.run():
            missed |= not is_met(figure)
            sys.stdout.write(f"{format_figure(figure)}\n")
            sys.stdout.flush()
    return int(missed)


def is_met(figure: Figure) -> bool:
    """Return whether the target is met."""
    if figure.target is None:
        return True
    return figure.value >= figure.target if _is_least(figure) else figure.value <= figure.target


def _is_least(figure: Figure) -> bool:
    """Return whether more is better: of a rate or a score it is, of everything else less."""
    return figure.unit.endswith(("/s", "macro AP"))


def format_figure(figure: Figure) -> str:
    """Return one line: the figure, its ratio to the reference, the target."""
    line = f"{figure.name}: {figure.value:,.6g} {figure.unit}, {figure.ratio:.3g} x the reference"
    line += f" ({figure.reference:,.6g} {figure.unit})"
    if figure.target is not None:
        bound = "at least" if _is_least(figure) else "at most"
        line += f"; target {bound} {figure.target:,.6g} {figure.unit}: {'met' if is_met(figure) else 'MISSED'}"
    return line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
