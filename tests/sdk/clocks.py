"""A clock for tests."""


class Clock:
    """Seconds that pass only when a test says so; serves as wall clock and as monotonic clock."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds
