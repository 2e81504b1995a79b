"""What the shape of labels says of them."""


def is_one_hot(shape, num_classes):
    """Whether labels of this shape are one-hot rows."""
    return len(shape) == 2 and shape[1] == num_classes and num_classes > 1
