"""The order of names is a function of names and seed alone."""

from landscribe.splits.digest_order import rank_by_digest

NAMES = [f"S2A_MSIL2A_20170613T101031_{number}_{number}" for number in range(12)]


def test_the_order_within_shards_never_changes() -> None:
    # The order of the records decides the batches of every training: another one is another model.
    ranked = rank_by_digest(NAMES, 20170613, "shard")
    assert [NAMES.index(name) for name in ranked] == [9, 2, 11, 1, 0, 7, 10, 8, 6, 4, 3, 5]


def test_the_rank_of_two_names_depends_on_them_alone() -> None:
    ranked = rank_by_digest(NAMES, 1, "split")
    assert sorted(ranked) == sorted(NAMES)
    some = set(NAMES[::3])
    assert rank_by_digest(some, 1, "split") == [name for name in ranked if name in some]
    assert rank_by_digest(NAMES, 1, "shard") != ranked
    assert rank_by_digest(NAMES, 2, "split") != ranked
