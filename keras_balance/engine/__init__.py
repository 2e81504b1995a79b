"""The only folder that knows a backend.

`Engine` gives a model a `train_step` and a `test_step` for the backend in use,
and the primitives on which every method is written once. What each primitive
does is described in `base.py`; the three adapters have the same names in them.
`replicas()` is how many copies of a step share a batch, each with the gradient
of its part. `TRACES` is how often Python runs a step for two shapes of batches
where the backend compiles it, and None where it runs every step.
"""

import keras

_backend = keras.config.backend()
if _backend == "tensorflow":
    from keras_balance.engine.tensorflow import TRACES as TRACES
    from keras_balance.engine.tensorflow import Engine as Engine
    from keras_balance.engine.tensorflow import replicas as replicas
elif _backend == "jax":
    from keras_balance.engine.jax import TRACES as TRACES
    from keras_balance.engine.jax import Engine as Engine
    from keras_balance.engine.jax import replicas as replicas
elif _backend == "torch":
    from keras_balance.engine.torch import TRACES as TRACES
    from keras_balance.engine.torch import Engine as Engine
    from keras_balance.engine.torch import replicas as replicas
else:
    raise ImportError(
        "keras_balance trains on the tensorflow, jax and torch backends. "
        f"Received: KERAS_BACKEND={_backend}. Set KERAS_BACKEND to one of them "
        "before importing keras."
    )
