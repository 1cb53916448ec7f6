"""Models: raw digital numbers in, logits out; resampling and normalisation are layers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "artifact": ["read_model", "write_model"],
        "card": ["ModelCard", "read_card"],
        "classifier": ["ClassifierSpec", "build_classifier"],
        "scoring": ["predict_scores"],
    },
)
