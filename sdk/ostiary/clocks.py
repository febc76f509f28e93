"""The clock by which knowledge ages: one that goes on while the machine sleeps, where the system has such a one. Pure.

`time.monotonic` stands still in suspend on Linux. A laptop, or a virtual machine that was put away for the night, would
wake with revocations of yesterday, a second old by that clock.
"""

import time
from collections.abc import Callable
from functools import partial

# A partial and no function: it is asked twice for every request, and has to cost as little as `time.monotonic`.
since_boot: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
