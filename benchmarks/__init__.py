"""Figures of speed and size, each beside a reference measured in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: the case and what was measured.
        value: the figure.
        unit: of the value and of the reference, e.g. "s" or "patches/s".
        reference: the plain way to the same end, measured in the same run: machines differ, the ratio hardly.
        ratio: value / reference.
        target: what the project promises: a least rate or score, or a most of anything else; None: nothing.
    """

    name: str
    value: float
    unit: str
    reference: float
    ratio: float
    target: float | None
