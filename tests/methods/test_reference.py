"""The reference itself: its gradients are those of finite differences."""

import networks
import numpy as np
import pytest
import reference
import table

STEP = 1e-6


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("fusion", ["concat", "sum", "film", "gated"])
def test_gradients_are_finite_differences(fusion, heads):
    names = ("visual", "text", "audio")
    row = table.Row("joint", {"fusion": fusion, "heads": heads})
    network = reference.Network(networks.model(row, modalities=names))
    x, y = networks.data(rows=8, modalities=names)
    x["audio_present"] = np.arange(8) % 3 != 0
    weight = np.linspace(0.5, 2.0, 8)

    def losses():
        network.forward(x)
        every = {"fused": network.logits}
        if heads:
            every.update(network.unimodal)
        pairs = {
            k: reference.cross_entropy(u, y, weight) for k, u in every.items()
        }
        total = sum(loss for loss, _ in pairs.values())
        return total, {k: gradient for k, (_, gradient) in pairs.items()}

    _, along = losses()
    network.backward(along.pop("fused"), along)
    gradients = [p.gradient.copy() for p in network.parameters]
    random = np.random.default_rng(0)
    for parameter, gradient in zip(network.parameters, gradients, strict=True):
        direction = random.normal(size=parameter.value.shape)
        start = parameter.value
        parameter.value = start + STEP * direction
        above, _ = losses()
        parameter.value = start - STEP * direction
        below, _ = losses()
        parameter.value = start
        assert (above - below) / (2 * STEP) == pytest.approx(
            (gradient * direction).sum(), rel=1e-5, abs=1e-8
        ), parameter.variable.path
