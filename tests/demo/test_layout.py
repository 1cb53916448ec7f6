"""The land-cover maps are drawn so that a newcomer's first split can be scored."""

import numpy as np
import pytest

from landscribe.core.nomenclature import CLC_CODES, NOMENCLATURES
from landscribe.core.params import PARAMS_FILE, parse_section, read_params
from landscribe.core.tiles import PATCH_SIZE_M
from landscribe.demo.config import DemoConfig
from landscribe.demo.granules import place_patch
from landscribe.demo.layout import count_cover, make_layout
from landscribe.splits.config import SplitConfig
from landscribe.splits.leakage import audit
from landscribe.splits.strategies import make_splits
from tests.support.indices import make_index
from tests.support.paths import ROOT

_NAMES = {code: name for name, code in CLC_CODES.items()}


@pytest.mark.slow(6)
def test_the_split_of_params_yaml_has_no_leak_and_can_score_every_class_of_the_demo() -> None:
    params = read_params(ROOT / PARAMS_FILE)
    demo, split = parse_section(params, "demo", DemoConfig), parse_section(params, "split", SplitConfig)
    places = [place_patch(demo.seed, number, demo.num_tiles) for number in range(demo.num_patches)]
    layouts = [
        make_layout(np.random.default_rng([demo.seed, number]), place.granule.biome)
        for number, place in enumerate(places)
    ]
    ben_19 = NOMENCLATURES["BEN-19"]()
    found = [{ben_19.to_class(_NAMES[code]) for code in count_cover(layout.codes)} for layout in layouts]
    index = make_index(
        patch_id=[place.patch_id for place in places],
        epsg=[32600 + place.granule.zone for place in places],
        ulx_m=[place.left_m for place in places],
        uly_m=[place.top_m for place in places],
        size_m=[PATCH_SIZE_M] * len(places),
    ).assign(labels=[sorted(filter(None, classes)) for classes in found])
    assignment = make_splits(index, split)
    audited = audit(index, assignment.splits, ben_19.classes)
    assert split.strategy == "spatial"
    assert audited.leak == 0
    assert assignment.warnings + audited.warnings == []
