"""What needs an epoch, or the training data."""
