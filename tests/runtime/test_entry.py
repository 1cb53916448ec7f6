"""How a process ends: 0 done, 1 refused, 2 anything else, 130 interrupted; a sentence, or the traceback of a defect."""

import pytest

from landscribe.core import errors
from landscribe.runtime.entry import run_or_exit

FIXABLE = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.LandscribeError) and kind is not errors.PromotionError
]
ENDS: list[tuple[BaseException, int, str]] = [
    *((kind("expected a, received b"), 2, "error: expected a, received b\n") for kind in FIXABLE),
    (errors.PromotionError("it is not better"), 1, "error: it is not better\n"),
    (OSError(28, "No space left on device", "/a"), 2, "error: /a cannot be written or read: No space left on device\n"),
    (KeyboardInterrupt(), 130, "interrupted; run the same command again\n"),
]


@pytest.mark.parametrize(("error", "status", "said"), ENDS, ids=lambda value: getattr(type(value), "__name__", ""))
def test_an_error_that_a_user_can_act_on_is_one_sentence_and_its_status(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as left:
        run_or_exit(fail)
    assert (left.value.code, capsys.readouterr().err) == (status, said)


def test_a_defect_has_a_traceback_and_is_not_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_or_exit(lambda: 1 // 0)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("ZeroDivisionError: integer division or modulo by zero\n")


@pytest.mark.parametrize("status", [None, 0, 3])
def test_an_action_may_choose_its_status(status: int | None) -> None:
    with pytest.raises(SystemExit) as left:
        run_or_exit(lambda: status)
    assert left.value.code == (status or 0)
