"""The stage `convert`: from the archive to sharded records, resumed after a kill. Workers never import TensorFlow."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"config": ["ConvertConfig"], "converter": ["Conversion", "ConversionSource", "convert"]}
)
