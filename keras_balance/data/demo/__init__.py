"""What generated data sets draw, sound and write alike."""
