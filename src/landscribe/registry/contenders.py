"""The two sides of a promotion, and the champion's scores on the challenger's test patches."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscribe.core.errors import PromotionError, RecordsError
from landscribe.core.files import read_json
from landscribe.core.scores import Scores, read_scores
from landscribe.records.schema import read_manifest
from landscribe.registry.gate import Rule
from landscribe.registry.registration import TEST_TAG, compute_test_digest
from landscribe.registry.versions import VersionFacts, read_test_scores, write_test_scores

_STDERR = 2  # file descriptor


@dataclass(frozen=True)
class Contender:
    """A registered version and its facts."""

    version: Any  # mlflow's ModelVersion
    facts: VersionFacts

    @property
    def number(self) -> str:
        """Its number, as MLflow writes it."""
        return str(self.version.version)


def find_scores(
    champion: Contender, challenger: Contender, records_dir: Path
) -> tuple[tuple[Scores, Scores] | None, Rule]:
    """Return the scores of (champion, challenger) on the challenger's test patches, and the rule that requires them.

    If the champion does not have them, they are computed from the present records, and stored in the registry.

    Args:
        champion: the one in use.
        challenger: the candidate.
        records_dir: folder of the records and their manifest.
    """
    test_digest = challenger.version.tags.get(TEST_TAG, "")
    expected = "scores of both on the test patches of the challenger"
    ours = read_test_scores(challenger.version, test_digest)
    if ours is None:
        reason = f"version {challenger.number} was registered without its test scores; run make repro again"
        return None, _refuse(expected, reason)
    theirs = read_test_scores(champion.version, test_digest)
    received = f"both, {len(ours.patch_ids):,} patches"
    if theirs is None:
        try:
            theirs = _score_again(champion, challenger, test_digest, records_dir)
        except PromotionError as error:
            return None, _refuse(expected, str(error))
        received += "; the champion was scored again"
    return (theirs, ours), Rule(name="test patches", expected=expected, received=received, passed=True)


def _refuse(expected: str, reason: str) -> Rule:
    refusal = f"it cannot be compared with the champion: expected {expected}; {reason}."
    return Rule(name="test patches", expected=expected, received=reason, passed=False, refusal=refusal)


def _score_again(champion: Contender, challenger: Contender, test_digest: str, records_dir: Path) -> Scores:
    """Score the champion on the present test records and store the scores in the registry.

    Raises:
        PromotionError: these are not the records of the challenger, or the champion cannot be run on them.
    """
    whom = f"the champion, version {champion.number}, was scored on other test patches"
    try:
        manifest = read_manifest(records_dir / "manifest.json")
    except RecordsError as error:
        raise PromotionError(
            f"{whom}, and {records_dir} has none to score it again on; run this in the checkout that made version"
            f" {challenger.number}, after make repro"
        ) from error
    if compute_test_digest(manifest) != test_digest:
        raise PromotionError(
            f"{whom}, and those in {records_dir} are not the ones of version {challenger.number}; run make repro, so"
            " that records and challenger belong together"
        )
    missing = [name for name in champion.facts.bands if name not in manifest.bands]
    if missing:
        raise PromotionError(
            f"{whom}, and to score it again it needs the bands {', '.join(champion.facts.bands)}; the records have"
            f" {', '.join(manifest.bands)}. Add {', '.join(missing)} to convert.bands and run make repro"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.parquet"
        _measure(champion, path, "--records", str(records_dir))
        write_test_scores(champion.version, test_digest, path)
        return read_scores(path)


def measure_latency_ms(contender: Contender) -> float:
    """Return the median time of a call with one patch, in milliseconds, measured in a separate process.

    Raises:
        PromotionError: the version cannot be run.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "latency.json"
        _measure(contender, path)
        return float(read_json(path)["latency_ms"])


def _measure(contender: Contender, out: Path, *words: str) -> None:
    """Run `landscribe.registry.measure`; whatever it prints appears on stderr."""
    uri = f"models:/{contender.version.name}/{contender.number}"
    command = [sys.executable, "-m", "landscribe.registry.measure", uri, str(out), *words]
    if subprocess.run(command, stdout=_STDERR, check=False).returncode:
        raise PromotionError(f"version {contender.number} could not be run; see the reason above")
