"""The audit of leakage: how near test and val are to train, and other reasons why a score may be misleading.

A patch of 1.2 km looks like the patch next to it: a model that has seen the neighbour has half seen the patch. The
audit counts what a split shares with another: neighbours by an edge (4) or also by a corner (8), the same place twice,
patches that a pretrained backbone has seen. It names the classes that a split cannot score. See docs/leakage.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from landscribe.splits.config import SPLITS
from landscribe.splits.places import Pairs, find_near
from landscribe.splits.rectangles import explain_unlocated, has_coordinates, has_place

# One row of the table each: the split whose patches are counted, and the split of the neighbours.
SPLIT_PAIRS = (("test", "train"), ("val", "train"), ("test", "val"))
CONTACTS = ("4_neighbours", "8_neighbours", "same_place")  # the last is part of the first, the first of the second
DATES = ("same_date", "other_date", "any_date")
# Average precision is a mean over the positives: with fewer than ten, a single patch can change it by more than 0.1,
# which is more than the difference between good models.
MIN_SCORED_PATCHES = 10


@dataclass(frozen=True)
class Leakage:
    """The outcome of an audit.

    Attributes:
        table: one row for each of `SPLIT_PAIRS`: `split`, `against`, `num_patches` and `num_located` of `split`, then
            for each of `CONTACTS` and `DATES` `num_<contact>_<date>`, patches of `split` with such a neighbour in
            `against`, and `share_<contact>_<date>`, of the located ones. <NA> if either has no known place. Without
            coordinates also <NA> for what is unknown from cells of a granule: other dates, the same place.
        leak: share of the located val and test patches with an 8-neighbour in train, of any date; None if unknown.
        num_patches: split -> patches.
        num_located: split -> those whose place is known.
        num_seen: split -> patches named in `seen`, only val and test; None if no list was given.
        rare_classes: split -> class -> number of patches, if too few: none in train, fewer than `MIN_SCORED_PATCHES`
            in val and test. Empty splits are left out.
        warnings: what a reader of the scores must know, one sentence each.
    """

    table: pd.DataFrame
    leak: float | None
    num_patches: dict[str, int]
    num_located: dict[str, int]
    num_seen: dict[str, int] | None
    rare_classes: dict[str, dict[str, int]]
    warnings: list[str]

    def to_summary(self) -> dict[str, Any]:
        """Return values for JSON: shares against train as `<split>_<contact>_<date>`, None where unknown."""
        against_train = self.table[self.table["against"] == "train"].set_index("split")
        return {
            "leak": self.leak,
            "num_patches": self.num_patches,
            "num_located": self.num_located,
            "num_seen": self.num_seen,
            "rare_classes": self.rare_classes,
            **{
                f"{split}_{kind}": None if pd.isna(share := against_train.at[split, f"share_{kind}"]) else float(share)
                for split in against_train.index
                for kind in _list_kinds()
            },
        }


def audit(
    index: pd.DataFrame, splits: Mapping[str, str] | pd.Series, classes: Sequence[str] = (), seen: Collection[str] = ()
) -> Leakage:
    """Return what the splits share; patches in no split are not counted.

    Args:
        index: one row per patch: patch_id, labels, and what is known of places, dates and names in BigEarthNet v1.
        splits: patch_id -> split.
        classes: of the nomenclature, so that a class without a patch is reported as well; else those of the index.
        seen: names of patches that a pretrained backbone was trained on, as patch_id or v1_patch_id.
    """
    number = pd.Categorical(index["patch_id"].map(splits), SPLITS).codes
    classes = classes or sorted(index["labels"].explode().dropna().unique())
    index, number = index[number >= 0], number[number >= 0]
    num_patches, located = _count(number), _count(number[has_place(index)])
    table = _make_table(find_near(index), number, num_patches, located)
    beyond_granules = bool(has_coordinates(index).any())
    if not beyond_granules:
        table.loc[:, [f"{what}_{kind}" for kind in _UNSEEN_IN_CELLS for what in ("num", "share")]] = pd.NA
    leak = _compute_leak(table)
    num_seen = _count_seen(index, number, seen) if seen else None
    rare = _find_rare_classes(index, number, classes)
    warnings = [
        *(f"the split {split} is empty" for split in SPLITS if not num_patches[split]),
        *_warn_of_places(table, num_patches, located, beyond_granules, explain_unlocated(index)),
        *_warn_of_seen(num_seen, num_patches),
        *_warn_of_classes(rare),
    ]
    return Leakage(table, leak, num_patches, located, num_seen, rare, warnings)


def _list_kinds() -> list[str]:
    return [f"{contact}_{date}" for contact in CONTACTS for date in DATES]


# Unknown from the cells of a granule: another date is another granule, and so is the same place twice.
_UNSEEN_IN_CELLS = [kind for kind in _list_kinds() if "other_date" in kind or "same_place" in kind]


def _count(number: np.ndarray) -> dict[str, int]:
    """Return split -> rows of that number."""
    return dict(zip(SPLITS, np.bincount(number, minlength=len(SPLITS)).tolist(), strict=True))


def _make_table(
    pairs: Pairs, number: np.ndarray, num_patches: Mapping[str, int], located: Mapping[str, int]
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for split, against in SPLIT_PAIRS:
        row = {"split": split, "against": against, "num_patches": num_patches[split], "num_located": located[split]}
        counts = _count_neighbours(pairs, number, SPLITS.index(split), SPLITS.index(against))
        known = located[split] and located[against]
        for kind, count in counts.items():
            row[f"num_{kind}"] = count if known else pd.NA
            row[f"share_{kind}"] = count / located[split] if known else pd.NA
        rows.append(row)
    table = pd.DataFrame(rows)
    kinds = {"num": "Int64", "share": "Float64"}
    return table.astype({f"{what}_{kind}": dtype for what, dtype in kinds.items() for kind in _list_kinds()})


def _count_neighbours(pairs: Pairs, number: np.ndarray, split: int, against: int) -> dict[str, int]:
    """Return kind of neighbour -> number of patches of `split` that have one in `against`."""
    forth = (number[pairs.first] == split) & (number[pairs.second] == against)
    back = (number[pairs.second] == split) & (number[pairs.first] == against)
    rows = np.concatenate([pairs.first[forth], pairs.second[back]])
    edge, overlap, same_date = (
        np.concatenate([flag[forth], flag[back]]) for flag in (pairs.edge, pairs.overlap, pairs.same_date)
    )
    every = np.ones(len(rows), np.bool_)
    contacts = dict(zip(CONTACTS, (edge, every, overlap), strict=True))
    dates = dict(zip(DATES, (same_date, ~same_date, every), strict=True))
    return {
        f"{contact}_{date}": int(np.count_nonzero(np.bincount(rows[is_contact & is_date])))
        for contact, is_contact in contacts.items()
        for date, is_date in dates.items()
    }


def _compute_leak(table: pd.DataFrame) -> float | None:
    rows = table[(table["against"] == "train") & table["num_8_neighbours_any_date"].notna()]
    if rows.empty:
        return None
    return float(rows["num_8_neighbours_any_date"].sum() / rows["num_located"].sum())


def _count_seen(index: pd.DataFrame, number: np.ndarray, seen: Collection[str]) -> dict[str, int]:
    names = list(seen)
    columns = index.reindex(columns=["patch_id", "v1_patch_id"])
    counts = _count(number[columns.isin(names).any(axis=1)])
    return {split: counts[split] for split in ("val", "test")}


def _find_rare_classes(index: pd.DataFrame, number: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return split -> class -> number of patches, for classes with too few."""
    labels = pd.DataFrame({"split": np.array(SPLITS)[number], "label": index["labels"].to_numpy()}).explode("label")
    counts = labels.groupby(["label", "split"]).size().unstack(fill_value=0).reindex(list(classes), fill_value=0)
    least = {"train": 1, "val": MIN_SCORED_PATCHES, "test": MIN_SCORED_PATCHES}
    return {
        split: {str(name): int(count) for name, count in counts[split].items() if count < least[split]}
        for split in SPLITS
        if split in counts
    }


def _warn_of_places(
    table: pd.DataFrame, num_patches: Mapping[str, int], located: Mapping[str, int], beyond_granules: bool, why: str
) -> list[str]:
    if not any(located.values()):
        why = why or ", neither coordinates nor cells of a granule"
        return [f"no places are known{why}: whether splits touch stays unknown"]
    missing = sum(num_patches.values()) - sum(located.values())
    table = table.fillna(0)
    warnings = [
        *(
            f"{row.share_4_neighbours_any_date:.1%} of the {row.split} patches"
            f" ({row.num_4_neighbours_any_date:,} of {row.num_located:,}) share an edge with a train patch,"
            f" {row.share_8_neighbours_any_date:.1%} ({row.num_8_neighbours_any_date:,}) an edge or a corner: scores on"
            " them are optimistic about new places; split.strategy: spatial avoids it"
            for row in table[(table["against"] == "train") & (table["num_8_neighbours_any_date"] > 0)].itertuples()
        ),
        *(
            f"{row.num_same_place_any_date:,} of the {row.split} patches show ground that a {row.against} patch shows"
            " too: the same place twice"
            for row in table[table["num_same_place_any_date"] > 0].itertuples()
        ),
    ]
    if not beyond_granules:
        warnings.append("places are known only within granules: neighbours in other granules are not counted")
    if missing:
        warnings.append(f"{missing:,} patches have no known place{why}: they are not in the shares of neighbours")
    return warnings


def _warn_of_seen(num_seen: Mapping[str, int] | None, num_patches: Mapping[str, int]) -> list[str]:
    return [
        f"{number / num_patches[split]:.1%} of the {split} patches ({number:,} of {num_patches[split]:,}) are named in"
        " split.seen_lists: a backbone pretrained on these lists has seen them"
        for split, number in (num_seen or {}).items()
        if number
    ]


def _warn_of_classes(rare: Mapping[str, Mapping[str, int]]) -> list[str]:
    warnings = []
    for split, counts in rare.items():
        if missing := [name for name, count in counts.items() if not count]:
            warnings.append(f"{split} has no patch of: {'; '.join(missing)}")
        if few := [f"{name} ({count})" for name, count in counts.items() if count]:
            warnings.append(
                f"{split} has fewer than {MIN_SCORED_PATCHES} patches of: {'; '.join(few)}: too few to score reliably"
            )
    return warnings
