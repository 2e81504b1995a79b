"""A picture with its title and legend: in the page, and as files."""

import dataclasses
import math

import matplotlib
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keras_balance.atomic import replacing
from keras_balance.reports import svg
from keras_balance.reports.page import Html
from keras_balance.reports.page import bullets
from keras_balance.reports.page import join
from keras_balance.reports.page import slug
from keras_balance.reports.page import tag

# Markers, and the characters that look like them in a legend of the page.
MARKERS = {"o": "●", "s": "■", "^": "▲", "v": "▼", "D": "◆", "P": "✚", "X": "✖"}
_LINES = {"line": "-", "dashed": (0, (4, 2))}
_DPI = 160


@dataclasses.dataclass(frozen=True)
class Key:
    """One entry of a legend.

    Args:
        name: its text.
        color: index of a colour of the series; None is the ink.
        shape: `"line"`, `"dashed"`, `"box"`, `"pale"` (a box half
            transparent) or one of `MARKERS`.
    """

    name: str
    color: int | None
    shape: str = "line"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure with its title and legend drawn into it.

    Args:
        title: says what it shows without the page around it.
        figure: a figure of `svg.new_figure`.
    """

    title: str
    figure: object

    @property
    def name(self):
        """The name of its files, without a suffix."""
        return slug(self.title)

    def write(self, folder, source):
        """Writes `<name>.svg` and `<name>.png`, on white, into a folder.

        Args:
            folder: `pathlib.Path`, which exists.
            source: what the picture is of, put under its title.
        """
        title = svg.plain(f"{self.title}\n{source}")
        self.figure.suptitle(title, fontsize=9)
        with matplotlib.rc_context(svg.STYLE):
            for suffix, options in (
                ("svg", {"metadata": svg.NO_METADATA}),
                ("png", {"metadata": {"Software": None}, "dpi": _DPI}),
            ):
                with replacing(folder / f"{self.name}.{suffix}") as part:
                    self.figure.savefig(part, format=suffix, **options)
                # The second file has the layout of the first.
                self.figure.set_layout_engine("none")


def show(title, figure, keys=(), alone="", shared=(), class_=""):
    """The figure in the page, with title and legend above.

    Args:
        title: text above.
        figure: a figure of `svg.new_figure`.
        keys: `Key`s of the legend.
        alone: the title outside the page, where `title` says too little
            without its section; no other picture of the page has it.
        shared: `Key`s of a legend that the page shows elsewhere.
        class_: CSS class of the `<figure>`.

    Returns:
        `Html` with its `Picture`.
    """
    alone = alone or title
    drawn = svg.render(figure, alone, slug(alone))
    caption = tag("figcaption", tag("h3", title), legend(keys))
    html = tag("figure", caption, drawn, class_=class_)
    _decorate(figure, [*keys, *shared])
    return Html(html, [Picture(alone, figure)])


def write_all(html, folder, source):
    """Writes every picture of some HTML into a folder, made where absent.

    Args:
        html: `Html`.
        folder: `pathlib.Path`.
        source: what the pictures are of, put under their titles.
    """
    if html.pictures:
        folder.mkdir(exist_ok=True)
    for picture in html.pictures:
        picture.write(folder, source)


def legend(keys):
    """The entries of a legend in a row; nothing where there are none."""
    if not keys:
        return Html("")
    return bullets(map(_entry, keys), class_="legend")


def _entry(key):
    style = f"--color: {svg.variable(key.color)}"
    glyph = MARKERS.get(key.shape, "")
    class_ = "key marker" if glyph else f"key {key.shape}"
    return join([tag("i", glyph, class_=class_, style=style), key.name])


def _decorate(figure, keys):
    """Makes room for a title, and adds the legend that the page has."""
    width, height = figure.get_size_inches()
    longest = max((len(key.name) for key in keys), default=1)
    columns = max(1, int(width / (0.07 * longest + 0.5)))
    rows = math.ceil(len(keys) / columns)
    figure.set_size_inches(width, height + 0.5 + 0.17 * rows)
    figure.patch.set(visible=True, facecolor="#ffffff")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    if not keys:
        return
    with matplotlib.rc_context(svg.STYLE):
        figure.legend(
            handles=[_handle(key) for key in keys],
            loc="outside lower center",
            ncols=min(columns, len(keys)),
            frameon=False,
            labelcolor=svg.MUTED,
            handlelength=1.6,
            columnspacing=1.4,
        )


def _handle(key):
    color, name = svg.series(key.color), svg.plain(key.name)
    if key.shape in ("box", "pale"):
        alpha = 0.45 if key.shape == "pale" else 1.0
        return Patch(color=color, alpha=alpha, linewidth=0, label=name)
    if key.shape in MARKERS:
        marker = {"marker": key.shape, "markersize": 4, "linestyle": ""}
        return Line2D([], [], color=color, label=name, **marker)
    style = _LINES[key.shape]
    return Line2D([], [], color=color, linestyle=style, label=name)
