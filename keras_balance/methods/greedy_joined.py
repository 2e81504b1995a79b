"""Encoders that are joined by MMTM units between their stages."""

from keras_balance.encoders.staged import Staged
from keras_balance.fusions.mmtm import MMTM
from keras_balance.models import absent
from keras_balance.models import masks
from keras_balance.models.balanced import BalancedModel


class JoinedModel(BalancedModel):
    """Multiplies what stages of encoders yield by gates from all of them.

    Encoders that are all `keras_balance.encoders.Staged` are joined after
    stages; others on their features.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        ratio: integer, see `keras_balance.fusions.mmtm.MMTM`.
        joined: tuple of indices of stages, from 0, with a unit after each; or
            None for all that every encoder has.
        data_format: see `keras_balance.fusions.mmtm.MMTM`.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: where `joined` names stages that an encoder lacks.
    """

    joins_encoders = True

    def __init__(
        self,
        encoders,
        num_classes,
        ratio=4,
        joined=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(encoders, num_classes, **kwargs)
        self.ratio = ratio
        self.joined = self._joined_stages(joined)
        self.units = [
            MMTM(ratio, data_format, name=f"mmtm_{i}") for i in self.joined
        ]
        self.data_format = self.units[0].data_format

    def _joined_stages(self, joined):
        shared = min(len(self.stages_of(name)) for name in self.modalities)
        if joined is None:
            return tuple(range(shared))
        joined = tuple(joined)
        if not joined or not set(joined) <= set(range(shared)):
            raise ValueError(
                "joined must hold indices of stages that all encoders have, "
                f"from 0 to {shared - 1}. Received: joined={joined}"
            )
        return joined

    def stages_of(self, name):
        """The parts of an encoder after which modalities may be joined."""
        if all(isinstance(e, Staged) for e in self.encoders.values()):
            return self.encoders[name].stages
        return [self.encoders[name]]

    def build(self, input_shape):
        super().build(input_shape)
        shapes = []
        for name, dim in zip(self.modalities, self.feature_dims, strict=True):
            one = len(self.stages_of(name)) == 1
            own = [(None, dim)] if one else self.encoders[name].stage_shapes
            shapes.append(own)
        for unit, stage in zip(self.units, self.joined, strict=True):
            if not unit.built:
                unit.build([own[stage] for own in shapes])

    def forward_pass(self, inputs, training=False):
        return self.run(inputs, training)[0]

    def run(self, inputs, training, replace=None):
        """A forward pass, with the gates of every unit.

        Args:
            inputs: dict of tensors by modality name.
            training: boolean.
            replace: None, or a callable `(unit, gates)` that returns the gates
                to apply instead of those that unit number `unit` computed.

        Returns:
            `(outputs, gates)`: `Outputs`, and a list by unit of lists by
            modality of `(batch, channels)`, as computed.
        """
        given = {
            name: self.preprocess(name, inputs, training=training)
            for name in self.modalities
        }
        features, gates = self._stages(given, inputs, training, replace)
        return self.combine(features, inputs, training=training), gates

    def features_given(self, given, inputs, training=False):
        return self._stages(given, inputs, training)[0]

    def _stages(self, given, inputs, training, replace=None):
        """Features, and the gates of every unit; see `run`."""
        present = self.presence(inputs)
        maps = {name: given[name] for name in self.modalities}
        gates = []
        stages = {name: self.stages_of(name) for name in self.modalities}
        for i in range(max(len(own) for own in stages.values())):
            for name, own in stages.items():
                if i < len(own):
                    rests = name in self.resting
                    maps[name] = self._part(
                        own[i],
                        maps[name],
                        present.get(name),
                        training and not rests,
                    )
            if i not in self.joined:
                continue
            maps = _masked(maps, present)
            unit = self.units[self.joined.index(i)]
            found = unit(list(maps.values()))
            used = found if replace is None else replace(len(gates), found)
            gates.append(found)
            maps = {
                name: masks.like(unit.scaled(x, gate), x)
                for (name, x), gate in zip(maps.items(), used, strict=True)
            }
            # The next parts need not be defined at zero either.
            maps |= {
                m: masks.like(absent.fill(maps[m], own), maps[m])
                for m, own in present.items()
            }
        return _masked(maps, present), gates

    def _part(self, layer, x, present, training):
        if present is None:
            return layer(x, training=training)
        return absent.run(layer, x, present, training)

    def get_config(self):
        return {
            **super().get_config(),
            "ratio": self.ratio,
            "joined": self.joined,
            "data_format": self.data_format,
        }


def _masked(maps, present):
    """Zero in the rows that lack the modality, whatever they hold."""
    return maps | {
        m: masks.like(absent.zero(maps[m], own), maps[m])
        for m, own in present.items()
    }
