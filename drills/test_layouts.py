"""Every layout from the archive to a challenger in the registry, through the real `dvc repro`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.checkout import Checkout
from tests.support.layouts import LAYOUTS

SMALL = "search.trials=0 train.epochs=1 train.batch_size_patches=8 discover.max_bad_fraction=0"


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_goes_to_the_registry(name: str, demo_root: Path, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout")
    words = LAYOUTS[name](demo_root, tmp_path / "archive")
    text = checkout.repro(f"{words} {SMALL}")
    assert "landscribe version 1 (alias challenger)" in text
    assert "Traceback" not in text
    assert checkout.read("metrics/test.json")["test_num_patches"] == len(
        pd.read_parquet(checkout.folder / "scores/test.parquet")
    )
    assert "Running stage 'discover'" not in checkout.run("dvc", "repro").stdout


def test_tagged_images_go_the_same_way_and_keep_their_name(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.repro(f"demo.num_patches=60 demo.num_tiles=2 {SMALL}")
    checkout.run("landscribe", "promote")
    write_tagged_images(checkout.folder / "images")
    lists = "split.files=[images/train.csv,images/val.csv,images/test.csv]"
    given = f"archive.root=images/jpg archive.labels_file=images/tags.csv {lists} convert.image_size_px=32"
    checkout.repro(f"{given} train.epochs=1 train.batch_size_patches=8", "--recipe", "recipes/ucmerced.yaml")
    refused = checkout.run("landscribe", "promote", check=False)
    assert refused.returncode == 1
    assert "register.model_name" in refused.stdout
    words = ["--model", "models:/landscribe@challenger", "--out", "labels.parquet"]
    checkout.run("landscribe", "predict", "images/jpg", *words)
    table = pd.read_parquet(checkout.folder / "labels.parquet")
    assert list(table.columns) == ["patch_id", "dark", "light", "striped", "labels", "warning"]
    assert len(table) == 40


def test_an_edited_list_splits_again(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.repro("demo.num_patches=60 demo.num_tiles=2", "--stage", "discover")
    index = pd.read_parquet(checkout.folder / "data/index.parquet")["patch_id"].tolist()
    lists = [checkout.folder / f"{split}.csv" for split in ("train", "val", "test")]
    for path, names in zip(lists, (index[:30], index[30:45], index[45:]), strict=True):
        path.write_text("\n".join(names))
    given = "split.strategy=official split.files=[train.csv,val.csv,test.csv]"
    checkout.repro(given, "--stage", "split")
    before = pd.read_parquet(checkout.folder / "data/splits.parquet")
    lists[1].write_text("\n".join(index[30:44]))
    checkout.repro("", "--stage", "split")
    after = pd.read_parquet(checkout.folder / "data/splits.parquet")
    assert len(after) == len(before) - 1


def write_tagged_images(folder: Path) -> None:
    """Write 40 JPEG images of three tags in several sizes, their CSV and their lists."""
    rng = np.random.default_rng(0)
    (folder / "jpg").mkdir(parents=True)
    rows, names = ["image_name,tags"], []
    for number in range(40):
        striped, light = number % 2, number % 4 > 1
        size = (32, 40)[number % 3 == 0]
        pixels = rng.integers(0, 40, (size, size, 3), np.uint8) + np.uint8(170 if light else 20)
        if striped:
            pixels[::4] += 30
        Image.fromarray(pixels).save(folder / "jpg" / f"image_{number}.jpg")
        names.append(f"image_{number}")
        rows.append(f"image_{number},{'light' if light else 'dark'}{' striped' if striped else ''}")
    (folder / "tags.csv").write_text("\n".join(rows) + "\n")
    for split, chosen in {"train": names[:24], "val": names[24:32], "test": names[32:]}.items():
        (folder / f"{split}.csv").write_text("\n".join(chosen) + "\n")
