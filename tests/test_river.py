"""The whole pipeline in a separate checkout, through the real `dvc repro`: what a user does, in the order of a day."""

import json
import math
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from landscribe.core.files import read_json
from tests.support.checkout import Checkout

# One story, one checkout, one worker: a second checkout costs a minute of every core, and this one is done before the
# other tests are.
pytestmark = pytest.mark.slow(350)

# Val has 18 patches: of the usual six, f1 and f2 may well take the same thresholds.
SMALL = (
    "demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials=2 search.epochs=1"
    " search.backbones=[SmallResNet] train.epochs=1 train.batch_size_patches=16"
)
PROMISED = {
    "test_macro_ap", "test_micro_ap", "test_macro_f1", "test_micro_f1", "test_sample_f1", "test_sample_f2",
    "test_macro_f1_at_half", "test_sample_f2_at_half", "test_macro_ap_prior", "test_num_patches",
    "test_num_classes_scored",
}  # fmt: skip

DRAWN = ("train/learning_curves.png", "score/best.png", "score/worst.png")  # by the stage draw
PICTURES = ("evaluate/precision_recall.png", "evaluate/average_precision.png", "evaluate/confusion.png")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout after its first `make repro`, committed."""
    made = Checkout(tmp_path_factory.mktemp("river"))
    text = made.repro(SMALL)
    assert "landscribe version 1 (alias challenger)" in text
    assert "Traceback" not in text
    assert "Warning" not in text
    made.commit("first run")
    return made


def test_metrics_are_flat_finite_and_complete(checkout: Checkout) -> None:
    metrics = checkout.read("metrics/test.json")
    assert set(metrics) >= PROMISED
    assert all(math.isfinite(value) for value in metrics.values())
    assert all(key.startswith("val_") for key in checkout.read("metrics/val.json"))


def test_scores_hold_every_test_patch_once_with_the_class_names(checkout: Checkout) -> None:
    table = pq.read_table(checkout.folder / "scores/test.parquet")
    splits = pd.read_parquet(checkout.folder / "data/splits.parquet")
    assert sorted(table["patch_id"].to_pylist()) == sorted(splits[splits["split"] == "test"]["patch_id"])
    classes = json.loads(table.schema.metadata[b"classes"])
    assert {len(row) for row in table["score"].to_pylist()} == {len(classes)} == {19}


def test_a_second_run_notices_the_archive_and_nothing_else(checkout: Checkout) -> None:
    before = checkout.run("git", "status", "--porcelain").stdout
    text = checkout.run("dvc", "repro").stdout
    assert [line for line in text.splitlines() if "Running" in line] == ["Running stage 'fingerprint':"]
    assert checkout.run("git", "status", "--porcelain").stdout == before


def test_promote_moves_the_alias_once_and_the_champion_labels_a_patch(checkout: Checkout) -> None:
    assert "version 1 of landscribe is champion" in checkout.run("landscribe", "promote").stdout
    refused = checkout.run("landscribe", "promote", check=False)
    assert refused.returncode == 1
    assert checkout.run("landscribe", "rollback", check=False).returncode == 1
    patch = next((checkout.folder / "data/demo/BigEarthNet-v1.0").iterdir())
    model = "models:/landscribe@champion"
    checkout.run("landscribe", "predict", str(patch), "--model", model, "--out", "labels.csv")
    table = pd.read_csv(checkout.folder / "labels.csv")
    assert table["patch_id"].tolist() == [patch.name]
    assert list(table.columns[-2:]) == ["labels", "warning"]
    assert table.shape == (1, 22)
    (checkout.folder / "labels.csv").unlink()


def test_a_lost_store_is_made_whole_by_the_next_run(checkout: Checkout) -> None:
    checkout.folder.joinpath("mlflow.db").unlink()
    shutil.rmtree(checkout.folder / "mlartifacts")
    text = checkout.repro()
    assert "landscribe version 1 (alias challenger)" in text
    client = mlflow.MlflowClient(f"sqlite:///{checkout.folder}/mlflow.db")
    version = client.get_model_version_by_alias("landscribe", "challenger")
    run = client.get_run(version.run_id)
    assert run.data.metrics["test_macro_ap"] == pytest.approx(checkout.read("metrics/test.json")["test_macro_ap"])
    assert "restored_from_run" in run.data.tags
    assert version.description.startswith("# SmallResNet on demo, BEN-19\n")
    check_complete(client, version.run_id, checkout)


def test_a_deleted_version_and_a_deleted_run_are_made_anew_by_the_next_run(checkout: Checkout) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{checkout.folder}/mlflow.db")
    lost = client.get_model_version_by_alias("landscribe", "challenger")
    client.delete_model_version("landscribe", lost.version)
    client.delete_run(lost.run_id)
    checkout.repro()
    version = client.get_model_version_by_alias("landscribe", "challenger")
    assert version.run_id != lost.run_id
    check_complete(client, version.run_id, checkout)
    client.delete_run(version.run_id)
    checkout.repro()
    found = client.search_runs([client.get_experiment_by_name("landscribe").experiment_id], "metrics.test_macro_ap > 0")
    assert len(found) == 1
    check_complete(client, found[0].info.run_id, checkout)


def test_results_pulled_from_a_remote_fill_an_empty_store(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    checkout.commit("with a remote")
    checkout.run("dvc", "push")
    clone = checkout.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    text = clone.repro()
    assert "stages.train" not in text
    assert clone.run("git", "status", "--porcelain").stdout == "M  dvc.lock\n"  # of register: this store's own ids
    client = mlflow.MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    version = client.get_model_version_by_alias("landscribe", "challenger")
    assert int(version.version) == 1
    check_complete(client, str(version.run_id), clone)


def check_complete(client: mlflow.MlflowClient, run_id: str, checkout: Checkout) -> None:
    """Check that a run has all that `make repro` left in the checkout's files, and that the search has its runs."""
    run, record = client.get_run(run_id), read_json(checkout.folder / "reports/train/run.json")
    assert run.info.status == "FINISHED"
    metrics = checkout.read("metrics/val.json") | checkout.read("metrics/test.json")
    assert run.data.metrics.items() >= metrics.items()
    assert {"loss", "val_loss", "learning_rate", "best_epoch", "best_val_macro_ap"} <= set(run.data.metrics)
    (search,) = client.search_runs([run.info.experiment_id], "attributes.run_name = 'search'")
    trials = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{search.info.run_id}'")
    assert sorted(trial.info.run_name for trial in trials) == ["trial-000", "trial-001"]
    assert {trial.info.status for trial in (search, *trials)} == {"FINISHED"}
    assert len(run.data.metrics) <= 60
    assert run.data.tags.items() >= record["tags"].items()
    assert run.data.params["train.epochs"] == str(record["params"]["train"]["epochs"])
    assert len(run.inputs.dataset_inputs) == 3
    shown = [*DRAWN, *PICTURES, "register/model_card.md", "train/history.csv"]
    assert not [name for name in shown if name not in list_artifacts(client, run_id)]


def list_artifacts(client: mlflow.MlflowClient, run_id: str) -> set[str]:
    """Return the files of a run's folders, as `folder/file`."""
    folders = [item.path for item in client.list_artifacts(run_id) if item.is_dir]
    return {item.path for folder in folders for item in client.list_artifacts(run_id, folder)}


def test_every_picture_is_among_the_plots(checkout: Checkout) -> None:
    plots = checkout.run("dvc", "plots", "show", "--json").stdout
    assert not [name for name in (*(f"draw/{name}" for name in DRAWN), *PICTURES) if f"reports/{name}" not in plots]


def test_an_experiment_aside_uses_the_same_store_and_archive(checkout: Checkout) -> None:
    checkout.commit("before the experiment")
    words = ["-S", "search.trials=0", "-S", "train.learning_rate=1e-4"]
    checkout.run("dvc", "exp", "run", "--temp", "-n", "aside", *words)
    client = mlflow.MlflowClient(f"sqlite:///{checkout.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("landscribe")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "params.`train.learning_rate` = '0.0001'")
    assert [run.info.run_name for run in runs] == ["train-SmallResNet"]
    assert checkout.run("git", "status", "--porcelain").stdout == ""


def test_going_back_to_values_seen_before_makes_the_old_version_challenger_again(checkout: Checkout) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{checkout.folder}/mlflow.db")
    seen = []
    for metric in ("f2", "f1", "f2"):
        checkout.repro(f"evaluate.threshold_metric={metric}")
        version = client.get_model_version_by_alias("landscribe", "challenger")
        run = client.get_run(str(version.run_id))
        seen.append((version.version, run.data.metrics["test_macro_f2"]))
        assert seen[-1][1] == checkout.read("metrics/test.json")["test_macro_f2"]
    assert seen[0] == seen[2]
    assert seen[0][0] != seen[1][0]


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        ("train.lerning_rate=1", "Did you mean 'learning_rate'"),
        ("train.epochs=0", "train.epochs"),
        ("archive.root=nowhere archive.layout=bigearthnet-v1 convert.bands=[B04] train.bands=[B04]", "does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_ends_the_run(checkout: Checkout, assignments: str, words: str) -> None:
    done = checkout.run("python", "-m", "landscribe.cli.repro", "--set", assignments, check=False)
    checkout.run("git", "checkout", "--quiet", "params.yaml")
    assert done.returncode != 0
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in done.stdout


def test_an_edited_list_splits_again(checkout: Checkout) -> None:
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
    checkout.run("git", "checkout", "--quiet", "params.yaml")


def test_tagged_images_go_the_same_way_and_keep_their_name(checkout: Checkout) -> None:
    write_tagged_images(checkout.folder / "images")
    checkout.run("landscribe", "promote")
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
