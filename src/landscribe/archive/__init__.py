"""Reading archives: one reader a layout behind one protocol, and the only home of rasterio and Pillow."""

import os

# Without it GDAL lists the folder at each open to look for side files: most of the time of a small read
# (https://github.com/rasterio/rasterio/issues/2213). Set for the process: entering a rasterio.Env costs as much again.
os.environ.setdefault("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
