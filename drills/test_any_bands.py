"""Rasters of any bands, with nodata, go from a folder to a registered model, which labels new files by name."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landscribe.cli.overlay import write_merged
from landscribe.core.files import read_json
from landscribe.core.params import read_params
from tests.support.fake_rasters import KINDS, SIZE_PX, Kind, draw_values, write_folder, write_raster
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = [
    pytest.mark.slow(150),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

STAGES = ("fingerprint", "discover", "split", "convert", "search", "train", "score", "draw", "evaluate", "register")
TINY = (
    "archive.layout=tagged-images archive.nomenclature=discovered convert.image_size_px=16 search.trials=0"
    " split.strategy=random"
    " split.fractions.val=0.25 split.fractions.test=0.25 train.epochs=1 train.batch_size_patches=4"
    " train.deterministic=false train.warmup_epochs=0 train.norm_batches=0 train.shuffle_buffer_patches=8"
    " evaluate.bootstrap.draws=100 evaluate.bootstrap.slice_draws=100"
)


def run_river(folder: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all stages on images with declared nodata, in this process."""
    images, labels_file = write_folder(folder, kind, num_images=24, nodata=np.nan if kind.dtype == "float32" else 0)
    values = draw_values(kind, 0)
    values[:, :4] = np.nan if kind.dtype == "float32" else 0
    write_raster(images / "patch_0.tif", values, nodata=np.nan if kind.dtype == "float32" else 0)
    shutil.copy(ROOT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    paths = f"archive.root={images} archive.labels_file={labels_file}"
    write_merged(None, f"{TINY} {paths} {kind.words}", folder / "params.yaml")
    for stage in STAGES:
        importlib.import_module(f"stages.{stage}").main()


@pytest.mark.parametrize("name", ["EuroSAT-MS", "UAV", "radar", "16 bit"])
def test_any_bands_go_from_folder_to_registered_model_and_through_predict(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from landscribe.inference.patches import predict_path
    from landscribe.registry.served_version import open_served

    kind = KINDS[name]
    run_river(tmp_path, kind, monkeypatch)
    assert read_params(Path("params.yaml"))["train"]["bands"] == list(kind.bands)
    assert read_json(Path("reports/convert/summary.json"))["nodata"]["num_patches"] == 1
    version = read_json(Path("reports/register/registration.json"))["version"]
    files, tables = tmp_path / "new", []
    for fill in (0, 77):
        for number in range(4):
            places = np.random.default_rng(number + fill).permutation(len(kind.bands))
            values = draw_values(kind, 100 + number, SIZE_PX)
            values[:, :, :3] = np.array(fill, kind.dtype)
            path = files / f"{number}.tif"
            path.parent.mkdir(exist_ok=True)
            write_raster(path, values[places], [kind.bands[place] for place in places], nodata=fill)
        with open_served(f"models:/landscribe/{version}") as served:
            tables.append(predict_path(files, served, None))
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["patch_id"].tolist() == ["0", "1", "2", "3"]
    assert np.isfinite(tables[0][["bright", "dark"]].to_numpy()).all()
