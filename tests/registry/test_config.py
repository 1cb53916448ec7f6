"""Names of registered models: what would break a URI, a path or a command line is refused."""

import pytest

from landscribe.core.errors import ParamsError
from landscribe.core.params import parse_section
from landscribe.registry.config import RegisterConfig


@pytest.mark.parametrize("name", ["landscribe", "UC Merced-21", "v1.0", "_x", "7", "a."])
def test_a_name_of_letters_digits_and_marks_is_taken(name: str) -> None:
    assert parse_section({"register": {"model_name": name}}, "register", RegisterConfig).model_name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-x", "--force", ".hidden", " x", "x ", "x\n", "a/b", "a:b", "a@b", "größe"]
)
def test_any_other_name_is_refused_with_one_that_is_taken(name: str) -> None:
    with pytest.raises(ParamsError, match=r"register\.model_name: expected letters, .* e\.g\. landscribe") as caught:
        parse_section({"register": {"model_name": name}}, "register", RegisterConfig)
    assert f"received {name!r}" in str(caught.value)
