"""`make dashboard`: the studies in the browser, on this machine only; the address is not on the command line."""

import argparse

from landscribe.core.errors import SearchError
from landscribe.runtime.entry import run_or_exit
from landscribe.search.storage import explain_failures, find_url, open_storage


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    try:
        from optuna_dashboard import run_server
    except ModuleNotFoundError as error:
        raise SearchError("optuna-dashboard is not installed; install landscribe[dashboard].") from error
    with explain_failures():
        storage = open_storage(find_url())
        if not storage.get_all_studies():
            raise SearchError(f"{find_url()!r} holds no study yet; `make repro STAGE=search` begins one.")
        print(f"Optuna dashboard: http://127.0.0.1:{arguments.port}  (Ctrl-C ends it)")  # noqa: T201
        run_server(storage, host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    run_or_exit(main)
