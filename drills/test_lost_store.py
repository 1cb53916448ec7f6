"""A store that has lost what DVC believes done: the next run makes it whole. Runs and versions of experiments aside."""

import shutil
from pathlib import Path

import mlflow
import pytest

from landscribe.core.files import read_json
from tests.support.checkout import Checkout
from tests.test_river import DRAWN, PICTURES, SMALL


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout after its first `make repro`, committed."""
    made = Checkout(tmp_path_factory.mktemp("river"))
    made.repro(SMALL.replace("search.trials=1", "search.trials=2"))
    made.commit("first run")
    return made


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
