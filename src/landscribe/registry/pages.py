"""The pages of MLflow that this project fills: its runs and its registered model, as links for `make ui`.

    python -m landscribe.registry.pages --port 5000

MLflow opens its pages for language models first, which have no entry for registered models; a link with `workflowType`
opens those for training, where the browser has not chosen yet and where it has.
"""

import argparse
from urllib.parse import quote

from mlflow import MlflowClient

from landscribe.core.params import PARAMS_FILE, find_repository, parse_section, read_params
from landscribe.registry.config import RegisterConfig
from landscribe.runtime.entry import run_or_exit
from landscribe.tracking.answering import expect_answer
from landscribe.tracking.outage import find_address
from landscribe.tracking.store import EXPERIMENT, open_store_to_read

_TRAINING = "?workflowType=machine_learning"  # routes and this word: MLflow 3.17, the scripts in mlflow/server/js/build


def main() -> None:
    """Print the links."""
    parser = argparse.ArgumentParser(description="Print the links of the runs and the registered model in MLflow.")
    parser.add_argument("--port", type=int, required=True, metavar="N", help="of MLflow's server on this machine")
    print("\n".join(make_links(parser.parse_args().port)))  # noqa: T201


def make_links(port: int) -> list[str]:
    """Return the lines with the links; at the server that MLFLOW_TRACKING_URI names, if it names one.

    Args:
        port: of the server that is started otherwise, on loopback.

    Raises:
        RegistryError: nothing is logged yet, or the store cannot be used.
    """
    open_store_to_read()
    name = parse_section(read_params(find_repository() / PARAMS_FILE), "register", RegisterConfig).model_name
    with expect_answer("the pages of MLflow are not known"):
        experiment = MlflowClient().get_experiment_by_name(EXPERIMENT)
        models = MlflowClient().search_registered_models(f"name = '{name}'")
    address = find_address()
    server = address.rstrip("/") if address.startswith("http") else f"http://127.0.0.1:{port}"
    runs = f"experiments/{experiment.experiment_id}/runs" if experiment else "experiments"
    registry = f"models/{quote(name, safe='')}" if models else "models"
    return [f"runs:      {server}/#/{runs}{_TRAINING}", f"registry:  {server}/#/{registry}{_TRAINING}"]


if __name__ == "__main__":
    run_or_exit(main)
