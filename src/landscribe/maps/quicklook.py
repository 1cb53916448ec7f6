"""`quicklook.png`: the scene in colour, and the class with the highest score of each cell."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.colors
import numpy as np
from matplotlib.patches import Patch

from landscribe.figures.charts import figure, make_text
from landscribe.figures.true_colour import to_true_colour

_MAX_TITLE = 120  # two lines: the scene, and the version
_MAX_CLASSES = 19  # with a colour each; the rarer ones share grey
_HUES = 0.61803398875  # golden ratio: neighbours in the legend differ most


def draw_quicklook(
    path: Path,
    picture: Mapping[str, np.ndarray],
    highest: np.ndarray,
    labelled: np.ndarray,
    classes: Sequence[str],
    title: str,
) -> None:
    """Draw both beside each other, with a legend of the classes from the most frequent on.

    Args:
        path: PNG to write.
        picture: band -> [row, column], nodata masked.
        highest: int [row, column] of cells, number of the class with the highest score.
        labelled: bool [row, column], the cells that have scores.
        classes: names.
        title: the scene and the model.
    """
    counts = np.bincount(highest[labelled], minlength=len(classes))
    shown = [int(number) for number in np.argsort(-counts, kind="stable") if counts[number]]
    colours = {number: _choose_colour(place) for place, number in enumerate(shown[:_MAX_CLASSES])}
    grey = matplotlib.colors.to_rgb("#bbbbbb")
    pixels = np.ones((*highest.shape, 3))
    for number in shown:
        pixels[labelled & (highest == number)] = colours.get(number, grey)
    height = 0.6 + 5 * min(2.0, max(0.4, highest.shape[0] / highest.shape[1]))
    with figure(path, 13, height, columns=2) as (left, right):
        left.imshow(to_true_colour(picture))
        right.imshow(pixels, interpolation="nearest")
        for axes, words in ((left, title), (right, "highest score; white: not labelled")):
            axes.set_axis_off()
            axes.set_title(make_text(words, _MAX_TITLE), fontsize=8)
        total = max(1, int(labelled.sum()))
        handles = [
            Patch(color=colours[number], label=make_text(f"{counts[number] / total:.0%} {classes[number]}"))
            for number in shown[:_MAX_CLASSES]
        ]
        if len(shown) > _MAX_CLASSES:
            rest = sum(int(counts[number]) for number in shown[_MAX_CLASSES:])
            handles.append(Patch(color=grey, label=f"{rest / total:.0%} {len(shown) - _MAX_CLASSES} other classes"))
        if handles:
            right.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7, frameon=False)


def _choose_colour(place: int) -> tuple[float, float, float]:
    """Return the colour of the class that is so many places from the most frequent one."""
    hue = (0.33 + place * _HUES) % 1
    red, green, blue = matplotlib.colors.hsv_to_rgb((hue, 0.75 - 0.2 * (place % 2), 0.9 - 0.15 * (place % 3)))
    return float(red), float(green), float(blue)
