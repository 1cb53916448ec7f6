"""The command `landscribe`: the tables that scripts rely on, exit statuses, one sentence for a mistake."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from mlflow import MlflowClient
from PIL import Image

from landscribe.cli import command
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.core.params import PARAMS_FILE
from landscribe.core.patch import S2_FOLDER
from landscribe.core.scores import read_scores
from landscribe.models.artifact import write_model
from landscribe.models.card import ModelCard
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.models.scoring import make_predict, predict_scores
from landscribe.pipeline.backend import keras
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.registry.registration import Candidate, register
from landscribe.tracking.store import open_store
from tests.support.model_fixtures import TinyRecords, Trained, make_percentiles, make_plain_environment
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]

COMMANDS = ("demo", "import", "search", "ablate", "predict", "promote", "rollback", "history")
COMMAND = Path(sys.executable).with_name("landscribe")
Run = Callable[..., int]
slow = pytest.mark.slow(40)  # needs a trained model, or serves one


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process and returns its exit status."""

    def call(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["landscribe", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            command.main()
        status = left.value.code
        assert isinstance(status, int)
        return status

    return call


def register_model(
    name: str, path: Path, card: ModelCard, example: dict[str, np.ndarray], statistics: Mapping[str, Any]
) -> None:
    """Register a model file under a name of its own."""
    experiment = open_store()
    run_id = MlflowClient().create_run(experiment).info.run_id
    candidate = Candidate(
        model_path=path,
        card=card,
        thresholds=np.full(len(card.classes), 0.3),
        metrics={"test_macro_ap": 0.5},
        test_digest="",
        example=example,
        statistics=statistics,
    )
    register(candidate, name, run_id)


@pytest.fixture(scope="module")
def patch_model(store: Path, trained: Trained, records: TinyRecords) -> str:
    """The URI of the trained classifier of patches."""
    example = {
        name: np.zeros((1, band["size_px"], band["size_px"]), band["dtype"])
        for name, band in trained.card.bands.items()
    }
    register_model("patches", trained.path, trained.card, example, records.statistics)
    return "models:/patches@challenger"


@pytest.fixture(scope="module")
def image_model(store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of an untrained classifier of images."""
    path = tmp_path_factory.mktemp("images") / "model.keras"
    bands = [BandInput(name, 32, "uint8", 120.0, 60.0) for name in "RGB"]
    spec = ClassifierSpec(bands=bands, num_classes=2, backbone="SmallResNet", dropout=0.0)
    keras.utils.set_random_seed(1)
    facts: dict[str, Any] = {
        "bands": {band.name: {"size_px": 32, "dtype": "uint8"} for band in bands},
        "classes": ("golf course", "sea"),
        "nomenclature": "discovered",
    }
    card = ModelCard(backbone="SmallResNet", resamples=True, **facts)
    write_model(build_classifier(spec), card, path)
    statistics = dict.fromkeys("RGB", make_percentiles(5, 250))
    register_model("images", path, card, {name: np.zeros((1, 32, 32), np.uint8) for name in "RGB"}, statistics)
    return "models:/images@challenger"


@pytest.mark.parametrize("command", [[COMMAND], [sys.executable, "-m", "landscribe.cli"]], ids=["command", "module"])
def test_the_command_lists_what_it_can_do(command: list[str]) -> None:
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: landscribe")
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_there(run: Run, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: landscribe {name}")


def test_the_command_starts_without_tensorflow_and_mlflow() -> None:
    code = "import sys, landscribe.cli.command; sys.exit(bool({'tensorflow', 'keras', 'mlflow'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, env=make_plain_environment())


@slow
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predict_gives_the_scores_of_the_model_in_the_promised_columns(
    run: Run,
    patch_model: str,
    trained: Trained,
    records: TinyRecords,
    demo_root: Path,
    tmp_path: Path,
    suffix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "made" / f"labels.{suffix}"
    twins = demo_root / "BigEarthNet-S1-v1.0"
    status = run("predict", demo_root / S2_FOLDER, "--model", patch_model, "--out", out, "--s1-root", twins)
    assert status == 0
    assert capsys.readouterr().out == f"60 patches labelled: {out}\n"
    table = pd.read_csv(out, keep_default_na=False) if suffix == "csv" else pd.read_parquet(out)
    assert tuple(table.columns) == ("patch_id", *trained.card.classes, "labels", "warning")
    batches = make_eval_dataset(records.manifest, records.folder, "test", trained.config.bands, 12)
    names, _, scores = predict_scores(make_predict(trained.model), batches, records.manifest.num_records("test"))

    chosen = table.set_index("patch_id").loc[list(names)]
    np.testing.assert_allclose(chosen[list(trained.card.classes)], scores, atol=1e-5)
    assert (table["warning"] == "").all()
    labels = [";".join(row[row >= 0.3].index) for _, row in chosen[list(trained.card.classes)].iterrows()]
    assert [text if suffix == "csv" else ";".join(text) for text in chosen["labels"]] == labels


@slow
def test_predict_labels_one_patch_folder(run: Run, patch_model: str, demo_root: Path, tmp_path: Path) -> None:
    folder = sorted((demo_root / S2_FOLDER).iterdir())[3]
    out = tmp_path / "labels.csv"
    twins = demo_root / "BigEarthNet-S1-v1.0"
    assert run("predict", folder, "--model", patch_model, "--out", out, "--s1-root", twins) == 0
    assert pd.read_csv(out)["patch_id"].tolist() == [folder.name]


@slow
def test_what_predict_says_of_new_products_works_as_it_stands(
    run: Run, patch_model: str, demo_root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The hint in `warning` is taken out of the table and given to the command."""
    for folder in sorted((demo_root / S2_FOLDER).iterdir())[:3]:
        for path in folder.glob("*_B*.tif"):
            with rasterio.open(path) as dataset:
                values, profile = dataset.read() + np.uint16(1000), dataset.profile
            (tmp_path / "new" / folder.name).mkdir(parents=True, exist_ok=True)
            with rasterio.open(tmp_path / "new" / folder.name / path.name, "w", **profile) as dataset:
                dataset.write(values)
        shutil.copytree(folder, tmp_path / "old" / folder.name)
    tables = {}
    hint: list[str] = []
    for name, words in (("old", []), ("new", []), ("new", hint)):
        given = [
            "--s1-root",
            demo_root / "BigEarthNet-S1-v1.0",
            "--model",
            patch_model,
            "--out",
            tmp_path / "labels.csv",
        ]
        assert run("predict", tmp_path / name, *given, *words) == 0
        tables[name] = pd.read_csv(tmp_path / "labels.csv", keep_default_na=False)
        if name == "new" and not hint:
            assert tables["new"]["warning"].str.endswith("; processing baseline 04.00? `--offset -1000`").all()
            hint += tables["new"]["warning"][0].split("`")[1].split()
    pd.testing.assert_frame_equal(tables["new"], tables["old"])
    assert "-1000 is added to the digital numbers of B05, B02\n" in capfd.readouterr().err


@slow
def test_predict_labels_images_and_says_which_it_cannot_read(image_model: str, store: Path, tmp_path: Path) -> None:
    for number, side_px in enumerate((32, 50)):
        Image.new("RGB", (side_px, side_px), (200, 100, 50 * number)).save(tmp_path / f"image{number}.jpg")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and nothing more")
    words = ["predict", str(tmp_path), "--model", image_model, "--out", "labels.csv"]
    done = subprocess.run(
        [COMMAND, *words], cwd=tmp_path, env=make_plain_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "labels.csv")
    assert tuple(table.columns) == ("patch_id", "golf course", "sea", "labels", "warning")
    assert table["patch_id"].tolist() == ["image0", "image1"]
    assert "warning: broken is left out: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_search_without_workers_is_refused(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("search", "--workers", 0) == 2
    assert capfd.readouterr().err == "error: --workers: expected a number from 1; received 0.\n"


@slow
@pytest.mark.parametrize("model", ["models:/never@champion", "models:/patches/99", "models:/patches@nobody", "nowhere"])
def test_an_unknown_model_is_one_sentence(
    run: Run, patch_model: str, demo_root: Path, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", demo_root / S2_FOLDER, "--model", model, "--out", tmp_path / "labels.csv") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: model {model} cannot be loaded: ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "labels.csv").exists()


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("PATH", "--out", "labels.txt"), "ends in .csv or .parquet"),
    (("PATH", "--out", "file/labels.csv"), "--out file/labels.csv: expected a file in a folder that can be written to"),
    (("PATH", "--out", "folder.csv"), "folder.csv is a folder"),
    (("absent", "--out", "labels.csv"), "absent does not exist"),
    (("folder.csv", "--out", "labels.csv"), "expected images, <patch>/<patch>_<band>.tif"),
    (("PATH", "--out", "labels.csv", "--s1-root", "~/absent"), "--s1-root HOME/absent: expected a folder"),
    (("PATH", "--out", "labels.csv", "--band-order", "B,G,b"), "expected B in this spelling; received 'b'"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG)
def test_what_predict_can_refuse_without_a_model_is_refused_before_tensorflow_is_imported(
    demo_root: Path, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    code = (
        "import sys\nfrom landscribe.cli.command import main\ntry:\n    main()\n"
        "finally:\n    assert not {'tensorflow', 'keras', 'mlflow'} & set(sys.modules)"
    )
    given = [str(demo_root / S2_FOLDER) if word == "PATH" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "--model", "nowhere", *given],
        cwd=tmp_path,
        env=make_plain_environment() | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: "), done.stderr
    assert sentence.replace("HOME", str(tmp_path)) in done.stderr
    assert done.stderr.count("\n") == 1


def test_readers_leave_the_store_and_its_repository_as_they_were(
    run: Run, store: Path, image_model: str, tmp_path: Path
) -> None:
    Image.new("RGB", (32, 32), "grey").save(tmp_path / "image.png")
    shutil.copy(ROOT / PARAMS_FILE, store)

    def look() -> dict[Path, tuple[int, int, int]]:
        found = {path: path.stat() for path in (store, *store.rglob("*"))}
        return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}

    before = look()
    assert run("history") == 0
    assert run("predict", tmp_path, "--model", image_model, "--out", tmp_path / "labels.csv") == 0
    assert look() == before


def test_demo_writes_an_archive_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert run("demo", tmp_path / "demo", "--num-patches", 50, "--num-tiles", 2, "--seed", 3) == 0
    assert len(list((tmp_path / "demo" / "BigEarthNet-v1.0").iterdir())) == 50
    assert run("demo", tmp_path / "demo") == 2
    assert "expected an absent or empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--num-patches", 0), "--num-patches: expected a number greater than or equal to 50; received 0"),
        (("--num-tiles", 13), "--num-tiles: expected a number less than or equal to 12; received 13"),
        (("--seed", -1), "--seed: expected a number greater than or equal to 0; received -1"),
        (
            ("--num-patches", 20_000, "--num-tiles", 1),
            "--num-tiles: expected at least 3 for 20000 patches, 8281 per tile; received 1",
        ),
    ],
)
def test_an_impossible_demo_archive_is_one_sentence_that_names_the_option(
    run: Run, tmp_path: Path, words: tuple[object, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("demo", tmp_path / "demo", *words) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert not list(tmp_path.iterdir())


def test_import_judges_foreign_scores_by_the_truth_of_an_index(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = list(NOMENCLATURES["BEN-19"]().classes)
    scores = pd.DataFrame(np.full((3, 19), 0.25), columns=sorted(classes))
    scores.insert(0, "patch_id", ["a", "b", "c"])
    scores.loc[:1, "Pastures"] = 1.0  # perfect: the class of a and b
    scores.to_csv(tmp_path / "scores.csv", index=False)
    labels = [["Pastures"], ["Pastures"], ["Marine waters"]]
    pd.DataFrame({"patch_id": ["a", "b", "c"], "labels": labels}).to_parquet(tmp_path / "index.parquet")
    out = tmp_path / "made" / "scores.parquet"
    words = ["import", tmp_path / "scores.csv", "--nomenclature", "BEN-19", "--truth", tmp_path / "index.parquet"]
    assert run(*words, "--order", "alphabetical", "--out", out) == 0
    said = capsys.readouterr().out
    assert said == f"3 patches, macro AP 0.667 over 2 of 19 classes, micro AP {2 / 3 + 1 / 3 * 3 / 57:.3f}: {out}\n"
    assert list(read_scores(out).classes) == classes
    assert run(*words, "--order", "clc", "--out", tmp_path / "other.parquet") == 2
    assert "--order clc: the classes differ" in capsys.readouterr().err
    assert run(*words, "--out", tmp_path / "other.csv") == 2
    assert "ends in .parquet" in capsys.readouterr().err
    assert not list(tmp_path.glob("other*"))


def test_import_makes_a_table_of_foreign_labels(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "foreign.csv").write_text("patch_id,labels\n007,231;523\n", encoding="utf-8")
    out = tmp_path / "labels.csv"
    assert run("import", tmp_path / "foreign.csv", "--nomenclature", "BEN-19", "--out", out) == 0
    assert capsys.readouterr().out == f"1 patches with labels of BEN-19: {out}\n"
    assert pd.read_csv(out, dtype=str).values.tolist() == [["007", "Pastures;Marine waters"]]
    assert run("import", tmp_path / "foreign.csv", "--nomenclature", "Planet-17", "--out", tmp_path / "other.csv") == 2
    assert "patch 007: label '231' is unknown to Planet-17" in capsys.readouterr().err
    assert not (tmp_path / "other.csv").exists()


@pytest.mark.parametrize(
    "words", [(), ("predict",), ("unknown",), ("promote", "--force"), ("import", "a.csv", "--order", "CLC")]
)
def test_words_that_make_no_command_exit_with_usage(
    run: Run, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    assert capsys.readouterr().err.startswith("usage: landscribe")
