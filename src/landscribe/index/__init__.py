"""The stage `discover`: from the archive's metadata to the index, one row per patch; labels made elsewhere."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"foreign": ["make_scores", "read_foreign"], "labels": ["build_index", "read_index", "write_index"]},
)
