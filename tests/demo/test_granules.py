"""Places of the synthetic patches."""

import pandas as pd

from landscribe.demo.granules import CELLS_PER_SIDE, place_patch
from landscribe.splits.places import find_near
from tests.support.indices import make_index


def make_places(seed: int, num_patches: int, num_tiles: int) -> pd.DataFrame:
    """Return an index of the first patches, with their cells."""
    places = [place_patch(seed, number, num_tiles) for number in range(num_patches)]
    return make_index(
        patch_id=[place.patch_id for place in places],
        granule=[place.granule.tile for place in places],
        column=[place.column for place in places],
        row=[place.row for place in places],
    )


def test_every_cell_of_a_tile_is_taken_once() -> None:
    places = make_places(1, CELLS_PER_SIDE**2, 1)
    assert places["patch_id"].is_unique
    assert set(places["column"]) == set(places["row"]) == set(range(CELLS_PER_SIDE))


def test_nearly_every_patch_has_a_neighbour_and_patches_lie_all_over_the_tile() -> None:
    places = make_places(1, 600, 3)
    pairs = find_near(places)
    assert len({*pairs.first, *pairs.second}) > 0.9 * len(places)
    cells = places.groupby("granule")[["column", "row"]]
    assert (cells.max() - cells.min()).min(axis=None) > CELLS_PER_SIDE / 2
