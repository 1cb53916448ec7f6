"""Pictures and tables of the reports, in one style."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "charts": ["draw_bars", "draw_images", "draw_intervals", "draw_matrix", "draw_panels"],
        "tables": ["format_table", "make_markdown_table"],
        "true_colour": ["to_true_colour"],
    },
)
