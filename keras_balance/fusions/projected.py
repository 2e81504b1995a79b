"""The base of fusions that first map every modality to a common width."""

from keras_balance.fusions.fusion import Fusion


class Projected(Fusion):
    """o^m = z^m W^m + c^m, each map belonging to its modality.

    Args:
        units: integer, the common width, or None for the subclass's choice.
        **kwargs: arguments of `Fusion`.
    """

    def __init__(self, units=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build_projections(self, shapes, width):
        """Builds the maps from features of these shapes.

        Args:
            shapes: list of M shapes `(batch, dim)`.
            width: integer, the width where `units` is None.

        Returns:
            Integer, the common width.
        """
        units = self.units or width
        self.projections = [
            self.dense(units, name=f"projection_{i}")
            for i in range(len(shapes))
        ]
        for projection, shape in zip(self.projections, shapes, strict=True):
            projection.build(shape)
        return units

    def project(self, features):
        """o^m for each modality, a list of `(batch, units)`."""
        return [
            projection(z)
            for projection, z in zip(self.projections, features, strict=True)
        ]

    def own_layers(self):
        return self.projections

    def get_config(self):
        return {**super().get_config(), "units": self.units}
