"""For a method and a use: `pass`, `refused (why)` or `plain Keras refuses`."""

import functools
import pathlib
import tempfile
import warnings

import keras

from keras_balance import methods
from keras_balance.testing import networks
from keras_balance.testing.row import Row
from keras_balance.testing.uses import COMPILED

# Words that only refusals of this package have: they say what to do instead.
INSTEAD = ("Received:", "Use ", "Pass ")


def plain_model(optimizer=None):
    """A plain Keras classifier of the inputs that ours have."""
    inputs = {
        name: keras.Input(networks.SHAPES[name], name=f"{name}_input")
        for name in ("audio", "visual")
    }
    features = [networks.encoder(name)(x) for name, x in inputs.items()]
    logits = keras.layers.Dense(networks.CLASSES)(
        keras.layers.concatenate(features)
    )
    model = keras.Model(inputs, logits)
    model.compile(
        optimizer=optimizer or keras.optimizers.SGD(0.05),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _attempt(use, make):
    """The error of a use, or None."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            use(make, pathlib.Path(folder))
        except Exception as error:
            return error
    return None


@functools.cache
def _refusal_of_keras(use):
    """What a plain model says to the same use, or None where it works."""
    return _attempt(use, plain_model)


def short_row(slug):
    """A method with every length in epochs as short as it can be."""
    arguments = dict.fromkeys(methods.get(slug).lengths, 1)
    if slug == "unimodal":
        arguments["modality"] = "audio"
    return Row(slug, arguments)


def state(row, use):
    """How a use ends for a method, on the backend in use.

    Steps are compiled where the use makes another one of them, else eager:
    compiling takes most of the time.

    Args:
        row: `keras_balance.testing.Row`.
        use: a function of `keras_balance.testing.uses`.

    Returns:
        "pass", "refused (why)", "plain Keras refuses (why)", or "FAILS (why)".
    """

    def make(optimizer=None):
        optimizer = optimizer or keras.optimizers.SGD(0.05)
        eager = use not in COMPILED
        return networks.model(row, optimizer=optimizer, eager=eager)

    error = _attempt(use, make)
    if error is None:
        return "pass"
    said = " ".join(str(error).split())
    by_keras = _refusal_of_keras(use)
    if by_keras is not None:
        said = " ".join(str(by_keras).split())
        return f"plain Keras refuses ({_short(said)})"
    if isinstance(error, (TypeError, ValueError)) and _is_ours(error):
        return f"refused ({said})"
    return f"FAILS ({type(error).__name__}: {said})"


def _is_ours(error):
    """Whether this package raised an error itself, saying what to do."""
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    package = str(pathlib.Path(methods.__file__).parents[1])
    raised_here = last.tb_frame.f_code.co_filename.startswith(package)
    return raised_here and any(word in str(error) for word in INSTEAD)


def _short(text):
    return text if len(text) <= 100 else f"{text[:97]}..."
