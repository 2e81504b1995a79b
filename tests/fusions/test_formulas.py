"""Every fusion against its equation in NumPy, and the exact splits."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance import fusions

CLASSES, BATCH = 3, 4
# Fusions that map features of one width alone.
ONE_WIDTH = {"shared"}
DIMS = {"equal": (5, 5), "different": (2, 5), "three": (4, 2, 5)}


@pytest.fixture(params=DIMS.values(), ids=DIMS)
def dims(request):
    return request.param


def built(name, dims, **arguments):
    """A fusion with random weights, biases included."""
    fusion = fusions.get(name, num_classes=CLASSES, **arguments)
    fusion.build([(None, dim) for dim in dims])
    random = np.random.default_rng(2)
    for v in fusion.trainable_variables:
        v.assign(random.normal(size=v.shape))
    return fusion


def features(dims):
    random = np.random.default_rng(3)
    return [random.normal(size=(BATCH, d)).astype("float32") for d in dims]


def output(function, arrays):
    result = function([ops.convert_to_tensor(z) for z in arrays])
    if isinstance(result, list):
        return [ops.convert_to_numpy(u) for u in result]
    return ops.convert_to_numpy(result)


def linear(layer, z):
    kernel, bias = layer.get_weights()
    return z.astype("float64") @ kernel + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_concat(dims):
    fusion, z = built("concat", dims), features(dims)
    assert fusion.head.kernel.shape == (sum(dims), CLASSES)
    assert_close(output(fusion, z), linear(fusion.head, np.hstack(z)))


def test_sum(dims):
    fusion, z = built("sum", dims), features(dims)
    maps = [linear(h, x) for h, x in zip(fusion.heads, z, strict=True)]
    assert_close(output(fusion, z), np.sum(maps, axis=0))


def test_film(dims):
    """The last is scaled by gamma itself, not 1 + gamma, and shifted."""
    fusion, z = built("film", dims), features(dims)
    condition = linear(fusion.condition, np.hstack(z[:-1]))
    assert condition.shape == (BATCH, 2 * dims[-1])
    gamma, beta = condition[:, : dims[-1]], condition[:, dims[-1] :]
    hidden = gamma * z[-1] + beta
    assert_close(output(fusion, z), linear(fusion.head, hidden))


@pytest.mark.parametrize("units", [None, 7])
def test_gated(dims, units):
    fusion, z = built("gated", dims, units=units), features(dims)
    *gates, hidden = [
        linear(p, x) for p, x in zip(fusion.projections, z, strict=True)
    ]
    assert hidden.shape == (BATCH, units or dims[-1])
    for gate in gates:
        hidden = sigmoid(gate) * hidden
    assert_close(output(fusion, z), linear(fusion.head, hidden))


def test_concat_splits_exactly_with_shared_bias(dims):
    fusion, z = built("concat", dims), features(dims)
    split = output(fusion.split, z)
    kernel, bias = fusion.head.get_weights()
    blocks = np.split(kernel, np.cumsum(dims)[:-1])
    for u, x, block in zip(split, z, blocks, strict=True):
        assert_close(u, x @ block + bias / len(dims))
    assert_close(np.sum(split, axis=0), output(fusion, z))


def test_sum_splits_exactly_with_own_biases(dims):
    fusion, z = built("sum", dims), features(dims)
    split = output(fusion.split, z)
    for i, (u, x) in enumerate(zip(split, z, strict=True)):
        assert_close(u, linear(fusion.heads[i], x))
        own = fusion.own_logits(i, ops.convert_to_tensor(x))
        assert_close(ops.convert_to_numpy(own), u)
    assert_close(np.sum(split, axis=0), output(fusion, z))


@pytest.mark.parametrize("name", ["concat", "sum"])
def test_one_modality_splits_into_itself(name):
    fusion, z = built(name, (4,)), features((4,))
    (own,) = output(fusion.split, z)
    assert_close(own, output(fusion, z))


def test_splits_are_float32_in_half_precision():
    for name in ("concat", "sum"):
        fusion = built(name, (2, 3), dtype="mixed_float16")
        half = [z.astype("float16") for z in features((2, 3))]
        assert all(u.dtype == np.float32 for u in output(fusion.split, half))
        fused = output(fusion, half).astype("float32")
        assert np.isfinite(fused).all()
        np.testing.assert_allclose(
            sum(output(fusion.split, half)), fused, atol=0.05
        )


def factored(fusion, dims):
    """Dict from a variable's path to its factor, as a full array."""
    factors = [ops.convert_to_tensor(float(k)) for k in (2, 3, 5)[: len(dims)]]
    blocks = fusion.block_factors(factors)
    variables = fusion.trainable_variables
    return {
        id(variables[i]): np.broadcast_to(
            ops.convert_to_numpy(k), variables[i].shape
        )
        for i, k in blocks.items()
    }


def test_block_factors_of_concat(dims):
    """Each modality's rows of the kernel; the bias is everyone's."""
    fusion = built("concat", dims)
    factors = factored(fusion, dims)
    rows = np.repeat((2.0, 3.0, 5.0)[: len(dims)], dims)
    assert list(factors) == [id(fusion.head.kernel)]
    expected = np.repeat(rows[:, None], CLASSES, axis=1)
    np.testing.assert_array_equal(factors[id(fusion.head.kernel)], expected)


def test_block_factors_of_sum(dims):
    fusion = built("sum", dims)
    factors = factored(fusion, dims)
    for head, k in zip(fusion.heads, (2, 3, 5), strict=False):
        assert (factors.pop(id(head.kernel)) == k).all()
    assert not factors, "the biases of logits are not scaled"


def test_block_factors_of_gated(dims):
    fusion = built("gated", dims)
    factors = factored(fusion, dims)
    for projection, k in zip(fusion.projections, (2, 3, 5), strict=False):
        assert (factors.pop(id(projection.kernel)) == k).all()
        assert (factors.pop(id(projection.bias)) == k).all()
    assert not factors, "the output map serves every modality"


def test_block_factors_of_film(dims):
    assert factored(built("film", dims), dims) == {}


def test_own_variables_belong_to_one_modality_alone(dims):
    for name in set(fusions.names()) - ONE_WIDTH:
        fusion = built(name, dims)
        before = [output(fusion, features(dims))]
        own = [v for i in range(len(dims)) for v in fusion.own_variables(i)]
        assert len({id(v) for v in own}) == len(own), name
        if name == "sum":
            assert len(own) == len(fusion.trainable_variables)
        for i in range(len(dims)):
            # Without its feature and its own variables nothing is left.
            for v in fusion.own_variables(i):
                v.assign(np.zeros(v.shape))
        if fusion.separate:
            assert (output(fusion, features(dims)) == 0).all(), before


def test_biases_start_at_zero_and_kernels_as_told(dims):
    # The low-rank product starts its constants at 1, the transformer has
    # Keras's attention and normalization.
    for name in set(fusions.names()) - {"low-rank", "transformer", *ONE_WIDTH}:
        fusion = fusions.get(
            name,
            num_classes=CLASSES,
            kernel_initializer=keras.initializers.Constant(0.5),
        )
        fusion.build([(None, dim) for dim in dims])
        for v in fusion.trainable_variables:
            value = 0.5 if len(v.shape) == 2 else 0
            assert (ops.convert_to_numpy(v) == value).all(), v.path


def test_mean_is_that_of_the_heads(dims):
    fusion, z = built("mean", dims), features(dims)
    maps = [linear(h, x) for h, x in zip(fusion.heads, z, strict=True)]
    assert_close(output(fusion, z), np.mean(maps, axis=0))
    split = output(fusion.split, z)
    assert_close(np.sum(split, axis=0), output(fusion, z))
    own = fusion.own_logits(0, ops.convert_to_tensor(z[0]))
    assert_close(ops.convert_to_numpy(own), maps[0])


@pytest.mark.parametrize("depth", [2, 3])
def test_mid_mlp(dims, depth):
    fusion = built("mid-mlp", dims, units=7, depth=depth)
    z = features(dims)
    hidden = np.hstack(z)
    assert len(fusion.maps) == depth
    for one in fusion.maps[:-1]:
        hidden = np.maximum(linear(one, hidden), 0)
    assert_close(output(fusion, z), linear(fusion.maps[-1], hidden))


def test_symmetric_film(dims):
    fusion, z = built("symmetric-film", dims), features(dims)
    parts = []
    for i, x in enumerate(z):
        others = np.hstack([v for j, v in enumerate(z) if j != i])
        both = linear(fusion.conditions[i], others)
        parts.append(both[:, : dims[i]] * x + both[:, dims[i] :])
    assert_close(output(fusion, z), linear(fusion.head, np.hstack(parts)))


@pytest.mark.parametrize("units", [None, 7])
def test_symmetric_gated(dims, units):
    fusion = built("symmetric-gated", dims, units=units)
    z = features(dims)
    projected = [
        linear(p, x) for p, x in zip(fusion.projections, z, strict=True)
    ]
    parts = []
    for i, own in enumerate(projected):
        gates = [sigmoid(o) for j, o in enumerate(projected) if j != i]
        parts.append(own * np.prod(gates, axis=0))
    assert_close(output(fusion, z), linear(fusion.head, np.hstack(parts)))


def test_low_rank_is_the_outer_product_with_its_weight_tensor(dims):
    fusion, z = built("low-rank", dims, rank=3), features(dims)
    # The weight tensor, (d_1 + 1, ..., d_M + 1, classes), in full.
    weights, bias = (
        ops.convert_to_numpy(v).astype("float64")
        for v in (fusion.weights_of_rank, fusion.bias)
    )
    full = 0.0
    for r in range(3):
        term = weights[r, 0] * np.ones(CLASSES)
        for factor in fusion.factors:
            kernel, constant = factor.get_weights()
            rows = np.vstack([kernel, constant])[:, r * CLASSES :][:, :CLASSES]
            term = term[..., None, :] * rows
        full = full + term
    for i, x in enumerate(z):
        extended = np.hstack([x, np.ones((BATCH, 1))])
        if i == 0:
            expected = np.einsum("bi,i...->b...", extended, full)
        else:
            expected = np.einsum("bi,bi...->b...", extended, expected)
    assert_close(output(fusion, z), expected + bias)


def layer_norm(layer, x):
    gamma, beta = layer.get_weights()
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + layer.epsilon) + beta


def attention(layer, x):
    """Multi-head self-attention, from the four maps of the layer."""
    q, q0, k, k0, v, v0, o, o0 = layer.get_weights()
    query = np.einsum("btd,dhe->bhte", x, q) + q0[:, None]
    key = np.einsum("btd,dhe->bhte", x, k) + k0[:, None]
    value = np.einsum("btd,dhe->bhte", x, v) + v0[:, None]
    scores = np.einsum("bhte,bhse->bhts", query, key) / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhts,bhse,hed->btd", weights, value, o) + o0


def test_transformer(dims):
    fusion = built("transformer", dims, units=6, num_layers=2, num_heads=2)
    z = features(dims)
    tokens = [np.zeros((BATCH, 6))]
    tokens += [linear(p, x) for p, x in zip(fusion.projections, z, strict=True)]
    x = np.stack(tokens, 1) + ops.convert_to_numpy(fusion.tokens)
    for block in fusion.blocks:
        x = x + attention(block.attention, layer_norm(block.norms[0], x))
        wide = linear(block.widen, layer_norm(block.norms[1], x))
        gelu = ops.convert_to_numpy(ops.gelu(wide, approximate=False))
        x = x + linear(block.narrow, gelu)
    expected = linear(fusion.head, layer_norm(fusion.norm, x[:, 0]))
    np.testing.assert_allclose(
        output(fusion, z), expected, rtol=1e-3, atol=1e-3
    )


def test_dropout_acts_in_training_alone():
    for name in ("mid-mlp", "transformer"):
        fusion = built(name, (2, 5), dropout=0.5)
        z = [ops.convert_to_tensor(x) for x in features((2, 5))]
        once, again = (
            ops.convert_to_numpy(fusion(z, training=False)) for _ in range(2)
        )
        np.testing.assert_array_equal(once, again)
        dropped = ops.convert_to_numpy(fusion(z, training=True))
        assert np.abs(dropped - once).max() > 1e-3


def test_shared_is_one_map_for_all():
    fusion, z = built("shared", (5, 5, 5)), features((5, 5, 5))
    maps = [linear(fusion.head, x) for x in z]
    assert len(fusion.trainable_variables) == 2
    assert_close(output(fusion, z), np.mean(maps, axis=0))
    assert_close(np.sum(output(fusion.split, z), axis=0), output(fusion, z))
    own = fusion.own_logits(1, ops.convert_to_tensor(z[1]))
    assert_close(ops.convert_to_numpy(own), maps[1])
    assert fusion.own_variables(0) == []


def test_shared_with_a_hidden_layer():
    fusion, z = built("shared", (5, 5), units=(7,)), features((5, 5))
    first, last = fusion.head.layers
    expected = [linear(last, np.maximum(linear(first, x), 0)) for x in z]
    assert_close(output(fusion, z), np.mean(expected, axis=0))
    own = fusion.own_logits(1, ops.convert_to_tensor(z[1]))
    assert_close(ops.convert_to_numpy(own), expected[1])


def test_shared_needs_one_width():
    with pytest.raises(ValueError, match="one width") as error:
        built("shared", (5, 4))
    assert "Received: widths [5, 4]" in str(error.value)


def test_late_mlp_is_a_network_for_each(dims):
    fusion, z = built("late-mlp", dims, units=(7, 6)), features(dims)
    expected = []
    for head, given in zip(fusion.maps, z, strict=True):
        first, second, last = head.layers
        hidden = np.maximum(linear(first, given), 0)
        hidden = np.maximum(linear(second, hidden), 0)
        expected.append(linear(last, hidden))
    assert_close(output(fusion, z), np.sum(expected, axis=0))
    for i, (u, own) in enumerate(
        zip(output(fusion.split, z), expected, strict=True)
    ):
        assert_close(u, own)
        again = fusion.own_logits(i, ops.convert_to_tensor(z[i]))
        assert_close(ops.convert_to_numpy(again), own)
