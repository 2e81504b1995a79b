"""HTML pieces, and the page around them.

Every function that takes text escapes it; what is already HTML is marked by
the class `Html`.
"""

import html
import importlib.resources
import re
import string


class Html(str):
    """Text that is HTML already.

    Args:
        text: the HTML.
        pictures: `Picture`s drawn in it, for those who also write them as
            files.
    """

    def __new__(cls, text, pictures=()):
        self = super().__new__(cls, text)
        self.pictures = tuple(pictures)
        return self


def escape(value):
    """`value` as HTML: escaped, unless it is `Html`."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def slug(text):
    """A name for an id or a file: letters, digits and hyphens."""
    letters = text.lower()
    words = "".join(c if c.isalnum() else " " for c in letters).split()
    return "-".join(words)


def tag(name, *content, **attributes):
    """An element; `class_` and the like lose their underscore."""
    listed = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    inner = join(content)
    return Html(f"<{name}{listed}>{inner}</{name}>", inner.pictures)


def join(parts):
    """Several pieces after one another."""
    parts = [escape(part) for part in parts]
    pictures = [picture for part in parts for picture in part.pictures]
    return Html("".join(parts), pictures)


def number(value, scale=100.0, digits=1, signed=False):
    """A number rounded for reading that carries its exact value.

    Args:
        value: a float, or None for a dash.
        scale: factor of what is shown; 100 shows a share in percent.
        digits: decimals shown.
        signed: whether a plus is shown.
    """
    if value is None:
        return Html("–")
    sign = "+" if signed else ""
    shown = f"{scale * value:{sign}.{digits}f}".replace("-", "−")
    return tag("data", shown, value=repr(value))


def table(headings, rows, class_=""):
    """A table whose first column names the rows.

    Args:
        headings: texts, the first one over the names.
        rows: lists of cells.
        class_: CSS class; `"numbers"` aligns all but the first column right.
    """
    head = tag("tr", *(tag("th", text, scope="col") for text in headings))
    body = [
        tag(
            "tr",
            tag("th", cells[0], scope="row"),
            *(tag("td", cell) for cell in cells[1:]),
        )
        for cells in rows
    ]
    inner = tag("table", tag("thead", head), tag("tbody", *body), class_=class_)
    return tag("div", inner, class_="scroll")


def definitions(pairs):
    """A list of names and what they stand for."""
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value))
            for name, value in pairs
        ),
    )


def bullets(items, class_=""):
    """An unordered list."""
    return tag("ul", *(tag("li", item) for item in items), class_=class_)


def section(title, *content, lead=None):
    """A section of the page, with a line that says how to read it."""
    first = [tag("p", lead, class_="lead")] if lead else []
    # A prefix: the id of a figure may be the same words.
    name = f"section-{slug(title)}"
    return tag("section", tag("h2", title), *first, *content, id=name)


def contents(*sections):
    """Links to the sections in some HTML, by their titles."""
    found = re.findall(
        r'<section id="([^"]*)"><h2>(.*?)</h2>', join(sections), re.DOTALL
    )
    links = [tag("a", Html(name), href=f"#{where}") for where, name in found]
    return tag("nav", bullets(links), aria_label="Contents")


def page(title, *content):
    """A whole document that needs no other file.

    Args:
        title: text of the window's title.
        content: pieces of HTML.

    Returns:
        `Html`.
    """
    files = importlib.resources.files(__package__)
    template = string.Template((files / "page.html").read_text("utf-8"))
    content = join(content)
    text = template.substitute(
        title=escape(title),
        style=(files / "page.css").read_text("utf-8"),
        content=content,
    )
    return Html(text, content.pictures)
