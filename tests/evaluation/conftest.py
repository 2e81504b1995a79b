"""Run folders as the runner writes them, with made-up but coherent numbers."""

import json

import numpy as np
import pytest

from keras_balance.evaluation.summary import summarize

CLASSES = ["NEU", "HAP", "SAD", "FEA", "DIS", "ANG"]
PUBLISHED = [
    {
        "metric": "accuracy",
        "value": 51.7,
        "unit": "%",
        "method": "joint",
        "protocol": "official split, best epoch by test accuracy, one seed",
        "source": "CVPR 2022, table 1",
        "tolerance": 2.0,
    },
    {
        "metric": "accuracy",
        "value": 61.9,
        "unit": "%",
        "method": "ogm-ge",
        "protocol": "official split, best epoch by test accuracy, one seed",
        "source": "CVPR 2022, table 1",
        "tolerance": 2.0,
    },
    {
        "metric": "map",
        "value": 63.9,
        "unit": "%",
        "method": "ogm-ge",
        "protocol": "official split, best epoch by test accuracy, one seed",
        "source": "CVPR 2022, table 1",
        "tolerance": None,
    },
]


def make_outputs(rng, classes, modalities, samples=372):
    """Outputs of a model whose first modality is the stronger one."""
    labels = rng.integers(0, classes, samples)
    found = {"labels": labels, "logits": np.zeros((samples, classes))}
    for strength, name in zip((1.6, 0.7, 0.5), modalities, strict=False):
        own = rng.normal(size=(samples, classes))
        own += strength * np.eye(classes)[labels]
        found[f"unimodal/{name}"] = own
        found["logits"] = found["logits"] + own
    return found


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


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def make_run(tmp_path):
    """A function that writes a run folder and returns its path."""

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
        **settings,
    ):
        name = f"{method}-paper-{backend}-seed{seed}"
        folder = tmp_path / "runs" / recipe / name
        folder.mkdir(parents=True)
        rng = np.random.default_rng([seed, *map(ord, method)])
        outputs = make_outputs(rng, len(class_names), modalities)
        argv = f"recipe {recipe} --method {method} --seed {seed}".split()
        write_json(
            folder / "config.json",
            {
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
        write_json(
            folder / "evaluation.json",
            {
                "split": "test",
                "selected_epoch": epochs * 2 // 3,
                "selection": "highest validation accuracy",
                "test": summarize(outputs, class_names, modalities),
                "validation": summarize(outputs, class_names, modalities),
                "published": PUBLISHED,
                "notes": list(notes),
                "seconds": {"prepare": 12.25, "train": 4931.0, "test": 3.5},
            },
        )
        return folder

    return make
