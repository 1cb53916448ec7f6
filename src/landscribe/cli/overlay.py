"""Merging a recipe and SET into `params.yaml` as it stands, comments kept, so that git and DVC see every value."""

import io
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from landscribe.cli.sections import check_params
from landscribe.core.errors import ParamsError, did_you_mean
from landscribe.core.files import replacing
from landscribe.core.params import PARAMS_FILE, read_params

_NULL = "tag:yaml.org,2002:null"
# Words end at spaces. Quotes begin where a YAML value or item does and end where one may: an apostrophe is a character.
_WORD = re.compile(r"""(?:(?<=[=\[,{:])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')(?=[\s,:\]}]|$)|\S)+""")
_UNSET = re.compile(r"""[^=]*=(?:''|"")?""")
_WHOLE = ("archive.wavelengths_nm", "search.space")  # mappings whose keys are the user's: replaced, not merged


def parse_assignments(text: str) -> dict[str, Any]:
    """Return the nested mapping of `"a.b=value c.d=value"`; values are YAML, one with spaces stands in quotes.

    Raises:
        ParamsError: a word is not of the form `section.key=value`.
    """
    overlay: dict[str, Any] = {}
    for word in _WORD.findall(text):
        path, sign, value = word.partition("=")
        keys = path.split(".")
        if not sign or len(keys) < 2 or not all(keys):
            raise ParamsError(f"SET: expected words of the form section.key=value; received '{word}'.")
        if not value:
            raise ParamsError(f"SET: expected a value after {word}; write null for none.")
        try:
            parsed = YAML(typ="safe").load(value)
        except (YAMLError, ValueError) as error:  # ValueError: an impossible date, e.g. 2017-13-45
            raise ParamsError(f"SET: expected a YAML value after '{path}='; received '{value}'.") from error
        target = overlay
        for key in keys[:-1]:
            target = target.setdefault(key, {})
            if not isinstance(target, dict):
                raise ParamsError(f"SET: '{word}' names a key below one that another word gives a value.")
        target[keys[-1]] = parsed
    return overlay


def drop_unset(text: str) -> str:
    """Return the words that have a value; MLflow writes `a.b=''` for a parameter of an entry point that nobody set."""
    return " ".join(word for word in _WORD.findall(text) if not _UNSET.fullmatch(word))


def merge(base: Any, overlay: dict[str, Any], where: str = "") -> None:
    """Merge `overlay` into the mapping `base` in place; mappings are merged, all but `_WHOLE`, and the rest replaced.

    Raises:
        ParamsError: a key of `overlay` is not in `base`.
    """
    for key, value in overlay.items():
        if key not in base:
            known = ", ".join(map(str, base))
            hint = did_you_mean(str(key), map(str, base))
            raise ParamsError(f"unknown key {where}{key}.{hint} Known keys: {known}.")
        if isinstance(value, dict) and isinstance(base[key], dict) and f"{where}{key}" not in _WHOLE:
            merge(base[key], value, f"{where}{key}.")
        else:
            base[key] = _in_one_line(value)
            _close_up(base, key)


def _close_up(base: Any, key: str) -> None:
    """Let the comment behind a value follow it at once: a value that is set back leaves no trace."""
    tokens = base.ca.items.get(key) if isinstance(base, CommentedMap) else None
    if tokens and tokens[2]:
        tokens[2].column = 0


def _in_one_line(value: Any) -> Any:
    """Return a copy that YAML writes in one line: in block style a list pulls its comment apart, even from its line."""
    if isinstance(value, list):
        items = CommentedSeq(map(_in_one_line, value))
        items.fa.set_flow_style()
        return items
    if isinstance(value, dict):
        pairs = CommentedMap({key: _in_one_line(item) for key, item in value.items()})
        pairs.fa.set_flow_style()
        return pairs
    return value


def write_merged(recipe: Path | None, assignments: str, path: Path = PARAMS_FILE) -> None:
    """Merge the recipe, then the assignments, into the params file; the file is touched only when a value changes."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    # "null", as the file has it, not an empty value.
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar(_NULL, "null"))
    before = read_params(path)
    content = yaml.load(path)
    for overlay in ([read_params(recipe)] if recipe else []) + [parse_assignments(assignments)]:
        merge(content, overlay)
    buffer = io.StringIO()
    yaml.dump(content, buffer)
    after = YAML(typ="safe").load(buffer.getvalue())
    check_params(after)
    if after != before:
        with replacing(path) as beside:
            beside.write_text(buffer.getvalue(), encoding="utf-8")
