"""Clock threads: one waits for what is due next, and leads; the others follow (semantics 10.3).

Who leads until a tick is due hands the lead to another thread and runs that tick itself, at once: no tick waits for a
hand-over. There is always one thread more than ticks that run, so somebody always leads, and sees what is late while
it runs. (Schmidt et al., "Leader/Followers", 2000.)
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from ...resources.thread_exit import end_with_process
from .agenda import Agenda
from .priority import get_ready, precise, real_time

__all__ = ["Leaders"]

LONG = 0.005
"""Seconds from which a wait can be broken off; a shorter one is slept through, which is more precise."""

EARLY = 0.002
"""Seconds before the instant at which a long wait ends, for the rest to be slept."""


class Leaders:
    """The threads of one clock.

    Args:
        name: of the clock. agenda: what is to be done. most: how many threads there may be.
        spin: seconds before each instant that are not slept, but spun away. realtime: ask for a real-time priority.
        failed: is told what must not happen. ended: called when the last thread has ended that is waited for.

    Attributes:
        granted: what priority was granted, or why not; of the last thread that asked.
    """

    def __init__(
        self,
        name: str,
        agenda: Agenda,
        most: int,
        *,
        spin: float,
        realtime: bool,
        failed: Callable[[BaseException], None],
        ended: Callable[[], None],
    ) -> None:
        self.granted = ""
        self._name = name
        self._agenda = agenda
        self._most = most
        self._spin = spin
        self._realtime = realtime
        self._failed = failed
        self._ended = ended
        self._lead = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._stuck: dict[threading.Thread, str] = {}
        self._gone: list[threading.Thread] = []
        self._made = 0
        self._following = self._coming = 0
        self._over = False
        get_ready()

    now = staticmethod(time.monotonic)

    def start(self) -> None:
        """Begin."""
        with self._agenda.lock:
            threads = [self._make(), self._make()]
        end_with_process(self)
        for thread in threads:
            thread.start()

    def close(self) -> None:
        """Let each thread end when it has done what it is at."""
        with self._agenda.lock:
            self._over = True
            self._agenda.changed.notify_all()

    def wake(self) -> None:
        """Something may be due earlier than it was: what was put on the agenda has said so."""

    def one_more(self) -> None:
        """A thread is stuck and given up; with the agenda's lock held."""
        self._most += 1

    def leave(self, who: dict[int, str]) -> None:
        """Give up the threads that still run.

        Args:
            who: by the identity of a thread, the node whose tick it is at.
        """
        with self._agenda.lock:
            self._stuck = {thread: who.get(thread.ident or 0, self._name) for thread in self._threads}
            gone, self._gone = self._gone, []
        for thread in gone:  # they are at their very end
            thread.join()

    @property
    def alive(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def outlast(self) -> dict[threading.Thread, str]:
        """The threads that are stuck as the process ends, and the nodes whose ticks they are at."""
        return {thread: who for thread, who in self._stuck.items() if thread.is_alive()}

    # --- a thread's part

    def _make(self) -> threading.Thread:
        self._made += 1
        thread = threading.Thread(target=self._serve, name=f"nodeloom-{self._name}_{self._made}", daemon=False)
        self._threads.add(thread)
        self._coming += 1
        return thread

    def _serve(self) -> None:
        try:
            precise()
            if self._realtime:
                self.granted = real_time()
            with self._agenda.lock:
                self._coming -= 1
            while self._followed():
                while not self._over and (work := self._agenda.take(self.now())) is not None:
                    work()
        except BaseException as error:  # nothing of a clock ends in silence
            self._failed(error)
        finally:
            self._left()

    def _followed(self) -> bool:
        """Follow, then lead until something is due; False when it is over.

        The lead is handed on before the tick is taken: should the system stop this thread just then, the tick is not
        begun, and whoever leads takes it.
        """
        self._take_the_lead()
        try:
            self._have_a_follower()
            while not self._over and not self._waited():
                pass
            return not self._over
        finally:
            self._lead.release()

    def _take_the_lead(self) -> None:
        # Whoever was quick takes the lead back before its heir has woken: one switch of threads less a tick.
        if not self._lead.acquire(blocking=False):
            with self._agenda.lock:
                self._following += 1
            self._lead.acquire()
            with self._agenda.lock:
                self._following -= 1

    def _have_a_follower(self) -> None:
        """Who begins to lead sees to it that there is somebody to hand the lead to."""
        with self._agenda.lock:
            if self._following or self._coming or self._over or len(self._threads) >= self._most:
                return
            thread = self._make()
        thread.start()

    def _waited(self) -> bool:
        """Wait until something is due; False where there is something else to wait for first."""
        agenda = self._agenda
        with agenda.lock:
            at = agenda.next_at() - self._spin
            left = at - self.now()
            if left > LONG:
                if not self._over:
                    agenda.changed.wait(None if at == math.inf else left - EARLY)
                return False
        if left > 0:
            time.sleep(left)
        while self._spin and self.now() < at + self._spin:
            pass
        return True

    def _left(self) -> None:
        with self._agenda.lock:
            self._threads.discard(threading.current_thread())
            self._gone.append(threading.current_thread())
        self._ended()
