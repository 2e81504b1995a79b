"""The report: whole, offline, truthful, escaped."""

import base64
import html.parser
import importlib.resources
import io
import json
import re
import xml.etree.ElementTree

import matplotlib.image
import numpy as np
import pytest

from keras_balance import atomic
from keras_balance.errors import UsageError
from keras_balance.reports import svg
from keras_balance.reports import write_report
from keras_balance.reports.report import report_page
from keras_balance.runs.finished import read_run

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(html.parser.HTMLParser):
    """Balanced tags, the text, the exact numbers, every reference."""

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.numbers = [], [], []
        self.ids, self.pieces = [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        self.text = " ".join(" ".join(self.pieces).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        for name in ("src", "href", "xlink:href", "data", "srcset"):
            if name in attributes:
                self.references.append(attributes[name])
        if tag == "data":
            self.numbers.append(float(attributes["value"]))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.pieces.append(data)


def _page(run):
    """The report without the pictures' files, which take time."""
    return Page(report_page(read_run(run)))


def _section(page, title, following):
    """The text from a heading, which the contents name first, to another."""
    text = page.text.split(f" {title} ", 2)[-1]
    return text[: text.index(f" {following} ")]


def _evaluation(run):
    return json.loads((run / "evaluation.json").read_text())


def _test_of(run):
    return _evaluation(run)["test"]


def test_it_is_self_contained(make_run):
    path = write_report(make_run())
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path.name == "report.html"
    assert "<script" not in text
    assert not re.search(r"url\((?!#)|@import", text)
    for reference in page.references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference
    assert len(page.ids) == len(set(page.ids))
    inside = [r[1:] for r in page.references if r.startswith("#")]
    inside += re.findall(r"url\(#(.*?)\)", text)
    assert set(inside) <= set(page.ids)


def test_every_picture_decodes(make_run):
    text = write_report(make_run()).read_text(encoding="utf-8")
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 19
    for picture in pictures:
        assert xml.etree.ElementTree.fromstring(picture).get("viewBox")
    pixels = re.findall(r"data:image/png;base64,([^\"]*)", text)
    assert len(pixels) == 3
    for encoded in pixels:
        data = base64.b64decode(encoded)
        image = matplotlib.image.imread(io.BytesIO(data))
        assert image.shape[-1] == 4 and np.ptp(image) > 0


def test_numbers_are_those_of_the_evaluation(make_run):
    run = make_run()
    page, test = _page(run), _test_of(run)
    fused = [test["accuracy"], test["macro_f1"], test["map"]]
    columns = ("accuracy", "macro_f1", "map")
    columns += ("mean_class_accuracy", "ece", "nll")
    assert page.numbers[:3] == fused
    rows = [test, *test["per_modality"].values()]
    for place, own in enumerate(rows):
        shown = page.numbers[3 + 6 * place : 9 + 6 * place]
        assert shown == [own[name] for name in columns]
    for value in fused:
        assert f"{100 * value:.1f}" in page.text
    for row in test["confusion"]:
        for count in row:
            assert count == 0 or f" {count} " in page.text


def test_published_numbers_stand_with_their_protocol(make_run):
    run = make_run()
    page, test = _page(run), _test_of(run)
    protocol = "official split, best epoch by test accuracy, one seed"
    # Once above its table, and in the words on the protocol.
    assert page.text.count(protocol) == 2
    assert 61.9 in page.numbers and 51.7 in page.numbers
    difference = 100 * test["accuracy"] - 61.9
    assert difference in page.numbers
    word = "within" if abs(difference) <= 2.0 else "outside"
    assert f"{word} ±2" in page.text


def test_a_demo_is_compared_with_nothing(make_run):
    page = _page(make_run(demo=True, analysed=False))
    assert "cannot be compared with published" in page.text
    assert "epochs=8" in page.text and "clips=96" in page.text
    published = _section(page, "Published numbers", "Differences")
    assert "this run" not in published and "difference" not in published
    assert 61.9 in page.numbers


def test_a_number_is_compared_with_the_run_of_its_settings(make_run, printed):
    run = make_run(epochs=1, analysed=False, fusion="concat")
    entries = [
        printed(60.0, settings=["fusion=concat"], config={"fusion": "concat"}),
        printed(61.0, settings=["fusion=sum"], config={"fusion": "sum"}),
        printed(62.0, status="the network is not known"),
        printed(63.0, slug="ogm", method="ogm"),
    ]
    _edit(run / "evaluation.json", published=entries)
    page, accuracy = _page(run), 100 * _test_of(run)["accuracy"]
    assert accuracy - 60.0 in page.numbers
    for value in (61.0, 62.0, 63.0):
        assert value in page.numbers
        assert accuracy - value not in page.numbers
    assert "ogm-ge fusion=sum" in page.text
    assert "not run: the network is not known" in page.text


def test_a_line_of_a_table_has_a_column_for_each_metric(make_run):
    text = report_page(read_run(make_run(epochs=1, analysed=False)))
    (found,) = re.findall(
        '<table class="published">.*?</table>', text, re.DOTALL
    )
    assert "Accuracy, printed" in found and "mAP, printed" in found
    assert found.count("<tr>") == 3


def test_the_number_of_a_modality_alone(make_run, printed):
    run = make_run(epochs=1, analysed=False)
    own = _test_of(run)["per_modality"]["audio"]["accuracy"]
    _edit(run / "evaluation.json", published=[printed(40.0, part="audio")])
    assert 100 * own - 40.0 in _page(run).numbers


def test_changed_settings_are_said_and_give_no_verdict(make_run):
    run = make_run()
    argv = ["recipe", "cremad-ogm", "--epochs", "3", "--child"]
    argv += ["--set", "batch_size=8"]
    changes = ["epochs=3", "batch_size=8"]
    _edit(run / "config.json", argv=argv, changes=changes)
    page = _page(run)
    said = "Settings changed on the command line: epochs=3, batch_size=8"
    assert said in page.text
    assert "Settings changed: epochs=3, batch_size=8" in page.text
    assert "within ±" not in page.text and "outside ±" not in page.text
    assert "--child" not in page.text


def test_what_the_row_itself_says_is_not_changed(make_run, printed):
    run = make_run(fusion="sum")
    rows = [printed(60.0, pairs=["fusion=sum"], config={"fusion": "sum"})]
    _edit(run / "evaluation.json", published=rows)
    _edit(run / "config.json", changes=["fusion=sum"])
    text = _page(run).text
    assert "within ±" in text or "outside ±" in text
    assert "This run changed settings" not in text
    _edit(run / "config.json", changes=["fusion=sum", "epochs=3"])
    text = _page(run).text
    assert "within ±" not in text and "outside ±" not in text
    assert "This run changed settings" in text


def test_the_command_repeats_backend_and_seed(make_run):
    page = _page(make_run(seed=7, epochs=1, analysed=False))
    command = "keras-balance recipe cremad-ogm --method ogm-ge --seed 7"
    assert f"{command} --backend jax" in page.text


def test_a_run_without_a_command_line_says_what_to_type(make_run):
    settings = {"modality": "audio", "demo": True}
    run = make_run(method="unimodal-audio", analysed=False, **settings)
    _edit(run / "config.json", argv=[])
    command = (
        "keras-balance recipe cremad-ogm --method unimodal --variant paper "
        "--set modality=audio --demo --backend jax --seed 0"
    )
    page = _page(run)
    assert command in page.text
    assert "Settings changed" not in page.text


def test_text_of_the_user_is_escaped(make_run):
    evil = "<script>alert('x')</script>&amp;"
    run = make_run(
        class_names=[evil, *"abcde"], notes=[evil], encoder=evil, checksum=evil
    )
    _edit(run / "config.json", argv=["recipe", evil], method=evil)
    page = _page(run)
    assert page.text.count("<script>") >= 6
    assert "<script" not in write_report(run).read_text().lower()
    for picture in (run / "figures").glob("*.svg"):
        xml.etree.ElementTree.parse(picture)


def test_dollars_are_no_formula(make_run):
    names = ["$5 to $9", "$\\frac{$", "$", "d", "e", "f"]
    run = make_run(epochs=1, class_names=names, method="$\\x$")
    write_report(run)
    picture = (run / "figures" / "confusion-fused.svg").read_text()
    assert ">$5 to $9</text>" in picture and ">$\\frac{$</text>" in picture
    assert "$\\x$ on cremad-ogm" in picture
    maps = (run / "figures" / "features-audio.svg").read_text()
    assert ">$5 to $9</text>" in maps


def test_a_model_without_unimodal_logits(make_run):
    run = make_run(modalities=())
    page = _page(run)
    assert "Accuracy per modality" not in page.text
    assert page.numbers[:3] == [
        _test_of(run)[key] for key in ("accuracy", "macro_f1", "map")
    ]


@pytest.mark.parametrize(("epochs", "classes"), [(1, 45), (2, 20), (1, 2)])
def test_short_runs_and_many_classes(make_run, epochs, classes):
    names = [f"class number {index}" for index in range(classes)]
    run = make_run(epochs=epochs, class_names=names, modalities=("a", "b", "c"))
    assert "mean of the others" in _page(run).text


def test_a_run_of_the_first_version_has_fewer_sections(make_run):
    page = _page(make_run(analysed=False))
    for title in ("Agreement", "Reliability", "Contribution", "Linear probes"):
        assert title not in page.text
    for title in ("Gaps between", "Robustness", "Feature maps", "ECE"):
        assert title not in page.text
    assert "Confusion, test split" in page.text


def test_contents_name_every_section(make_run):
    text = report_page(read_run(make_run(notes=["a note"])))
    (links,) = re.findall("<nav.*?</nav>", text, re.DOTALL)
    named = re.findall(r'href="#([^"]*)"', links)
    assert named == re.findall(r'<section id="([^"]*)"', text)
    assert len(named) == 16


def test_agreement_counts_every_sample_once(make_run):
    run = make_run()
    page, test = _page(run), _test_of(run)
    shown = _section(page, "Agreement of the modalities", "Share")
    names = ("audio and visual", "only audio", "only visual", "none of them")
    assert sum(p["samples"] for p in test["agreement"]) == test["samples"]
    for name, pattern in zip(names, test["agreement"], strict=True):
        assert f" {name} {pattern['samples']} " in shown
        share = pattern["fused_right"] / pattern["samples"]
        assert share in page.numbers


def test_contribution_and_its_parts(make_run):
    run = make_run()
    page, analysis = _page(run), _evaluation(run)["analysis"]
    for kind in ("input", "features"):
        found = analysis["shapley"][kind]
        for value in found["contribution"].values():
            assert value in page.numbers
        assert f"{found['imbalance_degree']:.2f} with" in page.text
    for name in ("masked", "masked_features"):
        for value in analysis[name].values():
            assert value in page.numbers
    assert "a definition of this package" in page.text


def test_probes_and_gaps(make_run):
    run = make_run()
    page, evaluation = _page(run), _evaluation(run)
    analysis, test = evaluation["analysis"], evaluation["test"]
    for probe in analysis["probes"].values():
        assert probe["accuracy"] in page.numbers
    for matrix in (analysis["probe_imbalance_ratio"], test["imbalance_ratio"]):
        assert matrix["audio"]["visual"] in page.numbers
    for found in test["gaps"].values():
        assert found["audio|visual"] in page.numbers


def test_six_modalities_stay_readable(make_run):
    run = make_run(modalities=tuple("abcdef"), epochs=1)
    text = report_page(read_run(run))
    assert "The 48 patterns with the fewest samples are left out." in text
    (hidden,) = re.findall("<details><summary>Accuracy.*?</details>", text)
    assert hidden.count("<tr>") == 65


def test_too_many_modalities_for_shapley_values(make_run):
    run = make_run(epochs=1)
    analysis = _evaluation(run)["analysis"] | {"shapley": {}, "valuation": {}}
    _edit(run / "evaluation.json", analysis=analysis)
    page = _page(run)
    assert "there are too many here" in page.text
    assert analysis["masked"]["visual"] in page.numbers
    assert "Imbalance degree" not in page.text


def test_noise_that_a_modality_cannot_have(make_run):
    run = make_run(epochs=1)
    analysis = _evaluation(run)["analysis"]
    for curves in analysis["robustness"].values():
        curves["noise"] = []
    _edit(run / "evaluation.json", analysis=analysis)
    text = report_page(read_run(run))
    assert "<h3>Noise</h3>" not in text and "<h3>Missing samples</h3>" in text


PROTOCOLS = {
    "validation": (
        {"selection": "validation", "validation": 0.1},
        "a validation part, 10 % of the training part; the test part chose",
    ),
    "test": ({"selection": "test"}, "the best on the TEST part"),
    "last": ({"selection": "last"}, "the last one; no part chose it"),
    "nothing printed": ({"method": "new"}, "keeps no published number of"),
    "a demo": ({"demo": True}, "generated, small, and not the paper's"),
    "a method's argument": ({}, "Settings changed: method.alpha=0.3"),
    "the code's variant": (
        {"frames": 1, "selection": "test", "validation": 0.0},
        "from the paper: frames=1, validation=0.0, selection=test.",
    ),
}


@pytest.mark.parametrize("case", PROTOCOLS)
def test_differences_from_the_protocol_in_words(make_run, case):
    settings, words = PROTOCOLS[case]
    run = make_run(epochs=1, analysed=False, **settings)
    if "argument" in case:
        _edit(run / "config.json", changes=["method.alpha=0.3"])
    if "variant" in case:
        _edit(run / "config.json", variant="code")
    assert words in _page(run).text


def test_long_notes_are_folded(make_run):
    run = make_run(epochs=1, notes=[f"remark {n}" for n in range(12)])
    text = report_page(read_run(run))
    folded = text[text.index("<summary>2 more") :]
    assert "remark 9<" not in folded and "remark 11<" in folded


def test_traces_of_a_method_alone_are_drawn(make_run):
    run = make_run(epochs=2, analysed=False)
    path = run / "history.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["audio_kept"] = row["visual_kept"] = row["audio_loss"] = 0.5
        row["learning_rate"] = row["conflict"] = 0.1
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = report_page(read_run(run))
    for title in ("Kept per modality", "Loss per modality", "Conflict"):
        assert text.count(f"<h3>{title}</h3>") == 1
    assert "<h3>Learning" not in text
    ids = Page(text).ids
    assert len(ids) == len(set(ids))


def test_pictures_are_files_too(make_run):
    run = make_run(seed=3)
    text = write_report(run).read_text(encoding="utf-8")
    drawn = sorted(run.joinpath("figures").glob("*.svg"))
    assert len(drawn) == text.count("<svg")
    for path in drawn:
        picture = path.read_text(encoding="utf-8")
        xml.etree.ElementTree.fromstring(picture)
        assert "ogm-ge on cremad-ogm, seed 3, jax" in picture
        assert "var(--" not in picture
        pixels = matplotlib.image.imread(path.with_suffix(".png"))
        # White paper, and something on it.
        assert tuple(pixels[0, 0]) == (1, 1, 1, 1) and pixels.min() < 0.5
    legend = (run / "figures" / "accuracy-per-modality.svg").read_text()
    assert "audio, training" in legend


def test_pictures_have_the_light_colours_of_the_page():
    style = importlib.resources.files("keras_balance.reports") / "page.css"
    light = style.read_text(encoding="utf-8").split("}")[0]
    colors = dict(re.findall(r"--([\w-]+): (#\w{6});", light))
    assert colors["ink"] == svg.INK
    assert colors["muted"] == svg.MUTED
    assert colors["line"] == svg.LINE
    series = [colors[f"series-{index}"] for index in range(6)]
    assert series == list(svg.SERIES)


def test_gaps_in_the_history_are_gaps(make_run):
    run = make_run(epochs=4, analysed=False)
    path = run / "history.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["score_ratio"] = float("nan")
    rows[2]["audio_score"] = None
    del rows[3]["val_loss"]
    for row in rows:
        row["visual_gradient_norm"] = float("inf")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    _page(run)


def test_writing_is_atomic_and_repeatable(make_run, monkeypatch):
    run = make_run(epochs=1, analysed=False)
    before = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == before

    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "replace", killed)
    _edit(run / "config.json", method="another")
    with pytest.raises(KeyboardInterrupt):
        write_report(run)
    assert (run / "report.html").read_bytes() == before


def _drop(name):
    return lambda run: (run / name).unlink()


def _cut(name, size=40):
    def cut(run):
        path = run / name
        path.write_bytes(path.read_bytes()[:-size])

    return cut


def _without(name, *keys):
    def remove(run):
        document = json.loads((run / name).read_text())
        inner = document
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        (run / name).write_text(json.dumps(document))

    return remove


def _write(name, data):
    return lambda run: (run / name).write_bytes(data)


BROKEN = {
    "no config": (_drop("config.json"), "config.json"),
    "no environment": (_drop("environment.json"), "environment.json"),
    "no history": (_drop("history.jsonl"), "history.jsonl"),
    "no evaluation": (_drop("evaluation.json"), "with evaluation.json"),
    "half a config": (_cut("config.json"), "config.json, broken at line 1"),
    "half a row": (_cut("history.jsonl"), "history.jsonl, broken at line 30"),
    "half of it": (_cut("evaluation.json"), "evaluation.json, broken at"),
    "empty history": (_write("history.jsonl", b""), "an epoch or more"),
    "empty config": (_write("config.json", b""), "config.json, broken at"),
    "a list": (_write("config.json", b"[]"), "JSON object. Received: list"),
    "binary": (_write("config.json", b"\xff\xfe\x00"), "Expected text"),
    "no method": (_without("config.json", "method"), "Expected method in"),
    "no mAP": (_without("evaluation.json", "test", "map"), "Expected map in"),
    "no protocol": (
        _without("evaluation.json", "published", 0, "protocol"),
        r"Expected protocol in published\[0\]",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_run_folder_is_a_clear_error(make_run, case):
    damage, message = BROKEN[case]
    run = make_run()
    damage(run)
    with pytest.raises(UsageError, match=message) as caught:
        write_report(run)
    assert str(run) in caught.value.message
    assert "--resume" in caught.value.hint
    assert f"evaluation.json in {run}, then" in caught.value.hint
    assert not (run / "report.html").exists()


def test_a_run_of_another_version_is_named(make_run):
    run = make_run()
    document = json.loads((run / "environment.json").read_text())
    document["versions"]["keras-balance"] = "0.0.9"
    _edit(run / "environment.json", versions=document["versions"])
    _without("config.json", "format")(run)
    with pytest.raises(UsageError, match="format 1, .* keras-balance 0.0.9"):
        write_report(run)


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="Expected a run folder"):
        write_report(tmp_path / "absent")


def _edit(path, **values):
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **values}))
