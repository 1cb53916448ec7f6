"""Reading archives: one reader a layout behind one protocol, and the only home of rasterio and Pillow."""
