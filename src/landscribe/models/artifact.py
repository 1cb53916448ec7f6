"""`model.keras`: the classifier without its optimizer, and its card.

The same weights give the same bytes: Keras writes the date of saving and memory addresses into the archive, which would
make DVC re-run everything downstream of an identical training, so the archive is rewritten without them.
"""

import json
import re
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from landscribe.core.files import replacing
from landscribe.models.card import CARD_NAME, ModelCard
from landscribe.pipeline.backend import keras

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive can say


def write_model(model: Any, card: ModelCard, path: Path) -> None:
    """Write the model without its optimizer, and the card, as a byte-reproducible Keras archive."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.keras"
        keras.Model(model.input, model.output, name="landscribe").save(raw)
        with replacing(path) as beside, zipfile.ZipFile(raw) as source, zipfile.ZipFile(beside, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = json.dumps(json.loads(content) | {"date_saved": "1980-01-01@00:00:00"}).encode()
                if name == "config.json":
                    content = _number_objects(content)
                target.writestr(zipfile.ZipInfo(name, _DATE), content)
            target.writestr(zipfile.ZipInfo(CARD_NAME, _DATE), json.dumps(asdict(card), indent=2, ensure_ascii=False))


def _number_objects(config: bytes) -> bytes:
    """Return the config with shared objects numbered in order; Keras names them by their address in memory."""
    numbers: dict[bytes, bytes] = {}

    def rename(found: re.Match[bytes]) -> bytes:
        return found[1] + numbers.setdefault(found[2], str(len(numbers) + 1).encode())

    return re.sub(rb'("shared_object_id": )(\d+)', rename, config)


def read_model(path: Path) -> Any:
    """Return the Keras model, not compiled."""
    return keras.saving.load_model(path, compile=False)
