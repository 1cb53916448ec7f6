"""Versions to judge: scores of a chosen quality, registered without a network. PYTEST_DONT_REWRITE."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from landscribe.core.average_precision import compute_macro_ap
from landscribe.core.scores import Scores, write_scores
from landscribe.evaluation.config import BootstrapConfig
from landscribe.registry.config import PromoteConfig
from landscribe.registry.decision import Decision
from landscribe.registry.promotion import Terms, promote
from landscribe.registry.registration import register
from landscribe.tracking.registered import CHAMPION, read_alias
from landscribe.tracking.store import open_store
from tests.support.model_fixtures import make_candidate

POSITIVES = {"forest": 30, "water": 15, "glacier": 3}
_NUM_PATCHES = 60
BOOTSTRAP = BootstrapConfig(draws=200, slice_draws=100, confidence=0.95, seed=3)


def make_config(**changed: Any) -> PromoteConfig:
    """Return the committed section `promote`, with some values changed."""
    values = {
        "metric": "test_macro_ap",
        "min_gain": 0.0,
        "confident": False,
        "class_tolerance": 0.2,
        "class_shrinkage_positives": 3.0,
        "max_latency_ms": None,
        "max_size_mb": None,
    }
    return PromoteConfig.model_validate(values | changed)


def draw_scores(quality: Mapping[str, float], test: str = "test", noise: int = 0) -> Scores:
    """Return scores of patches that each carry the classes of `POSITIVES` at random.

    Args:
        quality: class -> how far its scores follow the truth: 1 entirely, 0 not at all; in the order of the classes.
        test: name of the test split; another draws other patches.
        noise: seed of what the scores follow else; the same of two models makes them err alike.
    """
    rng = np.random.default_rng(sum(test.encode()))
    carried = {name: rng.permutation(_NUM_PATCHES) < count for name, count in POSITIVES.items()}
    random = dict(zip(POSITIVES, np.random.default_rng(noise).random((len(POSITIVES), _NUM_PATCHES)), strict=True))
    truth = np.stack([carried[name] for name in quality], axis=1).astype(np.float32)
    scores = np.stack([q * carried[name] + (1 - q) * random[name] for name, q in quality.items()], axis=1)
    return Scores(tuple(f"{test} {k}" for k in range(_NUM_PATCHES)), truth, scores.astype(np.float32), tuple(quality))


class Challenge:
    """Registers challengers of one model and promotes them."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._thresholds = itertools.count(1)
        experiment = open_store()  # before the client, which keeps the store that it finds
        self.run_id = MlflowClient().create_run(experiment).info.run_id

    def register(self, quality: Mapping[str, float] | float, test: str = "test", **changed: Any) -> str:
        """Register a challenger and return its version.

        Args:
            quality: as `draw_scores` takes it; a number: of every class.
            test: the test split.
            changed: attributes of the candidate, `bands` and `optional` of its card.
        """
        if not isinstance(quality, Mapping):
            quality = dict.fromkeys(POSITIVES, quality)
        scores = draw_scores(quality, test)
        (self._folder / "model.keras").write_bytes(b"weights")
        write_scores(scores, self._folder / "test.parquet")
        candidate = make_candidate(
            self._folder / "model.keras",
            compute_macro_ap(scores.truth, scores.scores),
            classes=scores.classes,
            test_digest=test,
            threshold=next(self._thresholds) / 1000,  # versions differ by them
        )
        card = replace(candidate.card, **{key: changed.pop(key) for key in ("bands", "optional") if key in changed})
        example = {
            name: np.zeros((1, band["size_px"], band["size_px"]), band["dtype"]) for name, band in card.bands.items()
        }
        values = {"card": card, "example": example, "scores_path": self._folder / "test.parquet", **changed}
        candidate = replace(candidate, **values)
        return str(register(candidate, self.name, self.run_id)["version"])

    def promote(self, force_reason: str | None = None, **changed: Any) -> Decision:
        """Promote the challenger by a section `promote` with some values changed."""
        records_dir = changed.pop("records_dir", self._folder / "records")
        config = make_config(**changed)
        terms = Terms(config=config, bootstrap=BOOTSTRAP, records_dir=records_dir, force_reason=force_reason)
        return promote(self.name, terms)

    def read_champion(self) -> str | None:
        """Return the version under the alias."""
        version = read_alias(self.name, CHAMPION)
        return str(version.version) if version else None

    def read_tags(self, version: str) -> dict[str, str]:
        """Return the tags of a version."""
        tags: dict[str, str] = MlflowClient().get_model_version(self.name, version).tags
        return tags


@pytest.fixture
def challenge(request: pytest.FixtureRequest, store: Path, tmp_path: Path) -> Challenge:
    """Challengers of a registered model of the test's own."""
    return Challenge(str(request.node.name).replace("[", " ").replace("]", ""), tmp_path)
