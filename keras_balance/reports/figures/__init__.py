"""The pictures of the report and of the comparison, one kind a file.

Every function draws with Matplotlib and returns `Html`: a `<figure>` with
its title, its legend and an SVG. The `Html` carries the `Picture`, which is
the same one as a file.
"""

from keras_balance.reports.figures.bars import Bars
from keras_balance.reports.figures.bars import bars
from keras_balance.reports.figures.confusion import COUNTS_UP_TO
from keras_balance.reports.figures.confusion import confusion
from keras_balance.reports.figures.curves import Line
from keras_balance.reports.figures.curves import curves
from keras_balance.reports.figures.reliability import reliability
from keras_balance.reports.figures.scatter import NAMES_UP_TO
from keras_balance.reports.figures.scatter import scatter
from keras_balance.reports.figures.spread import spread

__all__ = [
    "COUNTS_UP_TO",
    "NAMES_UP_TO",
    "Bars",
    "Line",
    "bars",
    "confusion",
    "curves",
    "reliability",
    "scatter",
    "spread",
]
