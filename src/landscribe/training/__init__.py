"""Training: from batches to the weights of the best epoch, resumed after a kill."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainConfig"],
        "losses": ["MultiLabelLoss"],
        "recipe": ["fit_classifier"],
    },
)
