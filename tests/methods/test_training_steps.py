"""Five training steps of every joint method, against NumPy in float64.

Each `*_step` below is the method's equations once more; the model must end in
the same weights, BatchNormalization statistics and history.
"""

import keras
import networks
import numpy as np
import pytest
import reference
import table

from keras_balance.optimizers.coupled_weight_decay import CoupledWeightDecay

STEPS, ROWS = 5, 16
ALPHA, BETA, DECAY = 0.8, 4.0, 0.02


def drawn(shape, **_):
    """The noise of both computations: one draw for each shape."""
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.fixture
def known_noise(monkeypatch):
    def normal(shape, **_):
        return keras.ops.convert_to_tensor(drawn(shape).astype("float32"))

    monkeypatch.setattr(keras.random, "normal", normal)


def problem(modalities, weighted=False, missing=False):
    x, y = networks.data(rows=STEPS * ROWS, modalities=modalities, seed=3)
    count = np.arange(len(y))
    weight = None
    if weighted:
        weight = (0.25 + count % 5 / 2).astype("float32")
    if missing:
        x["audio_present"] = count % 3 != 0
        # No audio at all in the third batch.
        x["audio_present"][2 * ROWS : 3 * ROWS] = False
    return x, y, weight


def batches(x, y, weight):
    weight = np.ones(len(y)) if weight is None else weight.astype("float64")
    for start in range(0, len(y), ROWS):
        rows = slice(start, start + ROWS)
        yield {k: v[rows] for k, v in x.items()}, y[rows], weight[rows]


def summed_scores(network, x, y, weight):
    """s^m over the rows that have every modality, and the rows' weight."""
    for name in network.names:
        weight = weight * x.get(f"{name}_present", 1.0)
    scores = [
        (weight * reference.softmax(u)[np.arange(len(y)), y]).sum()
        for u in network.unimodal.values()
    ]
    return np.array(scores), weight.sum()


def ogm_coefficients(scores, variant):
    """1 - tanh(alpha rho) for the stronger, rho a mean of ratios."""
    if variant == "code":
        # Two modalities; "if the second is ahead ... else the first".
        strong = 1 if scores[1] / scores[0] > 1 else 0
        k = np.ones(2)
        k[strong] -= np.tanh(ALPHA * scores[strong] / scores[1 - strong])
        return k
    k = []
    for m, own in enumerate(scores):
        rho = np.mean([own / s for j, s in enumerate(scores) if j != m])
        k.append(1 - np.tanh(ALPHA * rho) if rho > 1 else 1.0)
    return np.array(k)


def boost_coefficients(scores, arguments):
    """The weaker of two, or by the mean of ratios of more, is enlarged."""
    k = []
    for m, own in enumerate(scores):
        ratio = np.mean([s for j, s in enumerate(scores) if j != m]) / own
        boost = 1 + np.tanh(ALPHA * ratio)
        if arguments["mode"] == "fixed":
            boost = 4.0
        k.append(boost if ratio > 1 else 1.0)
    return np.array(k)


def mlb_coefficients(scores):
    k = []
    for m, own in enumerate(scores):
        r = np.mean([s for j, s in enumerate(scores) if j != m]) / own
        beta = BETA if r > 1 else 2.0
        k.append(1 + (beta - 1) * np.tanh(ALPHA * (r - 1)))
    return np.array(k)


def modulated_sgd(network, factors, noise, apply_to, decay):
    """Factors and noise by the identity of a parameter."""
    before = {id(p): p.value for p in network.parameters}
    if apply_to == "gradient":
        for p in network.parameters:
            k, h = factors.get(id(p), 1.0), noise.get(id(p), 0.0)
            p.gradient = k * p.gradient + h
    reference.sgd(network.parameters, decay)
    if apply_to == "update":
        for p in network.parameters:
            old, k = before[id(p)], factors.get(id(p), 1.0)
            noisy = reference.RATE * noise.get(id(p), 0.0)
            p.value = old + k * (p.value - old) - noisy


def own_weights(network, x, weight):
    """Weights for a mean over the rows that have a modality."""
    weights = {}
    for name in network.names:
        own = weight * x.get(f"{name}_present", np.ones(len(weight)))
        weights[name] = own * weight.sum() / max(own.sum(), 1e-8)
    return weights


def joint_step(network, batch, history, arguments, decay):
    x, y, weight = batch
    network.forward(x)
    loss, along = reference.cross_entropy(network.logits, y, weight)
    network.backward(along)
    network.train_heads(y, own_weights(network, x, weight))
    history.add(loss=loss)
    reference.sgd(network.parameters, decay)


def ogm_step(network, batch, history, arguments, decay, damps=True, ge=False):
    x, y, weight = batch
    variant = arguments.get("variant", "paper")
    network.forward(x)
    loss, along = reference.cross_entropy(network.logits, y, weight)
    network.backward(along)
    network.train_heads(y, own_weights(network, x, weight))
    scores, total = summed_scores(network, x, y, weight)
    k = np.ones(len(scores))
    if damps and total > 0 and "mode" in arguments:
        k = boost_coefficients(scores, arguments)
    elif damps and total > 0:
        k = ogm_coefficients(scores, variant)
    factors, noise = {}, {}
    for name, coefficient in zip(network.names, k, strict=True):
        for p in network.encoders[name].parameters:
            if variant == "code" and p.value.ndim != 4:
                continue
            factors[id(p)] = coefficient
            if ge:
                sigma = np.std(p.gradient, ddof=1) + 1e-8
                noise[id(p)] = sigma * drawn(p.value.shape)
    history.add(loss=loss, scores=scores, total=total, k=k, network=network)
    apply_to = arguments.get("apply_to", "gradient")
    modulated_sgd(network, factors, noise, apply_to, decay)


def multi_loss_step(network, batch, history, arguments, decay, mlb=False):
    x, y, weight = batch
    network.forward(x)
    loss, fused = reference.cross_entropy(network.logits, y, weight)
    unimodal = {}
    for name, own in own_weights(network, x, weight).items():
        one, unimodal[name] = reference.cross_entropy(
            network.unimodal[name], y, own
        )
        loss += one
    network.backward(fused, unimodal)
    scores, total = summed_scores(network, x, y, weight)
    if not mlb:
        history.add(loss=loss)
        reference.sgd(network.parameters, decay)
        return
    k = mlb_coefficients(scores) if total > 0 else np.ones(len(scores))
    factors = {}
    for name, coefficient in zip(network.names, k, strict=True):
        for part in (network.encoders[name], network.heads[name]):
            factors.update({id(p): coefficient for p in part.parameters})
    variant = arguments.get("variant", "paper")
    if variant == "code":
        factors.update(network.fusion.block_factors(k))
    history.add(loss=loss, scores=scores, total=total, k=k, network=network)
    apply_to = "update" if variant == "paper" else "gradient"
    modulated_sgd(network, factors, {}, apply_to, decay)


class History:
    """What an epoch's history should show: means over its steps."""

    def __init__(self):
        self.steps = []

    def add(self, loss, network=None, **values):
        if network is not None:
            values["norms"] = [
                network.gradient_norm(name) for name in network.names
            ]
        self.steps.append({"loss": loss, **values})

    def means(self, names):
        expected = {"loss": np.mean([s["loss"] for s in self.steps])}
        if "scores" not in self.steps[0]:
            return expected
        total = sum(s["total"] for s in self.steps)
        for i, name in enumerate(names):
            scores = sum(s["scores"][i] for s in self.steps)
            expected[f"{name}_score"] = scores / total
            expected[f"{name}_coefficient"] = np.mean(
                [s["k"][i] for s in self.steps]
            )
            expected[f"{name}_gradient_norm"] = np.mean(
                [s["norms"][i] for s in self.steps]
            )
        return expected


def ge_step(*arguments):
    ogm_step(*arguments, damps=False, ge=True)


def ogm_ge_step(*arguments):
    ogm_step(*arguments, ge=True)


def mlb_step(*arguments):
    multi_loss_step(*arguments, mlb=True)


STEP = {
    "joint": joint_step,
    "unimodal": joint_step,
    "ogm": ogm_step,
    "ogm-ge": ogm_ge_step,
    "ge": ge_step,
    "multi-loss": multi_loss_step,
    "mlb": mlb_step,
}
DENSE = ("audio", "text")
CONVOLUTION = ("audio", "visual")
THREE = ("visual", "text", "audio")
EVERYTHING = {"weighted": True, "missing": True, "decay": DECAY}
UPDATE = {"apply_to": "update"}
CODE = {"variant": "code"}
CASES = [
    ("joint", DENSE, {"fusion": "concat"}, {}),
    ("joint", DENSE, {"fusion": "concat"}, EVERYTHING),
    ("joint", DENSE, {"fusion": "sum"}, {"decay": DECAY}),
    ("joint", CONVOLUTION, {"fusion": "film"}, {"missing": True}),
    ("joint", DENSE, {"fusion": "gated"}, {"weighted": True}),
    ("joint", DENSE, {"fusion": "film", "heads": True}, EVERYTHING),
    ("joint", THREE, {"fusion": "sum"}, EVERYTHING),
    ("joint", THREE, {"fusion": "film"}, {}),
    ("joint", THREE, {"fusion": "gated"}, {"missing": True}),
    ("unimodal", CONVOLUTION, {"modality": "audio"}, {"missing": True}),
    ("unimodal", CONVOLUTION, {"modality": "visual"}, {"decay": DECAY}),
    ("ogm", DENSE, {}, {}),
    ("ogm", DENSE, {"fusion": "sum"}, EVERYTHING),
    ("ogm", DENSE, {"fusion": "gated", "heads": True}, {}),
    ("ogm", CONVOLUTION, UPDATE, {"decay": DECAY}),
    ("ogm", CONVOLUTION, CODE, {"decay": DECAY, "missing": True}),
    ("ogm", ("visual", "audio"), CODE, {"weighted": True}),
    ("ogm", THREE, {}, {}),
    ("ogm", THREE, UPDATE, EVERYTHING),
    ("ogm", DENSE, {"mode": "accelerate"}, {"missing": True}),
    ("ogm", CONVOLUTION, {"mode": "fixed", **CODE}, {"decay": DECAY}),
    ("ogm", THREE, {"mode": "accelerate", **UPDATE}, {"weighted": True}),
    ("ogm-ge", DENSE, {}, {"decay": DECAY}),
    ("ogm-ge", CONVOLUTION, CODE, {}),
    ("ogm-ge", DENSE, UPDATE, {"weighted": True}),
    ("ogm-ge", THREE, {}, EVERYTHING),
    ("ge", CONVOLUTION, {}, {"missing": True}),
    ("multi-loss", DENSE, {}, {}),
    ("multi-loss", THREE, {"fusion": "gated"}, EVERYTHING),
    ("mlb", DENSE, {}, {}),
    ("mlb", DENSE, {"fusion": "film"}, EVERYTHING),
    ("mlb", THREE, {}, {"decay": DECAY}),
    ("mlb", DENSE, CODE, EVERYTHING),
    ("mlb", THREE, {"fusion": "gated", **CODE}, {"missing": True}),
    ("mlb", CONVOLUTION, {"fusion": "sum", **CODE}, {"weighted": True}),
    ("mlb", DENSE, {"fusion": "film", **CODE}, {}),
]


def case_id(case):
    slug, modalities, arguments, options = case
    words = [slug, str(len(modalities))]
    words += [str(v) for v in arguments.values()]
    return "-".join([*words, *options])


def train(case, eagerly):
    """The trained model, its history and the reference's."""
    slug, modalities, arguments, options = case
    options = dict(options)
    decay = options.pop("decay", 0.0)
    optimizer = keras.optimizers.SGD(
        reference.RATE, momentum=reference.MOMENTUM
    )
    if decay:
        optimizer = CoupledWeightDecay(optimizer, decay)
    alpha = {"alpha": ALPHA} if slug in ("ogm", "ogm-ge", "mlb") else {}
    beta = {"beta_max": BETA} if slug == "mlb" else {}
    model = networks.model(
        table.Row(slug, arguments),
        modalities=modalities,
        optimizer=optimizer,
        compile_arguments={"run_eagerly": eagerly},
        **alpha,
        **beta,
    )
    x, y, weight = problem(modalities, **options)
    network, expected = reference.Network(model), History()
    shown = model.fit(
        x,
        y,
        sample_weight=weight,
        batch_size=ROWS,
        shuffle=False,
        verbose=0,
    ).history
    for batch in batches(x, y, weight):
        STEP[slug](network, batch, expected, arguments, decay)
    return network, shown, expected


def assert_same_training(case, eagerly):
    network, shown, expected = train(case, eagerly)
    differences = network.differences()
    worst = max(differences, key=differences.get)
    assert differences[worst] < 1e-5, (worst, differences[worst])
    for key, value in expected.means(network.names).items():
        assert shown[key][0] == pytest.approx(value, rel=2e-5), key
    if case[0] in ("ogm", "ogm-ge", "mlb"):
        # The comparison would be empty if nothing were modulated.
        k = np.array([step["k"] for step in expected.steps])
        assert np.abs(k - 1).max() > 0.1, k


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_five_steps_are_those_of_numpy(case, known_noise):
    assert_same_training(case, eagerly=True)


COMPILED = [CASES[i] for i in (21, 25, 30)]


@pytest.mark.parametrize("case", COMPILED, ids=case_id)
def test_five_compiled_steps_are_those_of_numpy(case, known_noise):
    assert_same_training(case, eagerly=False)
