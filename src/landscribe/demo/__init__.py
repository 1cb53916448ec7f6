"""A synthetic BigEarthNet v1 / MM archive in the real layout, to try the whole pipeline without a download.

    granules    where and when: tiles, cells, names, metadata
    terrain     shapes: smooth noise, parcels, winding lines
    layout      which CLC class lies where in a patch
    materials   spectra, backscatter and phenology
    covers      how each class looks from above
    sensor      what the satellites deliver
    geotiff     one band as a file
    writer      patches as folders

Every number is drawn at random; nothing was measured. A score on it shows that the pipeline works, and nothing more.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"config": ["DemoConfig"], "writer": ["write_demo_archive"]}
)
