"""A study shared by any number of processes and hosts: each trial belongs to one of them, and none is lost.

`search.trials` is a total. A trial under way counts, so that the total is never exceeded; one whose process ended
without an answer is marked as failed by the next process that checks, and its values are tried again.
"""

import contextlib
import uuid
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from landscribe.core.errors import SearchError
from landscribe.search.config import Pruning, SearchConfig
from landscribe.search.space import Space, Values
from landscribe.search.storage import find_url, open_locks, open_storage
from landscribe.search.study_locks import STUDY

ANSWERED = (TrialState.COMPLETE, TrialState.PRUNED)
_KEY, _VALUES, _WORKER, _RETRY_OF = "key", "values", "worker", "retry_of"  # user attributes


@dataclass(frozen=True)
class Trial:
    """A trial under way in this process.

    Attributes:
        number: from 0.
        values: what it varies.
    """

    number: int
    values: Values
    _trial: optuna.Trial

    @property
    def retry_of(self) -> tuple[int, ...]:
        """The lost trials with these values, the latest first; a try may be lost before it has a run."""
        trials = {trial.number: trial for trial in self._trial.study.get_trials(deepcopy=False)}
        numbers, attributes = list[int](), self._trial.user_attrs
        while (number := attributes.get(_RETRY_OF)) is not None:
            numbers.append(number)
            attributes = trials[number].user_attrs
        return tuple(numbers)

    def report(self, epoch: int, value: float) -> bool:
        """Store the value of an epoch, from 1; return whether the trial is to be pruned, or not this process's now."""
        try:
            self._trial.report(value, epoch)
        except UpdateFinishedTrialError:
            return True
        return self._trial.should_prune()

    def tell(self, state: str, value: float | None = None) -> str:
        """End the trial as COMPLETE with its value, or as PRUNED or FAIL; return the state that it has from now on."""
        ended = self._trial.study.tell(self.number, value, TrialState[state], skip_if_finished=True)
        return ended.state.name


class Study:
    """One study, made or found again.

    Args:
        name: of the study, the same on every host.
        config: section `search`.
        space: what trials vary.

    Raises:
        SearchError: `OPTUNA_STORAGE` is no address.
    """

    def __init__(self, name: str, config: SearchConfig, space: Space) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # a warning repeats the traceback of what is raised anyway
        self.name, self.config, self._space = name, config, space
        url = find_url()
        self._locks = open_locks(url, name)
        with self.lock():  # several processes that make the tables of one database at once break each other
            self._study = optuna.create_study(
                storage=open_storage(url),
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                pruner=_make_pruner(config.pruning),
            )
            if _KEY not in self._study.user_attrs:
                self._study.set_user_attr(_KEY, uuid.uuid4().hex)

    @property
    def key(self) -> str:
        """A key that, unlike the name, no other study has, not even in another database."""
        return str(self._study.user_attrs[_KEY])

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Wait until no other process changes the study as a whole."""
        return self._locks.hold(STUDY)

    @contextlib.contextmanager
    def claim(self, worker: str) -> Iterator[Trial | None]:
        """Yield the next trial, which is this process's until the block ends; None when no more are wanted now.

        A trial whose block raises has failed, and is not tried again automatically.

        Args:
            worker: name of this process.
        """
        with contextlib.ExitStack() as held:
            with self.lock():
                self._fail_lost()
                trial = self._draw(worker, held) if self.count_missing() > 0 else None
            try:
                yield trial
            except Exception:
                if trial:
                    trial.tell("FAIL")
                raise

    def _draw(self, worker: str, held: contextlib.ExitStack) -> Trial:
        """Return the next trial: one that was lost, else the next baseline, else what the sampler draws.

        The seed follows from the place among the trials that are answered or under way. A search that was killed so
        draws what an undisturbed one draws.
        """
        place = len(self._list(*ANSWERED, TrialState.RUNNING))
        if place < len(self._space.baselines) and not self._list(TrialState.WAITING):
            self._enqueue(self._space.baselines[place], {})
        self._study.sampler = optuna.samplers.TPESampler(seed=self.config.seed + place)
        trial = self._study.ask()
        held.enter_context(self._locks.hold(trial.number))
        trial.set_user_attr(_WORKER, worker)
        values = self._space.suggest(trial)
        trial.set_user_attr(_VALUES, values)
        return Trial(trial.number, values, trial)

    def _enqueue(self, values: Values, attributes: Mapping[str, object]) -> None:
        self._study.enqueue_trial(dict(values), user_attrs={_VALUES: dict(values), **attributes})

    def fail_lost(self) -> list[int]:
        """Fail the trials that were lost with their process, queue their values again, return their numbers."""
        with self.lock():
            return self._fail_lost()

    def _fail_lost(self) -> list[int]:
        free = {trial.number for trial in self._list(TrialState.RUNNING) if not self._locks.is_held(trial.number)}
        # Read again: it may have been answered between the reading of the trial and that of its lock.
        lost = [trial for trial in self._list(TrialState.RUNNING) if trial.number in free] if free else []
        queued = {trial.user_attrs.get(_RETRY_OF) for trial in self._list()} if lost else set()
        for trial in lost:
            values = trial.user_attrs.get(_VALUES)  # None: lost before they were drawn, they will be drawn again
            if values and trial.number not in queued:  # queued first: a kill may come between the two calls
                self._enqueue(values, {_RETRY_OF: trial.number})
            self._study.tell(trial.number, state=TrialState.FAIL)
        return [trial.number for trial in lost]

    def count_missing(self) -> int:
        """Return the number of trials to start now: all except those that are finished or running."""
        return self.config.trials - len(self._list(*ANSWERED, TrialState.RUNNING))

    def is_complete(self) -> bool:
        """Return whether `search.trials` are answered."""
        return len(self._list(*ANSWERED)) >= self.config.trials

    def find_trial(self, worker: str) -> FrozenTrial | None:
        """Return the last trial that a process of this name had."""
        trials = [trial for trial in self._list() if trial.user_attrs.get(_WORKER) == worker]
        return trials[-1] if trials else None

    def read_states(self) -> dict[int, str]:
        """Return the number of each trial -> WAITING, RUNNING, COMPLETE, PRUNED or FAIL."""
        return {trial.number: trial.state.name for trial in self._list()}

    def list_lost(self) -> set[int]:
        """Return the numbers of the trials that were lost with their process, and whose values are tried again."""
        return {trial.user_attrs[_RETRY_OF] for trial in self._list() if _RETRY_OF in trial.user_attrs}

    def list_running(self) -> set[int]:
        """Return the numbers of the trials that are under way, here or elsewhere, or lost."""
        return {trial.number for trial in self._list(TrialState.RUNNING)}

    def list_answered(self) -> list[FrozenTrial]:
        """Return the first `search.trials` that are complete or pruned: with fewer requested, fewer are returned.

        More where none of these is complete.
        """
        trials = self._list(*ANSWERED)
        first = next((n for n, trial in enumerate(trials) if trial.state == TrialState.COMPLETE), -1)
        return trials[: max(self.config.trials, first + 1)]

    def find_best(self) -> FrozenTrial:
        """Return the best complete trial of those answered; the first among equals.

        Raises:
            SearchError: none ended with a value above 0, which a trial that diverged has.
        """
        answered = self.list_answered()
        scored = [trial for trial in answered if trial.state == TrialState.COMPLETE and trial.value]
        if not scored:
            rates = self.config.learning_rate
            raise SearchError(
                f"no trial is the best: all {len(answered)} diverged (their scores are no numbers) or were pruned."
                f" Lower search.learning_rate in params.yaml, now {{low: {rates.low:g}, high: {rates.high:g}}}, and run"
                " the same command again."
            )
        return max(scored, key=lambda trial: (trial.value or 0.0, -trial.number))

    def compute_importances(self) -> dict[str, float]:
        """Return key -> importance, largest first, by PED-ANOVA.

        Watanabe, Bansal and Hutter, "PED-ANOVA", IJCAI 2023, arXiv:2304.10255.
        """
        seen = optuna.create_study(direction="maximize")
        seen.add_trials(self.list_answered())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few trials of a backbone: the report says of how many
            return optuna.importance.get_param_importances(seen)

    def _list(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states, or all trials if no state is given, by number."""
        return self._study.get_trials(deepcopy=False, states=states or None)


def _make_pruner(pruning: Pruning | None) -> optuna.pruners.BasePruner:
    if pruning is None:
        return optuna.pruners.NopPruner()
    # Optuna's warm-up ends with the step of that number; epochs count from 1.
    return optuna.pruners.MedianPruner(pruning.startup_trials, pruning.warmup_epochs + 1)


def read_best_value(trial: FrozenTrial) -> float:
    """Return the val macro average precision of the best epoch, of a pruned trial too; a diverged one has 0."""
    return float(trial.value or 0.0) if trial.state == TrialState.COMPLETE else max(trial.intermediate_values.values())


def read_values(trial: FrozenTrial) -> Mapping[str, object]:
    """Return what a trial varies, under dotted keys of the section `train`."""
    values: Mapping[str, object] = trial.user_attrs[_VALUES]
    return values
