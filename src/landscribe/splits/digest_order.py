"""A seeded order of names, used for all random choices of splits and shards."""

from collections.abc import Iterable

from landscribe.core.files import compute_digest


def rank_by_digest(names: Iterable[str], seed: int, salt: str) -> list[str]:
    """Return the names in a seeded order: the order of two names does not depend on the other names."""
    return sorted(names, key=lambda name: (compute_digest(salt, str(seed), name), name))
