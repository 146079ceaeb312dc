"""Work that is done now and then beside other work, of which it shall take little time."""

import time
from collections.abc import Callable


class Seldom:
    """Lets work be done again when enough time has gone by.

    Args:
        every: seconds from one time to the next, at least; the first time after as many.
        times: so many times what it took last, at least, too.
        clock: seconds.

    Examples:
        >>> seldom = Seldom(60, 50)
        >>> seldom.do(lambda: print("a minute is over"))
    """

    def __init__(
        self, every: float, times: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every, self._times, self._clock = every, times, clock
        self._next = clock() + every

    def do(self, work: Callable[[], object]) -> None:
        """Does the work, if it is time."""
        began = self._clock()
        if began >= self._next:
            work()
            now = self._clock()
            self._next = now + max(self._every, self._times * (now - began))
