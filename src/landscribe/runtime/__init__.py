"""Processes: start and end, errors, progress, the worker pool, locks, and the digest of the code that runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "code_digest": ["compute_code_digest"],
        "lock": ["hold_lock"],
        "pool": ["map_in_workers", "start_workers"],
        "progress": ["track"],
    },
)
