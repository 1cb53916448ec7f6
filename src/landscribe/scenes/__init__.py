"""Scenes: which files a scene consists of, its grid, its offset, and how its pixels are read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "layouts": ["check_scene", "open_scene"],
        "scene": ["Scene", "SceneBand"],
    },
)
