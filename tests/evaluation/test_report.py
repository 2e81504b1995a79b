"""The report: whole, offline, truthful, escaped."""

import base64
import html.parser
import io
import json
import re
import xml.etree.ElementTree

import matplotlib.image
import numpy as np
import pytest

from keras_balance.errors import UsageError
from keras_balance.evaluation import write_report
from keras_balance.runs import folder as run_folder

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
    return Page(write_report(run).read_text(encoding="utf-8"))


def _test_of(run):
    return json.loads((run / "evaluation.json").read_text())["test"]


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
    assert len(pictures) == 10
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
    assert page.numbers[:3] == fused
    assert page.numbers[3:6] == fused
    for place, own in enumerate(test["per_modality"].values()):
        shown = page.numbers[6 + 3 * place : 9 + 3 * place]
        assert shown == [own["accuracy"], own["macro_f1"], own["map"]]
    for value in fused:
        assert f"{100 * value:.1f}" in page.text
    for row in test["confusion"]:
        for count in row:
            assert count == 0 or f" {count} " in page.text


def test_published_numbers_stand_with_their_protocol(make_run):
    run = make_run()
    page, test = _page(run), _test_of(run)
    protocol = "official split, best epoch by test accuracy, one seed"
    assert page.text.count(protocol) == 3
    assert 61.9 in page.numbers and 51.7 in page.numbers
    difference = 100 * test["accuracy"] - 61.9
    assert difference in page.numbers
    word = "within" if abs(difference) <= 2.0 else "outside"
    assert f"{word} ±2" in page.text


def test_a_demo_is_compared_with_nothing(make_run):
    page = _page(make_run(demo=True))
    assert "cannot be compared with published" in page.text
    assert "epochs=8" in page.text and "clips=96" in page.text
    published = page.text[page.text.index("Published numbers") :]
    published = published[: published.index("Training")]
    assert "this run" not in published and "difference" not in published
    assert 61.9 in page.numbers


def test_several_settings_of_one_method_are_not_compared(make_run):
    run = make_run(fusion="concat")
    settings = {"concatenation": "concat", "summation": "sum"}
    for with_config in (False, True):
        entries = [
            {
                "metric": "accuracy",
                "value": 60.0 + place,
                "unit": "percent",
                "method": "ogm-ge",
                "setting": setting,
                "protocol": "test.csv",
                "source": "table 1",
                **({"config": {"fusion": fusion}} if with_config else {}),
            }
            for place, (setting, fusion) in enumerate(settings.items())
        ]
        _edit(run / "evaluation.json", published=entries)
        page, accuracy = _page(run), 100 * _test_of(run)["accuracy"]
        assert (accuracy - 60.0 in page.numbers) == with_config
        assert accuracy - 61.0 not in page.numbers
        assert "ogm-ge, summation" in page.text


def test_changed_settings_are_said_and_give_no_verdict(make_run):
    run = make_run()
    argv = ["recipe", "cremad-ogm", "--epochs", "3", "--child"]
    argv += ["--set", "batch_size=8", "--set=alpha=0.1", "--set", "modality=a"]
    _edit(run / "config.json", argv=argv)
    page = _page(run)
    changes = "Settings changed on the command line: epochs=3, batch_size=8"
    assert changes in page.text
    assert "within ±" not in page.text and "outside ±" not in page.text
    assert "--child" not in page.text


def test_the_command_repeats_backend_and_seed(make_run):
    page = _page(make_run(seed=7))
    command = "keras-balance recipe cremad-ogm --method ogm-ge --seed 7"
    assert f"{command} --backend jax" in page.text


def test_a_run_without_a_command_line_says_what_to_type(make_run):
    run = make_run(method="unimodal-audio", modality="audio", demo=True)
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


def test_a_model_without_unimodal_logits(make_run):
    run = make_run(modalities=())
    page = _page(run)
    assert "Accuracy per modality" not in page.text
    assert page.numbers[:3] == [
        _test_of(run)[key] for key in ("accuracy", "macro_f1", "map")
    ]


@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize("classes", [2, 20, 45])
def test_short_runs_and_many_classes(make_run, epochs, classes):
    names = [f"class number {index}" for index in range(classes)]
    run = make_run(epochs=epochs, class_names=names, modalities=("a", "b", "c"))
    assert "mean of the others" in _page(run).text


def test_gaps_in_the_history_are_gaps(make_run):
    run = make_run(epochs=4)
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
    run = make_run()
    before = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == before

    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder.os, "replace", killed)
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
    assert not (run / "report.html").exists()


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="Expected a run folder"):
        write_report(tmp_path / "absent")


def _edit(path, **values):
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **values}))
