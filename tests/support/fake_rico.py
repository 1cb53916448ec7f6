"""An LMDB as rico-hdl writes it, made from an archive in the layout of BigEarthNet v2."""

from collections.abc import Mapping
from pathlib import Path

import lmdb
import numpy as np
import rasterio
from safetensors.numpy import save

from tests.support.fake_v2 import ArchiveParts


def encode_entries(parts: ArchiveParts) -> dict[str, bytes]:
    """Return patch name -> its bands as the encoder writes them, both sensors."""
    folders = [folder for root in (parts.root, parts.s1_root) for folder in root.glob("*/*")]
    return {folder.name: save(_read_bands(folder)) for folder in folders}


def write_lmdb(folder: Path, entries: Mapping[str, bytes]) -> Path:
    """Write entries into a new LMDB; return its folder."""
    with lmdb.open(str(folder), map_size=1 << 30) as environment, environment.begin(write=True) as transaction:
        for name, content in entries.items():
            transaction.put(name.encode(), content)
    return folder


def _read_bands(folder: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in folder.iterdir():
        with rasterio.open(path) as dataset:
            found[path.stem.rpartition("_")[2]] = dataset.read(1)
    return found
