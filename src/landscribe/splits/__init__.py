"""The splits train, val and test: a function of the index and params, not of the order of files.

`strategies.make_splits` makes an `Assignment` by one of four strategies: `random`, `official` (the authors' lists),
`stratified` (each class keeps its share) and `spatial` (no neighbours across splits). All random choices are made by
`digest_order.rank_by_digest`: by salted digests of names, the same on every machine and with every library version.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "assignment": ["Assignment", "read_splits", "write_splits"],
        "config": ["SPLITS", "SplitConfig"],
        "leakage": ["Leakage", "audit"],
        "places": ["find_near"],
        "strategies": ["make_splits"],
    },
)
