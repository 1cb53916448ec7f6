"""Inference: labels of new patches."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "patches": ["predict_path", "write_predictions"],
    },
)
