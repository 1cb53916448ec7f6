"""Entry points: the command `landscribe`, `make repro`, and the check of all params together."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"overlay": ["write_merged"], "sections": ["SECTIONS", "check_params"]}
)
