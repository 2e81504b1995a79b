"""A recipe's run: its configuration, folder, state and the runner."""
