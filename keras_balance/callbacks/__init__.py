"""Keras callbacks: what needs an epoch, or the training data."""

from keras_balance.callbacks.balance_monitor import BalanceMonitor

__all__ = ["BalanceMonitor"]
