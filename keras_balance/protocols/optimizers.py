"""SGD and Adam as torch.optim has them: L2 is added to the gradient."""

import dataclasses

from keras_balance.protocols.config import RunConfig
from keras_balance.protocols.config import setting


@dataclasses.dataclass(frozen=True)
class Optimizer(RunConfig):
    """Adds the optimizer; the learning rate is `RunConfig`'s."""

    optimizer: str = setting(
        "sgd", "of all variables", source="ours", choices=("sgd", "adam")
    )
    momentum: float = setting(0.9, "of SGD", source="ours", least=0, most=1)
    weight_decay: float = setting(
        1e-4, "L2, added to the gradient", source="ours", least=0
    )


def optimizer(config):
    """The Keras optimizer of a configuration.

    Args:
        config: an `Optimizer`.
    """
    import keras

    from keras_balance.optimizers import CoupledWeightDecay

    if config.optimizer == "sgd":
        plain = keras.optimizers.SGD(
            config.learning_rate, momentum=config.momentum
        )
    else:
        # Keras has 1e-7 where torch.optim.Adam has 1e-8.
        plain = keras.optimizers.Adam(config.learning_rate, epsilon=1e-8)
    return CoupledWeightDecay(plain, config.weight_decay)
