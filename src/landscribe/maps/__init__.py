"""Maps: the labels of a whole scene, cell by cell, as files that a GIS opens."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["MapConfig"],
        "grid": ["Grid"],
        "request": ["MapRequest", "map_scene"],
    },
)
