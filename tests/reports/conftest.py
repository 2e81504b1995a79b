"""Run folders as the runner writes them, with made-up but coherent numbers."""

import itertools
import json

import numpy as np
import pytest

from keras_balance.evaluation.summary import summarize
from keras_balance.runs.documents import FORMAT

CLASSES = ["NEU", "HAP", "SAD", "FEA", "DIS", "ANG"]
STRENGTHS = (1.6, 0.7, 0.5, 0.4, 0.4, 0.4)


def make_printed(value, metric="accuracy", tolerance=2.0, **others):
    """A published number as evaluation.json has it."""
    return {
        "table": "table 1",
        "method": "ogm-ge",
        "slug": "ogm-ge",
        "settings": [],
        "pairs": [],
        "config": {},
        "part": "fused",
        "metric": metric,
        "value": value,
        "printed": str(value),
        "unit": "percent",
        "status": "run",
        "protocol": "official split, best epoch by test accuracy, one seed",
        "source": "CVPR 2022",
        "tolerance": tolerance,
        **others,
    }


PUBLISHED = [
    make_printed(51.7, method="joint", slug="joint"),
    make_printed(61.9),
    make_printed(63.9, "map", None),
]


def make_outputs(rng, classes, modalities, samples=372):
    """Outputs of a model whose first modality is the stronger one."""
    # The test part is the same whatever the method and the seed.
    labels = np.random.default_rng(0).integers(0, classes, samples)
    found = {"labels": labels, "logits": np.zeros((samples, classes))}
    for strength, name in zip(STRENGTHS, modalities, strict=False):
        own = rng.normal(size=(samples, classes))
        own += strength * np.eye(classes)[labels]
        found[f"unimodal/{name}"] = own
        found[f"features/{name}"] = own @ rng.normal(size=(classes, 16))
        found["logits"] = found["logits"] + own
    return found


def coalitions(modalities):
    """Every choice of modalities, in the model's order, none first."""
    sizes = range(len(modalities) + 1)
    return [c for n in sizes for c in itertools.combinations(modalities, n)]


def make_contribution(masked, modalities):
    """Shapley values: the gain of a modality over every order of joining."""
    gains = {name: [] for name in modalities}
    for order in itertools.permutations(modalities):
        for place, name in enumerate(order):
            before = [m for m in modalities if m in order[:place]]
            after = [m for m in modalities if m in order[: place + 1]]
            gain = masked["+".join(after)] - masked["+".join(before)]
            gains[name].append(gain)
    phi = {name: float(np.mean(gain)) for name, gain in gains.items()}
    positive = [max(value, 0.0) for value in phi.values()]
    apart = (max(positive) - min(positive)) / max(sum(positive), 1e-9)
    return {"contribution": phi, "imbalance_degree": apart}


def make_probe(share, strength):
    return {
        "accuracy": share,
        "macro_f1": 0.98 * share,
        "strength": strength,
        "validation": min(1.0, share + 0.01),
    }


def make_robustness(accuracy, alone):
    """From the accuracy of both to that of the other modalities alone."""
    lost = accuracy - alone
    levels, shares = (0.0, 0.25, 0.5, 1.0, 2.0), (0.0, 0.25, 0.5, 0.75, 1.0)
    return {
        "noise": [
            {"level": x, "accuracy": accuracy - lost * (1 - np.exp(-x))}
            for x in levels
        ],
        "missing": [
            {"share": x, "accuracy": accuracy - lost * x} for x in shares
        ],
    }


def make_analysis(outputs, modalities):
    """What the model's analysis finds, were its logits a plain sum."""
    labels = outputs["labels"]

    def accuracy(present, bias):
        logits = np.tile(bias, (len(labels), 1))
        for name in present:
            logits = logits + outputs[f"unimodal/{name}"]
        return float(np.mean(logits.argmax(axis=1) == labels))

    bias = np.linspace(0.3, 0.0, outputs["logits"].shape[1])
    chosen = coalitions(modalities)
    inputs = {"+".join(c): accuracy(c, bias) for c in chosen}
    features = {"+".join(c): accuracy(c, 0.5 * bias) for c in chosen}
    shares = {
        name: min(1.0, accuracy((name,), 0 * bias) + 0.03)
        for name in modalities
    }
    full = inputs["+".join(modalities)]
    others = {m: [o for o in modalities if o != m] for m in modalities}
    return {
        "masked": inputs,
        "masked_features": features,
        "shapley": {
            "input": make_contribution(inputs, modalities),
            "features": make_contribution(features, modalities),
        },
        "valuation": {m: 2 * inputs[m] for m in modalities},
        "probes": {
            **{m: make_probe(share, 0.1) for m, share in shares.items()},
            "concat": make_probe(min(1.0, full + 0.02), 0.01),
        },
        "probe_imbalance_ratio": {
            a: {b: shares[a] / shares[b] for b in modalities}
            for a in modalities
        },
        "robustness": {
            m: make_robustness(full, inputs["+".join(others[m])])
            for m in modalities
        },
    }


def make_history(rng, epochs, modalities):
    """Curves that rise and settle; the traces of an OGM-like method."""
    rows = []
    for epoch in range(epochs):
        grown = 1 - np.exp(-3 * (epoch + 1) / epochs)
        noise = rng.normal(scale=0.01, size=20)
        row = {
            "epoch": epoch,
            "loss": 1.8 - 1.5 * grown + noise[0],
            "accuracy": 0.17 + 0.7 * grown + noise[1],
            "val_loss": 1.85 - 0.8 * grown + noise[2],
            "val_accuracy": 0.17 + 0.42 * grown + noise[3],
            "score_ratio": 1 + 1.2 * grown + 5 * noise[4],
            "phase": 0.0,
        }
        for place, name in enumerate(modalities):
            weaker = 1 - 0.35 * place
            row[f"{name}_score"] = 6 + 40 * grown * weaker + noise[5]
            row[f"{name}_coefficient"] = 1 - 0.5 * grown * (place == 0)
            row[f"{name}_accuracy"] = 0.17 + 0.6 * grown * weaker + noise[6]
            row[f"val_{name}_accuracy"] = (
                0.17 + 0.38 * grown * weaker + noise[7]
            )
            row[f"{name}_gradient_norm"] = 3 * weaker * (1.2 - grown)
        rows.append({key: float(value) for key, value in row.items()})
        rows[-1]["epoch"] = epoch
    return rows


def without_news(summary):
    """The summary that the first version of the package wrote."""
    scores = ("accuracy", "macro_f1", "map")
    kept = (*scores, "confusion", "modality_confusion", "class_names")
    old = {key: summary[key] for key in (*kept, "samples")}
    own = summary["per_modality"]
    old["per_modality"] = {m: {k: own[m][k] for k in scores} for m in own}
    return old


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def printed():
    """A function that returns a published number."""
    return make_printed


@pytest.fixture
def make_run(tmp_path):
    """A function that writes a run folder and returns its path."""
    return run_writer(tmp_path)


@pytest.fixture(scope="module")
def make_shared_run(tmp_path_factory):
    """`make_run` for what the tests of a file only read."""
    return run_writer(tmp_path_factory.mktemp("shared"))


def run_writer(parent):

    def make(
        recipe="cremad-ogm",
        method="ogm-ge",
        backend="jax",
        seed=0,
        demo=False,
        epochs=30,
        class_names=CLASSES,
        modalities=("audio", "visual"),
        checksum="9f2c51d0a7",
        notes=(),
        analysed=True,
        name=None,
        **settings,
    ):
        name = name or f"{method}-paper-{backend}-seed{seed}"
        folder = parent / "runs" / recipe / name
        folder.mkdir(parents=True)
        rng = np.random.default_rng([seed, *map(ord, method)])
        outputs = make_outputs(rng, len(class_names), modalities)
        argv = f"recipe {recipe} --method {method} --seed {seed}".split()
        write_json(
            folder / "config.json",
            {
                "format": FORMAT,
                "recipe": recipe,
                "method": method,
                "variant": "paper",
                "backend": backend,
                "seed": seed,
                "demo": demo,
                "demo_overrides": ["epochs=8", "clips=96"] if demo else [],
                "config": {
                    "epochs": epochs,
                    "batch_size": 64,
                    "learning_rate": 0.001,
                    **settings,
                },
                "method_arguments": {},
                "changes": [],
                "on_error": "fail",
                "argv": [*argv, *(["--demo"] if demo else [])],
            },
        )
        write_json(
            folder / "environment.json",
            {
                "backend": backend,
                "devices": ["cpu:0"],
                "platform": "Linux-6.1-x86_64",
                "versions": {"keras": "3.15.1", "numpy": "2.3.5"},
                "data_checksum": checksum,
            },
        )
        rows = make_history(rng, epochs, modalities)
        lines = [json.dumps(row) + "\n" for row in rows]
        (folder / "history.jsonl").write_text("".join(lines))
        summary = summarize(outputs, class_names, modalities)
        document = {
            "split": "test",
            "selected_epoch": epochs * 2 // 3,
            "selection": "highest validation accuracy",
            "test": summary if analysed else without_news(summary),
            "validation": summary if analysed else without_news(summary),
            "published": PUBLISHED,
            "notes": list(notes),
            "seconds": {"prepare": 12.25, "train": 4931.0, "test": 3.5},
        }
        if analysed:
            np.savez(folder / "outputs.npz", **outputs)
        if analysed and modalities:
            document["analysis"] = make_analysis(outputs, modalities)
        write_json(folder / "evaluation.json", document)
        return folder

    return make
