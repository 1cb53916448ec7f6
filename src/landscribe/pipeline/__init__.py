"""The input pipeline: records -> batches of raw digital numbers by band name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dataset": ["make_eval_dataset", "make_train_dataset"],
    },
)
