"""The errors that the command line turns into an exit code."""


class UsageError(Exception):
    """Wrong use, or data that is missing or broken: exit code 2.

    Args:
        message: what was expected and what was received.
        hint: the next command to type, or None.
    """

    def __init__(self, message, hint=None):
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self):
        return f"{self.message}\n{self.hint}" if self.hint else self.message
