"""Reports in a real browser: whole, offline, in every width and scheme.

Needs Chromium (Debian's package `chromium`); skipped where there is none.
"""

import html
import json
import re
import shutil
import subprocess

import matplotlib.image
import numpy as np
import pytest

from keras_balance.reports import compare
from keras_balance.reports import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
--hide-scrollbars --enable-logging=stderr --virtual-time-budget=10000
""".split()
DARK = "--blink-settings=preferredColorScheme=0"
WIDTHS = (1280, 390)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser found, tried {', '.join(NAMES)}"
)

# A window is 500 pixels wide or more; a frame has any width. It measures the
# page inside: what leaves it, what is cut off, which links lead nowhere.
WRAPPER = """<!DOCTYPE html><meta charset="utf-8"><style>body {{ margin: 0 }}
</style><iframe style="width: {width}px; height: 3000px; border: 0"
srcdoc="{page}"></iframe><pre id="found"></pre><script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  const all = (selector) => [...page.querySelectorAll(selector)];
  const box = (element) => element.getBoundingClientRect();
  const name = (element) => element.outerHTML.slice(0, 200);
  const root = page.documentElement;
  const cut = (text) => {{
    const a = box(text), b = box(text.closest("svg"));
    return a.left < b.left - 1 || a.right > b.right + 1 ||
      a.top < b.top - 1 || a.bottom > b.bottom + 1;
  }};
  document.querySelector("#found").textContent = JSON.stringify({{
    width: root.clientWidth,
    scrolls: root.scrollWidth,
    outside: all("body *").filter((e) => box(e).right > {width} + 1 &&
      !e.closest(".scroll") && !e.closest("svg")).map(name),
    empty: all("svg").filter((e) => !(box(e).height > 40)).map(name),
    cut: all("svg text").filter(cut).map(name),
    pictures: all("svg").length,
    images: all("svg image").length,
    astray: all("a[href^='#']").map((e) => e.getAttribute("href").slice(1))
      .filter((id) => !page.getElementById(id)),
    paper: getComputedStyle(page.body).backgroundColor,
  }});
}});
</script>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Runs the browser on a file; returns its output and what it logged."""

    def run(path, *options):
        profile = tmp_path_factory.mktemp("profile")
        done = subprocess.run(
            [
                *(BROWSER, *OPTIONS, f"--user-data-dir={profile}"),
                *(*options, path.as_uri()),
            ],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
        )
        return done.stdout, re.findall(r".*CONSOLE.*", done.stderr)

    return run


@pytest.fixture
def measure(browser, tmp_path):
    """Measures a page at a width; fails for anything in its console."""

    def run(path, width, *options):
        page = html.escape(path.read_text(encoding="utf-8"))
        wrapper = tmp_path / "wrapper.html"
        text = WRAPPER.format(width=width, page=page)
        wrapper.write_text(text, encoding="utf-8")
        output, console = browser(wrapper, "--dump-dom", *options)
        assert console == []
        (found,) = re.findall(r'<pre id="found">(.*?)</pre>', output, re.DOTALL)
        return json.loads(html.unescape(found))

    return run


@pytest.fixture(scope="module")
def report(make_shared_run):
    """The report of a run with much to show and long names."""
    names = [f"a class called {word}" for word in "abcdefghijkl"]
    run = make_shared_run(
        class_names=names,
        modalities=("audio", "visual", "text"),
        notes=["w" * 150, "a note"],
        demo=True,
    )
    return write_report(run)


@pytest.fixture(scope="module")
def comparison(make_shared_run, tmp_path_factory):
    """The page of two methods with two seeds each."""
    methods = ("joint", "a-method-with-a-name-that-is-long")
    runs = [
        make_shared_run(method=method, seed=seed, epochs=3)
        for method in methods
        for seed in (0, 1)
    ]
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    return compare(runs).write_html(path)


def _check(found, width):
    assert found["width"] == width
    assert found["scrolls"] == width, found["outside"]
    for fault in ("outside", "empty", "cut", "astray"):
        assert found[fault] == [], fault


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_fits_and_nothing_is_broken(report, measure, width):
    found = measure(report, width)
    _check(found, width)
    assert (found["pictures"], found["images"]) == (22, 4)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_comparison_fits_and_nothing_is_broken(comparison, measure, width):
    found = measure(comparison, width)
    _check(found, width)
    assert found["pictures"] == 4


def test_the_page_follows_the_scheme(report, measure):
    light = measure(report, 390)["paper"]
    dark = measure(report, 390, DARK)["paper"]
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 27)")


@pytest.mark.parametrize("options", [(), (DARK,)], ids=["light", "dark"])
def test_a_screenshot_shows_the_page(report, browser, tmp_path, options):
    path = tmp_path / "page.png"
    size = ("--window-size=1280,2400", f"--screenshot={path}")
    _, console = browser(report, *size, *options)
    assert console == []
    pixels = matplotlib.image.imread(path)[..., :3]
    assert pixels.shape == (2400, 1280, 3)
    paper = np.median(pixels, axis=(0, 1))
    assert (paper < 0.2).all() if options else (paper == 1.0).all()
    # Text and figures cover a part of it, in many colours.
    inked = (np.abs(pixels - paper) > 0.1).any(axis=-1).mean()
    assert 0.01 < inked < 0.5
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200


def test_it_prints_on_paper(report, browser, tmp_path):
    path = tmp_path / "report.pdf"
    browser(report, f"--print-to-pdf={path}", DARK)
    pages = re.findall(rb"/Type\s*/Page\b", path.read_bytes())
    assert 4 < len(pages) < 40


FETCHES = {
    "an image": '<img src="http://127.0.0.1:9/a.png">',
    "a font": "<style>@font-face { font-family: f; src: "
    "url(http://127.0.0.1:9/f) } p { font-family: f }</style><p>text",
    "a style": '<link rel="stylesheet" href="http://127.0.0.1:9/a.css">',
    "a script": "<script>document.title = 'run'</script>",
}


@pytest.mark.parametrize("case", FETCHES)
def test_whatever_is_fetched_would_be_noticed(report, browser, tmp_path, case):
    """The policy of the page refuses it, and the console says so."""
    text = report.read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text(text.replace("</main>", f"{FETCHES[case]}</main>"))
    _, console = browser(page, "--dump-dom")
    assert len(console) == 1
    assert "Content Security Policy" in console[0]
