"""Earlier values of variables, to go back to."""

from keras import ops


class Snapshot:
    """Copies of variables, kept as non-trainable weights of a model.

    Being weights they are saved with the model. Made in `build`, where a
    model's weights are made; `take` and `restore` are called between epochs.

    Args:
        model: the model that is given the copies as weights.
        variables: list of variables of the model.
        name: string, the prefix of the copies' names.
    """

    def __init__(self, model, variables, name):
        self.variables = list(variables)
        self.copies = [
            model.add_weight(
                name=f"{name}_{index}",
                shape=v.shape,
                dtype=v.dtype,
                initializer="zeros",
                trainable=False,
            )
            for index, v in enumerate(self.variables)
        ]

    def take(self):
        """Remembers what the variables hold."""
        _assign(self.copies, self.variables)

    def restore(self):
        """Gives the variables what was remembered."""
        _assign(self.variables, self.copies)


def _assign(targets, sources):
    for target, source in zip(targets, sources, strict=True):
        # A copy: two variables may not share a buffer that JAX donates.
        target.assign(ops.copy(ops.convert_to_tensor(source)))
