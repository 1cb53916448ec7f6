"""Published archives as they are downloaded: a tar, compressed or in parts, read without extracting its files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"parts": ["Download", "find_download"], "unpacked": ["unpack", "unpack_all"]},
)
