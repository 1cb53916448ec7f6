"""params.yaml: strict sections, one clear sentence for a mistake."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from landscribe.archive.config import ArchiveConfig
from landscribe.cli.sections import SECTIONS, check_params
from landscribe.core.bands import BANDS, S1_BANDS, S2_BANDS
from landscribe.core.errors import ParamsError, TrainingError
from landscribe.core.params import (
    PARAMS_FILE,
    find_repository,
    find_scratch,
    flatten,
    nest,
    parse_section,
    read_params,
    resolve_path,
)
from landscribe.splits.config import SplitConfig
from tests.support.paths import ROOT

COMMITTED = read_params(ROOT / PARAMS_FILE)

# Where, an impossible value, and what the sentence must say.
IMPOSSIBLE: list[tuple[str, Any, str]] = [
    ("train.learning_rate", 0, "greater than 0; received 0"),
    ("train.learning_rate", "1e-5", "valid number; received '1e-5'"),
    ("train.learning_rate", None, "valid number; received None"),
    ("train.epochs", 1.5, "received 1.5"),
    ("train.epochs", True, "received True"),
    ("train.dropout", 1.0, "less than 1"),
    ("train.backbone", "ResNet", "received 'ResNet'"),
    ("train.optimizer", "adamw", "'AdamW'"),
    ("train.optimizer", "Adam", "weight_decay: decoupled decay is AdamW's"),
    ("train.modality_dropout", 0.2, "modality_dropout: expected bands of both sensors (S1 and S2)"),
    ("train.bands", [], "at least 1 item"),
    ("train.bands", ["B02", "B02"], "each band once"),
    ("train.augmentation.shift_fraction", 0.6, "less than or equal to 0.5"),
    ("train.augmentation.mixup_alpha", float("inf"), "finite"),
    ("train.freeze_epochs", -1, "0 or more, or all; received -1"),
    ("train.unfrozen_rate_factor", 0, "greater than 0"),
    ("train.freeze_batch_norm", 1, "received 1"),
    ("train.first_layer_rate_factor", 2.0, "less than or equal to 1"),
    ("train.seed", -1, "greater than or equal to 0"),
    ("discover.max_bad_fraction", 1.5, "less than or equal to 1"),
    ("convert.max_bad_fraction", -0.1, "greater than or equal to 0"),
    ("convert.image_size_px", 7, "greater than or equal to 8"),
    ("convert.shard_size_mb", 0, "greater than 0"),
    ("convert.bands", [], "one or more distinct bands"),
    ("convert.bands", ["B02", "B02"], "one or more distinct bands"),
    ("convert.bands", ["B10"], "received 'B10'"),
    ("convert.bands", ["b8a"], "received 'b8a'"),
    ("split.strategy", "by-tile", "'stratified' or 'spatial'"),
    ("split.strategy", "official", "layout demo has no split of its own"),
    ("split.spatial.buffer_cells", 0, "greater than or equal to 1"),
    ("split.spatial.val", ["33UUP"], "blocks have no names"),
    ("split.fractions", {"val": 0.5, "test": 0.5}, "must be below 1"),
    ("split.fractions.test", 1, "less than 1"),
    ("split.seed", "lucky", "received 'lucky'"),
    ("search.trials", -1, "greater than or equal to 0"),
    ("search.backbones", [], "at least 1 item"),
    ("search.learning_rate", {"low": 0.1, "high": 0.01}, "received low=0.1, high=0.01"),
    ("search.space", {"drop_out": [0.1]}, "Did you mean 'dropout'"),
    ("search.space", {"dropout": [0.1, 2.0]}, "less than 1"),
    ("search.space", [], "valid dictionary; received []"),
    ("search.pruning", {"startup_trials": 0, "warmup_epochs": 1}, "greater than or equal to 1"),
    ("archive.layout", "bigearthnet-v9", "received 'bigearthnet-v9'"),
    ("archive.tag_separator", ",", "tag_separator: only a table of tags has one"),
    ("archive.tag_separator", "/", "archive.tag_separator"),
    ("archive.s1_root", "radar", "s1_root: layout demo takes none"),
    ("archive.exclude", ["snow"], "'snow' needs the flags of BigEarthNet v2"),
    ("archive.root", 7, "valid string; received 7"),
    ("demo.num_patches", 49, "greater than or equal to 50"),
    ("evaluate.threshold_metric", "f3", "received 'f3'"),
    ("evaluate.min_precision", 0, "greater than 0; received 0"),
    ("evaluate.min_precision", 1.1, "less than or equal to 1"),
    ("evaluate.bootstrap.draws", 99, "greater than or equal to 100"),
    ("evaluate.bootstrap.slice_draws", 1000.0, "received 1000.0"),
    ("evaluate.bootstrap.confidence", 95, "less than 1"),
    ("promote.metric", "macro_ap", "'test_macro_ap'"),
    ("promote.metric", "val_macro_ap", "'test_macro_ap'"),
    ("promote.min_gain", -0.01, "greater than or equal to 0"),
    ("promote.confident", "yes", "received 'yes'"),
    ("promote.class_tolerance", 1.1, "less than or equal to 1"),
    ("promote.max_latency_ms", 0, "greater than 0"),
    ("promote.max_size_mb", "12", "received '12'"),
    ("evaluate.calibration_bins", 1, "greater than or equal to 2"),
    ("train.loss.name", "BCE", "'bce', 'weighted_bce', 'focal' or 'asymmetric'; received 'BCE'"),
    ("train.loss.weighted_bce.power", 1.5, "less than or equal to 1"),
    ("train.loss.focal.alpha", 0, "greater than 0"),
    ("train.loss.focal.alpha", 1, "less than 1"),
    ("train.loss.asymmetric.margin", 1.0, "less than 1"),
    ("train.label_smoothing", 1.0, "less than 1"),
    ("train.ema_momentum", 1.0, "less than 1"),
    ("train.norm_batches", 2.5, "received 2.5"),
    ("train.schedule", "linear", "'constant' or 'cosine'"),
    ("train.keep", "first", "'best' or 'last'"),
    ("machine.device", "cuda", "'auto', 'cpu' or 'gpu'"),
    ("train.mixed_precision", True, "'auto', 'on' or 'off'"),
    ("train.deterministic", "yes", "received 'yes'"),
    ("train.batch_size_patches", 0, "greater than or equal to 1"),
    ("train.early_stopping_epochs", None, "received None"),
]
_SEEDS = {"demo.seed", "split.seed", "convert.seed"}  # any whole number is a seed


def change(where: str, value: Any) -> dict[str, Any]:
    """Return the committed params with another value at `section.key[.key]`."""
    params = copy.deepcopy(COMMITTED)
    *parents, last = where.split(".")
    owner = params
    for key in parents:
        owner = owner[key]
    owner[last] = value
    return params


def rename(where: str, name: str | None) -> dict[str, Any]:
    """Return the committed params with the last key of `where` renamed, or taken out."""
    params = copy.deepcopy(COMMITTED)
    *parents, last = where.split(".")
    owner = params
    for key in parents:
        owner = owner[key]
    value = owner.pop(last)
    if name is not None:
        owner[name] = value
    return params


def iter_keys(params: dict[str, Any], parent: str = "") -> Iterator[str]:
    """Yield every key below the sections, with its section."""
    for key, value in params.items():
        where = f"{parent}.{key}".lstrip(".")
        if parent:
            yield where
        if isinstance(value, dict):
            yield from iter_keys(value, where)


def refuse(params: dict[str, Any]) -> str:
    """Return the sentence with which `params` are refused."""
    with pytest.raises(ParamsError) as caught:
        check_params(params)
    return str(caught.value)


def test_the_committed_params_are_valid() -> None:
    check_params(COMMITTED)


def test_sections_and_models_are_the_same_names() -> None:
    assert list(COMMITTED) == list(SECTIONS)


def iter_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a section model and the models inside it."""
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from iter_models(field.annotation)


@pytest.mark.parametrize("section", SECTIONS)
def test_section_models_are_strict_frozen_and_without_defaults(section: str) -> None:
    for model in iter_models(SECTIONS[section]):
        assert {key: model.model_config.get(key) for key in ("strict", "frozen", "extra")} == {
            "strict": True,
            "frozen": True,
            "extra": "forbid",
        }
        assert all(field.is_required() for field in model.model_fields.values())


@pytest.mark.parametrize("where", list(iter_keys(COMMITTED)))
def test_a_key_left_out_is_named(where: str) -> None:
    assert f"params.yaml: {where} is missing" in refuse(rename(where, None))


@pytest.mark.parametrize("where", list(iter_keys(COMMITTED)))
def test_a_misspelt_key_is_refused_with_the_right_one(where: str) -> None:
    key = where.rpartition(".")[2]
    sentence = refuse(rename(where, f"{key}_"))
    assert f"unknown key {where}_. Did you mean '{key}'?" in sentence


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_left_out_or_misspelt_is_named(section: str) -> None:
    assert f"section '{section}' is missing" in refuse(rename(section, None))
    assert f"unknown section '{section}s'. Did you mean '{section}'?" in refuse(rename(section, f"{section}s"))


@pytest.mark.parametrize(("where", "value", "words"), IMPOSSIBLE)
def test_an_impossible_value_is_refused_in_one_sentence(where: str, value: Any, words: str) -> None:
    sentence = refuse(change(where, value))
    assert words in sentence
    assert where.split(".")[0] in sentence
    assert "\n" not in sentence
    assert "pydantic" not in sentence


@pytest.mark.parametrize("where", list(iter_keys(COMMITTED)))
def test_a_value_of_no_kind_is_refused_under_the_name_of_its_key(where: str) -> None:
    """No key takes a set, and no number takes what is not one."""
    value: Any = COMMITTED
    for key in where.split("."):
        value = value[key]
    nonsense: list[Any] = [frozenset({1})]
    if isinstance(value, int | float) and not isinstance(value, bool):
        nonsense += [float("nan"), float("inf"), "1", True, None, [1], *([] if where in _SEEDS else [-1])]
    for wrong in nonsense:
        sentence = refuse(change(where, wrong))
        assert f"params.yaml: {where}" in sentence, sentence
        assert f"received {wrong!r}" in sentence, sentence
        assert "\n" not in sentence
        assert "Input" not in sentence


def test_every_mistake_is_told_at_once() -> None:
    params = change("train.epochs", 0)
    params["train"]["dropout"] = -1
    assert {"train.epochs", "train.dropout"} <= set(refuse(params).replace(":", "").split())


def test_the_bands_that_train_takes_must_be_stored() -> None:
    params = change("convert.bands", [name for name in S2_BANDS if name != "B08"])
    sentence = refuse(params)
    assert "train.bands: expected a subset of convert.bands" in sentence
    assert "received B08 besides" in sentence


def test_weights_that_are_not_there_are_refused() -> None:
    assert "received 'imagnet'" in refuse(change("train.weights", "imagnet"))
    with pytest.raises(TrainingError, match="does not exist"):
        check_params(change("train.weights", "absent.keras"))


def test_the_small_network_has_no_weights_in_keras() -> None:
    params = change("train.weights", "imagenet")
    params["search"] |= {"trials": 0, "backbones": ["SmallResNet"]}
    assert "SmallResNet" in refuse(params)
    params["train"]["backbone"] = "ResNet50"
    check_params(params)  # a search of no trials trains nothing
    params["search"]["trials"] = 1
    assert "search.backbones" in refuse(params)


@pytest.mark.parametrize("freeze_epochs", [3, "all"])
def test_random_features_are_not_frozen(freeze_epochs: Any) -> None:
    assert "freezes random features" in refuse(change("train.freeze_epochs", freeze_epochs))


def test_statistics_of_random_weights_are_not_frozen() -> None:
    assert "set train.weights" in refuse(change("train.freeze_batch_norm", True))


def test_a_head_is_not_fitted_to_random_features() -> None:
    assert "name train.weights" in refuse(change("train.probe_penalty", 0.5))


def test_no_more_resolutions_are_read_than_every_backbone_has() -> None:
    assert "less than or equal to 4" in refuse(change("train.head_scales", 5))


def test_each_layout_offers_its_own_bands() -> None:
    params = change("archive.layout", "bigearthnet-v1")
    assert "Set archive.s1_root" in refuse(params)
    params["archive"]["s1_root"] = "radar"
    params["convert"]["bands"] = [*S2_BANDS, *S1_BANDS]
    check_params(params)
    params["archive"] |= {"layout": "tagged-images", "s1_root": None, "labels_file": "tags.csv"}
    params["convert"]["bands"] = list(S2_BANDS)
    assert "expected bands out of R, G, B" in refuse(params)


def test_the_43_classes_of_v2_need_the_maps() -> None:
    params = change("archive.layout", "bigearthnet-v2")
    params["archive"] |= {"root": "S2", "s1_root": "S1", "labels_file": "metadata.parquet", "nomenclature": "CLC-43"}
    assert "set archive.maps_root" in refuse(params)
    params["archive"]["maps_root"] = "Reference_Maps"
    check_params(params)


def test_bands_are_those_of_level_2a_the_radar_and_images() -> None:
    assert len(S2_BANDS) == 12
    assert "B10" not in BANDS
    sizes = [band.size_px for band in S2_BANDS.values()]
    assert {size: sizes.count(size) for size in sizes} == {20: 2, 120: 4, 60: 6}
    assert {(band.size_px, band.dtype) for band in S1_BANDS.values()} == {(120, "float32")}
    assert [name for name, band in BANDS.items() if band.dtype is None] == ["R", "G", "B", "NIR"]


@pytest.mark.parametrize(("text", "number"), [("1e-5", 1e-5), ("1E3", 1000.0), ("1.0e-3", 1e-3), ("3", 3)])
def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path, text: str, number: float) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train:\n  learning_rate: {text}\n", encoding="utf-8")
    assert read_params(path) == {"train": {"learning_rate": number}}
    assert isinstance(read_params(path)["train"]["learning_rate"], type(number))


def test_yaml_1_2_words_are_strings(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a:\n  b: no\n  c: off\n", encoding="utf-8")
    assert read_params(path) == {"a": {"b": "no", "c": "off"}}


BROKEN: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "not YAML": lambda path: path.write_bytes(b"a: [1,"),
    "not UTF-8": lambda path: path.write_bytes(b"a:\n  b: \xff\n"),
    "a list": lambda path: path.write_bytes(b"- a\n- b\n"),
    "a section without keys": lambda path: path.write_bytes(b"train:\n"),
    "a key twice": lambda path: path.write_bytes(b"a:\n  b: 1\n  b: 2\n"),
    "an impossible date": lambda path: path.write_bytes(b"a:\n  b: 2017-13-45\n"),
    "a Python object": lambda path: path.write_bytes(b"a:\n  b: !!python/name:os.system\n"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "params.yaml"
    BROKEN[kind](path)
    with pytest.raises(ParamsError, match=r"params\.yaml: expected"):
        read_params(path)


def test_parse_section_gives_the_values_back() -> None:
    for name, model in SECTIONS.items():
        assert parse_section(COMMITTED, name, model).model_dump() == COMMITTED[name]


def test_flat_params_lose_nothing() -> None:
    params = {"train": {"learning_rate": 1e-5, "bands": ["B02"], "augmentation": {"dihedral": True}}}
    flat = {"train.learning_rate": 1e-5, "train.bands": ["B02"], "train.augmentation.dihedral": True}
    assert flatten(params) == flat
    assert nest(flat) == params
    assert flatten({"a": {}, "b": 1}) == {"b": 1}
    assert nest(flatten(COMMITTED["train"])) == COMMITTED["train"]


def test_relative_paths_start_from_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").touch()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert find_repository() == tmp_path
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "real"))  # inside `dvc exp run --temp`
    assert find_repository() == tmp_path / "real"
    assert find_scratch() == tmp_path / "real" / ".landscribe"


@pytest.mark.parametrize(
    ("name", "path"), [("~/a b", "HOME/a b"), ("a/~", "ROOT/a/~"), ("/x", "/x"), ("~nobody-9/x", "ROOT/~nobody-9/x")]
)
def test_paths_start_from_the_repository_or_from_home(monkeypatch: pytest.MonkeyPatch, name: str, path: str) -> None:
    monkeypatch.setenv("HOME", "/home/of/somebody")
    monkeypatch.setenv("DVC_ROOT", "/the/repository")
    assert str(resolve_path(name)) == path.replace("HOME", "/home/of/somebody").replace("ROOT", "/the/repository")


def test_every_path_of_a_section_may_start_from_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    mapping = tmp_path / "map.yaml"
    mapping.touch()
    names = {key: f"~/{key}" for key in ("root", "s1_root", "maps_root", "labels_file")}
    section = COMMITTED["archive"] | names
    section |= {"layout": "bigearthnet-v2", "exclude": ["~/exclude", "snow"], "nomenclature": "~/map.yaml"}
    archive = parse_section({"archive": section}, "archive", ArchiveConfig)
    found = [archive.root_path, archive.s1_root_path, archive.maps_root_path, *archive.extra_files]
    assert found == [tmp_path / name for name in ("root", "s1_root", "maps_root", "labels_file", "exclude", "map.yaml")]
    section = COMMITTED["split"] | {"strategy": "official", "files": ["~/a", "~/b", "~/c"], "seen_lists": ["~/d"]}
    split = parse_section({"split": section}, "split", SplitConfig)
    assert split.file_paths == [tmp_path / name for name in "abcd"]
