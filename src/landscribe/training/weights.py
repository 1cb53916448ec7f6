"""The source of `train.weights`: checked before any work, without TensorFlow; its digest is part of a training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from landscribe.core.errors import RecordsError, TrainingError
from landscribe.core.files import compute_file_digest
from landscribe.core.params import find_scratch, resolve_path
from landscribe.models.card import read_card
from landscribe.models.config import find_kind

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html


@dataclass(frozen=True)
class WeightsSource:
    """Weights outside the parameters.

    Attributes:
        digest: of the file, or of the registered version; empty for ImageNet's and for none.
        fetch: returns the file; None for ImageNet's and for none.
    """

    digest: str
    fetch: Callable[[], Path | None]


def find_source(weights: str | None, backbones: Sequence[str]) -> WeightsSource:
    """Return the source that `train.weights` names now.

    Args:
        weights: `train.weights`; a relative path starts from the repository.
        backbones: all that are to be trained with them.

    Raises:
        TrainingError: the file is absent or no weights, or is of another backbone.
        RegistryError: the registry holds no such model.
    """
    match weights and find_kind(weights):
        case "registered":
            return _find_registered(str(weights), backbones)
        case "model" | "keras_weights" as kind:
            path = resolve_path(str(weights))
            _check_file(path, kind, backbones)
            return WeightsSource(compute_file_digest(path), lambda: path)
        case _:
            return WeightsSource("", lambda: None)


def _find_registered(uri: str, backbones: Sequence[str]) -> WeightsSource:
    # Imported here: most trainings ask no registry, and MLflow takes a second.
    from landscribe.tracking.registered import DIGEST_TAG, fetch_network, find_registered

    version = find_registered(uri)
    _check_backbone(uri, version.tags["backbone"], backbones)
    return WeightsSource(version.tags[DIGEST_TAG], lambda: fetch_network(version, find_scratch() / "weights"))


def _check_file(path: Path, kind: str, backbones: Sequence[str]) -> None:
    """Raise `TrainingError` unless the file is what its suffix says, of the right backbone."""
    if not path.is_file():
        raise TrainingError(f"train.weights: expected a file; {path} does not exist.")
    if kind == "keras_weights":
        with path.open("rb") as stream:
            if stream.read(len(_HDF5_SIGNATURE)) != _HDF5_SIGNATURE:
                raise TrainingError(f"train.weights: expected Keras weights in HDF5; {path} is something else.")
        return
    try:
        backbone = read_card(path).backbone
    except (RecordsError, TypeError, ValueError) as error:
        raise TrainingError(f"train.weights: expected a model of the stage train; {path} is something else.") from error
    _check_backbone(str(path), backbone, backbones)


def _check_backbone(weights: str, found: str, wanted: Sequence[str]) -> None:
    others = [name for name in wanted if name != found]
    if others:
        raise TrainingError(
            f"train.weights: {weights} is a {found}; expected {', '.join(dict.fromkeys(others))}, as train.backbone (or"
            f" search.backbones) says. Name {found} there, or other weights."
        )
