"""One optimizer per group of variables, each with its own clock."""

import keras

from keras_balance.optimizers.indices import check_indices
from keras_balance.optimizers.wrapper import Wrapper
from keras_balance.optimizers.wrapper import check_inner
from keras_balance.optimizers.wrapper import deserialize
from keras_balance.optimizers.wrapper import serialize


def clone(optimizer, name):
    """Return an unbuilt optimizer of the same configuration."""
    config = {**optimizer.get_config(), "name": name}
    return type(optimizer).from_config(config)


@keras.saving.register_keras_serializable(package="keras_balance")
class PerModality(Wrapper):
    """Train groups of variables apart, whatever the optimizer.

    `apply` may be given any part of the variables (or None gradients): only
    the groups that have a gradient are stepped. The others do not move, by
    neither momentum nor decay, and their `iterations` stand still. Schedules,
    clipping, accumulation and averages count a group's own updates.

    `optimizers` is the list of optimizers, one per group: Keras's learning
    rate callbacks go through it, and single rates can be set there.

    Args:
        optimizer: a `keras.optimizers.Optimizer`, cloned by configuration for
            each group, or a list of optimizers, one per group.
        groups: list of lists of ints, one per group: indices in the list of
            variables that the optimizer is built on. Together they hold
            every index exactly once; a group may be empty. None: to be given
            to `set_groups` before the optimizer is built.
        name: optional name.

    Raises:
        ValueError: an index is repeated or not an int >= 0; there are not as
            many optimizers as groups; at build, there are no groups or they
            do not cover the variables.
    """

    def __init__(self, optimizer, groups=None, name=None):
        super().__init__(name=name)
        shared = not isinstance(optimizer, (list, tuple))
        optimizers = [optimizer] if shared else list(optimizer)
        if not optimizers:
            raise ValueError(
                "expected an optimizer or a list of them, one per group. "
                f"Received: optimizer={optimizer!r}"
            )
        for inner in optimizers:
            check_inner(inner)
        if len({inner.loss_scale_factor for inner in optimizers}) > 1:
            raise ValueError(
                "expected all optimizers to have the same loss_scale_factor. "
                "Received: "
                f"{[inner.loss_scale_factor for inner in optimizers]}"
            )
        self.shared = shared
        self.optimizers = optimizers
        self.index_groups = None
        if groups is not None:
            self.set_groups(groups)

    def inner_optimizers(self):
        # Empty while the base constructor runs.
        return getattr(self, "optimizers", [])

    @property
    def groups(self):
        """The groups as a list of lists of ints, or None if not given yet."""
        if self.index_groups is None:
            return None
        return [list(group) for group in self.index_groups]

    def set_groups(self, groups):
        """Give the groups to an optimizer constructed without them.

        Args:
            groups: list of lists of variable indices, as in the constructor.
        """
        if self.index_groups is not None:
            raise ValueError(
                "expected groups to be given once; construct a new "
                f"PerModality for other groups. Received: groups={groups}"
            )
        checked = tuple(check_indices("a group", group) for group in groups)
        check_indices("groups", [i for group in checked for i in group])
        if self.shared:
            template = self.optimizers[0]
            self.optimizers = [
                clone(template, f"{template.name}_{k}")
                for k in range(len(checked))
            ]
        if len(self.optimizers) != len(checked):
            raise ValueError(
                f"expected one optimizer per group ({len(checked)} groups). "
                f"Received: {len(self.optimizers)} optimizers"
            )
        self.index_groups = checked

    def build(self, variables):
        if self.built:
            return
        if self.index_groups is None:
            raise ValueError(
                "expected the groups before the optimizer is built: "
                "PerModality(optimizer, groups=[[0, 1], [2, 3]]) or "
                "optimizer.set_groups(...). Received: groups=None"
            )
        covered = sorted(i for group in self.index_groups for i in group)
        if covered != list(range(len(variables))):
            raise ValueError(
                "expected groups that hold each index from 0 to "
                f"{len(variables) - 1} exactly once, for {len(variables)} "
                f"variables. Received: groups={self.groups}"
            )
        for optimizer, group in zip(
            self.optimizers, self.index_groups, strict=True
        ):
            optimizer.build([variables[i] for i in group])
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        if len(grads) == 0:
            return
        triples = self.match(grads, trainable_variables)
        for optimizer, group in zip(
            self.optimizers, self.index_groups, strict=True
        ):
            members = set(group)
            pairs = [(g, v) for g, v, i in triples if i in members]
            if pairs:
                optimizer.apply([g for g, _ in pairs], [v for _, v in pairs])
        self.iterations.assign_add(1)

    def reset(self, group):
        """Put a group's optimizer back to its state before the first step.

        Slots, averages and `iterations` start anew, as for a new stage of
        training; the learning rate keeps its present value. To be called
        between epochs (it creates variables, so not inside a train step).

        Args:
            group: int, index of the group.
        """
        optimizer = self.optimizers[group]
        fresh = clone(optimizer, optimizer.name)
        fresh.build([self._trainable_variables[i] for i in self.groups[group]])
        for variable, initial in zip(
            optimizer.variables, fresh.variables, strict=True
        ):
            variable.assign(keras.ops.convert_to_numpy(initial))

    def finalize_variable_values(self, var_list):
        indices = {self._get_variable_index(v): v for v in var_list}
        for optimizer, group in zip(
            self.optimizers, self.index_groups, strict=True
        ):
            members = [indices[i] for i in group if i in indices]
            # Before the first step averages are zeros.
            if members and int(
                keras.ops.convert_to_numpy(optimizer.iterations)
            ):
                optimizer.finalize_variable_values(members)

    def get_config(self):
        inner = [serialize(optimizer) for optimizer in self.optimizers]
        template = self.shared and self.index_groups is None
        return {
            "optimizer": inner[0] if template else inner,
            "groups": self.groups,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        inner = config.pop("optimizer")
        if isinstance(inner, (list, tuple)):
            optimizer = [
                deserialize(one, custom_objects=custom_objects) for one in inner
            ]
        else:
            optimizer = deserialize(inner, custom_objects=custom_objects)
        return cls(optimizer, **config)


def one_per_group(optimizer, count):
    """A `PerModality` of clones, its groups to be given later.

    Made before the model is built, which may be symbolically, where no
    variable can be created.

    Args:
        optimizer: `keras.optimizers.Optimizer`. A `PerModality` is returned
            as it is; a `LossScaleOptimizer` is put around the clones, since
            the loss has one scale.
        count: int, the number of groups.
    """
    if isinstance(optimizer, PerModality):
        return optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        inner = one_per_group(optimizer.inner_optimizer, count)
        if inner is optimizer.inner_optimizer:
            return optimizer
        return keras.optimizers.LossScaleOptimizer(
            inner,
            initial_scale=optimizer.initial_scale,
            dynamic_growth_steps=optimizer.dynamic_growth_steps,
        )
    return PerModality(
        [clone(optimizer, f"{optimizer.name}_{i}") for i in range(count)]
    )
