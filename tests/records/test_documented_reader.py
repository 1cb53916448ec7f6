"""The reader that docs/records.md shows is run as it is written there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.records.reader import iter_split
from landscribe.records.schema import read_manifest
from tests.support.layouts import LAYOUTS
from tests.support.paths import ROOT
from tests.test_layouts import run_to_convert


@pytest.mark.drill
def test_plain_tf_data_reads_what_the_documentation_says(
    demo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_to_convert(tmp_path / "river", LAYOUTS["v1 pairs"](demo_root, tmp_path), monkeypatch)
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/records.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - our own page
    manifest = read_manifest(Path("data/records/manifest.json"))
    records = list(iter_split(manifest, Path("data/records"), "train"))
    batches = list(names["dataset"].as_numpy_iterator())
    assert set(batches[0]) == {"multi_hot", *(group.key for group in manifest.groups)}
    np.testing.assert_array_equal(
        np.concatenate([batch["multi_hot"] for batch in batches]), [record.multi_hot for record in records]
    )
    for group in manifest.groups:
        pixels = np.concatenate([batch[group.key] for batch in batches])
        expected = np.stack([[record.bands[band] for band in group.bands] for record in records])
        assert pixels.dtype == expected.dtype
        np.testing.assert_array_equal(pixels, expected)
