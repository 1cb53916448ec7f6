"""Names that lists, tables and records give to patches: keys, never paths."""

from landscribe.core.errors import PatchError


def check_name(name: str) -> str:
    """Return `name` unless it could point outside of the archive.

    Raises:
        PatchError: the name is empty or contains a separator, `..` or a character that does not print.
    """
    if not name.isprintable() or not name.strip() or ".." in name or "/" in name or "\\" in name:
        raise PatchError(f"expected a plain name without separators or '..'; received {name!r}")
    return name
