"""The files of the pipeline, relative to the checkout; dvc.yaml names the same ones."""

from pathlib import Path

ARCHIVE = Path("data/archive.json")
CODE = Path("data/code")
WEIGHTS = Path("data/weights.json")
INDEX = Path("data/index.parquet")
NOMENCLATURE = Path("data/nomenclature.json")
SPLITS = Path("data/splits.parquet")
RECORDS = Path("data/records")
MANIFEST = RECORDS / "manifest.json"
BAND_STATISTICS = Path("data/band_statistics.json")
PATCH_STATISTICS = Path("data/patch_statistics.parquet")
BEST_PARAMS = Path("search/best_params.yaml")
MODEL = Path("models/model.keras")
THRESHOLDS = Path("models/thresholds.json")
SCORES = Path("scores")
METRICS = Path("metrics")
REPORTS = Path("reports")
RUN = REPORTS / "train/run.json"
EXAMPLES = REPORTS / "score/examples.npz"
DRAWN = REPORTS / "draw"
REGISTRATION = REPORTS / "register/registration.json"
DOCUMENTATION = REPORTS / "register/model_card.md"
