"""The vocabulary: params, bands, classes, patch names, files, scores. It imports nothing else of the project."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "average_precision": ["compute_average_precisions", "compute_macro_ap"],
        "bands": ["BANDS", "Band"],
        "multi_hot": ["decode_multi_hot", "encode_multi_hot"],
        "nomenclature": ["Nomenclature", "make_nomenclature"],
        "params": ["parse_section", "read_params"],
        "scores": ["Scores", "read_scores", "write_scores"],
    },
)
