"""The demo archive of params.yaml, written if it is absent."""

import shutil
from pathlib import Path

from landscribe.core.errors import ArchiveError
from landscribe.core.files import read_json
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import CONFIG_FILE, write_demo_archive
from landscribe.runtime.progress import make_logger


def ensure_demo_archive(config: DemoConfig, root: Path) -> None:
    """Write the synthetic archive if it is absent or was written with another section `demo`.

    Raises:
        ArchiveError: `root` contains something that this project did not write.
    """
    marker = root / CONFIG_FILE
    if marker.is_file():
        if read_json(marker) == config.model_dump():
            return
        # Renamed first: an interrupted removal must not leave a folder that looks like one of another project.
        stale = root.with_name(f".{root.name}-stale")
        shutil.rmtree(stale, ignore_errors=True)
        root.rename(stale)
        shutil.rmtree(stale)
    elif root.exists() and any(root.iterdir()):
        raise ArchiveError(
            f"archive.root {root}: expected an absent folder or a demo archive; it holds something else. Set"
            " archive.layout to the layout of these files, or archive.root to another folder."
        )
    make_logger("demo").info("demo: writing a synthetic archive of %d patches into %s", config.num_patches, root)
    write_demo_archive(config, root)
