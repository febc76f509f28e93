"""A refusal in words: what an administrator's or a person's input must look like."""


class Refused(ValueError):
    """Input that cannot be accepted: `field` names it, `message` says what was expected."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
