"""The methods that every conformance test runs. Adding one is adding a row."""

import keras
import pytest

from keras_balance.testing import Row

ROWS = (
    Row("joint", neutral={}),
    Row("unimodal", {"modality": "audio"}),
    Row("ogm", neutral={"alpha": 0.0}),
    Row("ogm", {"variant": "code"}, neutral={"alpha": 0.0}),
    Row("ogm", {"apply_to": "update"}, neutral={"alpha": 0.0}),
    Row("ogm-ge", {"seed": 1}, random=True),
    Row("ogm-ge", {"seed": 1, "variant": "code"}, random=True),
    Row("ogm-ge", {"seed": 1, "apply_to": "update"}, random=True),
    Row("ge", {"seed": 1}, random=True),
    Row("multi-loss"),
    Row("mlb"),
    Row("mlb", {"variant": "code"}),
    Row("mlb", {"variant": "code", "fusion": "gated"}),
    Row("alternating", alternates=True),
    Row("alternating", {"granularity": "epoch"}, phases=2, alternates=True),
    Row(
        "alternating",
        {"granularity": "stage", "stage_epochs": 1},
        phases=2,
        alternates=True,
    ),
    # A larger scale overflows half precision at the first steps.
    Row("mmcosine", {"scale": 2.0}),
    Row("pmr", {"subset": 1.0}, neutral={"alpha": 0.0, "mu": 0.0}),
    Row(
        "modality-drop",
        {"seed": 1, "rate": 0.2},
        neutral={"rate": 0.0},
        random=True,
    ),
    Row(
        "modality-drop",
        {"seed": 1, "per": "sample", "rescale": True},
        random=True,
    ),
    Row(
        "opm",
        {"seed": 1, "warmup_epochs": 0},
        neutral={"q_base": 0.0},
        random=True,
    ),
    Row(
        "opm",
        {"seed": 1, "warmup_epochs": 0, "variant": "code"},
        neutral={"p_exe": 0.0},
        random=True,
    ),
    Row("mbsd"),
    # With split logits this one diverges at the tests' learning rate.
    Row("mbsd", {"variant": "code", "heads": True}),
    Row("cml", {"seed": 1}, random=True),
    Row("cml", {"seed": 1, "variant": "code"}, random=True),
    Row("lfm", falls="val_loss"),
    Row(
        "lfm",
        {"schedule": "learnable", "learning_rate": 1.0, "start": 0.3},
        falls="val_loss",
    ),
    Row("lfm", {"variant": "code"}, falls="val_loss"),
    Row("amco", {"seed": 1}, random=True),
    Row("amco", {"seed": 1, "variant": "code"}, random=True),
    Row("domfn", {"pretrain_epochs": 0}),
    Row(
        "domfn",
        {"pretrain_epochs": 1, "tau": 0.05},
        phases=2,
        passes=2,
        falls="val_loss",
    ),
    Row("agm", neutral={"alpha": 0.0}),
    Row("agm", {"variant": "code"}, neutral={"alpha": 0.0, "clip": 0.0}),
    Row("ogm-acc", neutral={"alpha": 0.0}),
    Row("ogm-plus"),
    Row("mslr", {"memory": 1}, neutral={"strategy": "keep"}),
    Row("mslr", {"memory": 1, "variant": "code"}),
    Row("mses"),
    Row("mses", {"variant": "code"}, neutral={}),
    Row(
        "gblend-offline",
        {"super_epoch": 1},
        phases=4,
        passes=3,
        settles=True,
    ),
    Row("gblend-online", {"super_epoch": 1}, phases=4, passes=3),
    Row("relearning", {"every": 1, "resets": 2}, neutral={"resets": 0}),
    Row(
        "functional-entropy",
        {"seed": 1, "samples": 2},
        neutral={"weight": 0.0},
        random=True,
    ),
    Row(
        "functional-entropy",
        {"seed": 1, "samples": 2, "variant": "code"},
        neutral={"weight": 0.0},
        random=True,
    ),
    Row("greedy", {"warmup": 1}),
    Row("greedy", {"warmup": 1, "variant": "code"}),
    Row(
        "greedy",
        {"warmup": 0, "schedule": "random", "seed": 1},
        random=True,
    ),
    Row("mmpareto"),
    Row("mmpareto", {"variant": "code"}),
    Row("dgl"),
    Row("sam", neutral={"rho": 0.0}, passes=2),
    Row("asam", neutral={"rho": 0.0}, passes=2),
    Row("mla"),
    Row("mla", {"variant": "code"}),
    Row("ume"),
    Row("ume", {"average": "logits"}),
    Row(
        "umt",
        {"teacher_epochs": 1, "scaling": 1.0},
        phases=2,
        passes=2,
        falls="val_loss",
    ),
    Row(
        "reconboost",
        {"stage_epochs": 1, "rectify_epochs": 1, "lam": 0.1},
        phases=5,
        passes=4,
        settles=True,
        falls="val_loss",
    ),
    Row(
        "reconboost",
        {"stage_epochs": 1, "rectify_epochs": 1, "variant": "code"},
        phases=5,
        passes=4,
        settles=True,
        falls="val_loss",
    ),
    Row(
        "smv",
        {"seed": 1, "warmup_epochs": 1},
        neutral={"warmup_epochs": 99},
        random=True,
        falls="val_loss",
    ),
    Row(
        "smv",
        {"seed": 1, "warmup_epochs": 1, "level": "modality", "part": 1.0},
        neutral={"alpha": 0.0},
        random=True,
    ),
    Row(
        "smv",
        {"seed": 1, "warmup_epochs": 1, "variant": "code"},
        random=True,
        falls="val_loss",
    ),
    Row(
        "igm",
        {"stage_epochs": 1, "restart": True},
        phases=2,
        alternates=True,
        passes=2,
    ),
    Row(
        "igm",
        {"stage_epochs": 1, "variant": "code", "seed": 1, "restart": False},
        random=True,
        phases=2,
        alternates=True,
        falls="val_loss",
    ),
    # With its own gamma this one diverges at the tests' learning rate.
    Row("arl", {"warmup_epochs": 1, "gamma": 1.0}),
    Row(
        "g2d",
        {"teacher_epochs": 1, "priority_epochs": 2},
        phases=2,
        passes=2,
        falls="val_loss",
    ),
    Row(
        "g2d",
        {"teacher_epochs": 1, "variant": "code"},
        phases=2,
        passes=2,
        falls="val_loss",
    ),
    Row("aug", {"every": 2, "most": 2, "hidden": 8}, falls="val_loss"),
    Row(
        "aug",
        {"every": 2, "most": 2, "hidden": 8, "variant": "code"},
        falls="val_loss",
    ),
    Row("inforeg", {"span": 1}),
    Row("inforeg", {"span": 1, "variant": "code"}),
    Row(
        "mcr",
        {"seed": 1, "samples": 4},
        neutral={
            "lam": 0.0,
            "contrastive": 0.0,
            "bottleneck": 0.0,
            "unimodal": 0.0,
        },
        random=True,
    ),
    Row(
        "mcr",
        {
            "seed": 1,
            "samples": 4,
            "strategy": "independent",
            "variant": "code",
        },
        random=True,
    ),
)

# The first row of each method, for what its other rows would only repeat.
FIRST = tuple({row.slug: row for row in reversed(ROWS)}.values())[::-1]

# Torch needs no compiler and takes every row. The others take a few unlike
# methods, for compiling takes most of the time of their tests. That every
# method does the same on the three backends, compiled and without being traced
# again, is tests/parity.
QUICK = keras.config.backend() == "torch"
UNLIKE = (
    "ogm-ge",
    "alternating",
    "agm",
    "functional-entropy",
    "mla",
    "umt",
)
# Gradients for inputs; an optimizer for each modality; teachers.
OFTEN = ("functional-entropy", "mla", "umt")
FEW = ROWS if QUICK else tuple(r for r in FIRST if r.slug in UNLIKE)


def often(rows):
    """`FEW` as parameters of tests; those not among `rows` are marked full."""
    return [
        pytest.param(
            row, id=row.id, marks=() if row in rows else (pytest.mark.full,)
        )
        for row in FEW
    ]


_COMPILED = [row for row in FEW if row.slug in OFTEN]
TRAINED = often(ROWS if QUICK else _COMPILED)
# What a variant of a method hardly changes: saving, data at the edge.
EACH = often(FIRST if QUICK else _COMPILED)
