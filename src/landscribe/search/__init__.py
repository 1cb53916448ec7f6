"""The stage `search`: a study of trials that several processes and hosts share. The only home of Optuna."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"config": ["SearchConfig"], "optimize": ["search_best"]}
)
