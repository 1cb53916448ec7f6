"""Records: the TFRecord format of this project, read and checked without TensorFlow; statistics of its bands."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "reader": ["Record", "iter_split"],
        "schema": ["Manifest", "read_manifest"],
        "statistics": ["read_statistics"],
    },
)
