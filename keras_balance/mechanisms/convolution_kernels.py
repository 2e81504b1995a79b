"""Which variables of an encoder released code touches: those of rank 4."""

import warnings


class TouchesKernels:
    """Mixed into a method whose `variant="code"` changes 2-D kernels alone."""

    def build(self, input_shape):
        super().build(input_shape)
        for name in self.modalities:
            variables = self.encoders[name].trainable_variables
            if variables and not any(self.touches(v) for v in variables):
                warnings.warn(
                    "variant='code' touches kernels of rank 4 alone, and the "
                    f"encoder of '{name}' has none: it learns as in joint "
                    "training. Use variant='paper'.",
                    stacklevel=2,
                )

    def touches(self, variable):
        """Whether the method touches this variable of an encoder."""
        return self.variant == "paper" or len(variable.shape) == 4
