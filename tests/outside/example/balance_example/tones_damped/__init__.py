"""Damped training on tones and pictures."""
