"""The registry: versions, model cards, the served model, and the champion: gate, promotion, rollback."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "champions": ["read_log"],
        "promotion": ["Terms", "promote"],
        "registration": ["Candidate"],
        "served_version": ["open_served"],
        "versions": ["VersionFacts", "read_version_facts"],
    },
)
