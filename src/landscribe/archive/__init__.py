"""Reading archives: one reader per layout behind one protocol, and the home of rasterio and Pillow."""

import os

import lazy_loader

# Without it GDAL lists the folder at each open to look for side files: most of the time of a small read
# (https://github.com/rasterio/rasterio/issues/2213). Set for the process: entering a rasterio.Env costs as much again.
os.environ.setdefault("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bigearthnet_tfrecord": ["BigEarthNetTFRecord"],
        "bigearthnet_v1": ["BigEarthNetV1"],
        "bigearthnet_v2": ["BigEarthNetV2"],
        "config": ["ArchiveConfig"],
        "image": ["read_image"],
        "layouts": ["open_archive"],
        "protocol": ["Archive", "Listing"],
        "tagged_images": ["TaggedImages"],
    },
)
