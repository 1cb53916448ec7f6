"""A seeded order of names: the dice of every draw."""

from collections.abc import Iterable

from landscribe.core.files import compute_digest


def rank_by_digest(names: Iterable[str], seed: int, salt: str) -> list[str]:
    """Return the names in a seeded order that depends on the names alone: two names keep their order among others."""
    return sorted(names, key=lambda name: (compute_digest(salt, str(seed), name), name))
