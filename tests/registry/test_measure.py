"""A champion of other test patches is scored again, in a process of its own, by a real network."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from landscribe.core.scores import Scores, write_scores
from landscribe.models.scoring import make_predict, predict_scores
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.registry.decision import Decision
from landscribe.registry.promotion import Terms, promote
from landscribe.registry.registration import Candidate, compute_test_digest, register
from landscribe.registry.versions import read_test_scores
from landscribe.tracking.registered import CHAMPION, read_alias
from landscribe.tracking.store import open_store
from tests.support.challengers import BOOTSTRAP, make_config
from tests.support.model_fixtures import TinyRecords, Trained

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.drill

NAME = "measured"


class Rivals:
    """A champion that was scored on other patches, and a challenger that labels the test records without a mistake."""

    def __init__(self, records: TinyRecords, trained: Trained, folder: Path) -> None:
        self._records, self._trained, self._folder = records, trained, folder
        experiment = open_store()
        self._run_id = MlflowClient().create_run(experiment).info.run_id
        batches = make_eval_dataset(records.manifest, records.folder, "test", list(trained.card.bands), 5)
        self.scores = Scores(
            *predict_scores(make_predict(trained.model), batches, records.manifest.num_records("test")),
            trained.card.classes,
        )
        self._register(self.scores, 0.3, "other records")
        self.promote()
        perfect = Scores(self.scores.patch_ids, self.scores.truth, self.scores.truth, self.scores.classes)
        self._register(perfect, 0.4, compute_test_digest(records.manifest))

    def _register(self, scores: Scores, threshold: float, test_digest: str) -> None:
        write_scores(scores, self._folder / "test.parquet")
        bands = self._trained.card.bands.items()
        candidate = Candidate(
            model_path=self._trained.path,
            card=self._trained.card,
            thresholds=np.full(len(scores.classes), threshold),
            metrics={"test_macro_ap": 0.5},
            test_digest=test_digest,
            example={name: np.zeros((1, band["size_px"], band["size_px"]), band["dtype"]) for name, band in bands},
            statistics=self._records.statistics,
            scores_path=self._folder / "test.parquet",
        )
        register(candidate, NAME, self._run_id)

    def promote(self, **changed: object) -> Decision:
        """Promote the challenger with the records at hand."""
        config = make_config(**changed)
        return promote(NAME, Terms(config=config, bootstrap=BOOTSTRAP, records_dir=self._records.folder))


@pytest.fixture(scope="module")
def rivals(store: Path, records: TinyRecords, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Rivals:
    """The rivals, the first of them champion."""
    return Rivals(records, trained, tmp_path_factory.mktemp("rivals"))


def test_the_champion_is_scored_again_and_its_scores_are_kept(
    rivals: Rivals, records: TinyRecords, capfd: pytest.CaptureFixture[str]
) -> None:
    decision = rivals.promote(max_latency_ms=1e-6)
    champion = read_alias(NAME, CHAMPION)
    assert champion is not None
    kept = read_test_scores(champion, compute_test_digest(records.manifest))
    assert kept is not None
    order = [kept.patch_ids.index(name) for name in rivals.scores.patch_ids]
    np.testing.assert_allclose(kept.scores[order], rivals.scores.scores, atol=1e-5)
    np.testing.assert_array_equal(kept.truth[order], rivals.scores.truth)
    rules = {rule.name: rule for rule in decision.rules}
    assert rules["test patches"].received.endswith("the champion was scored again")
    assert rules["test_macro_ap"].passed
    # Measured by the challenger itself, in another process: no call takes a nanosecond.
    assert rules["latency of a patch"].passed is False
    assert "expected at most 1e-06 ms (promote.max_latency_ms)" in decision.why
    assert "Traceback" not in capfd.readouterr().err
    again = {rule.name: rule for rule in rivals.promote().rules}
    assert not again["test patches"].received.endswith("again")
