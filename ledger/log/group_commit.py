"""Group commit: many callers with one item each share one commit.

A caller that finds no commit in progress commits at once. Callers that arrive meanwhile wait, and the first of them
then commits for all. So a single caller has no delay, and groups grow as the disk gets slower. There is no background
thread to start or stop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, cast

from ledger.errors import TransientError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

GROUP_MAX: Final = 1000
"""Weight of a commit: items, unless the caller weighs them."""

WAITING_MAX: Final = 4096
"""Weight that may wait; the next caller is refused at once, so that a slow disk does not become a full memory."""


class OverloadedError(TransientError):
    """Too many callers wait for a commit already."""


@dataclass(slots=True, eq=False)
class _Place(Generic[Item, Answer]):
    """One caller in the queue. `called` is set when it has its result, or when it is its turn to commit."""

    item: Item
    weight: int
    called: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    problem: BaseException | None = None
    done: bool = False


class Gather(Generic[Item, Answer]):
    """Call it from any number of threads; each call returns the result of `commit` for its item.

    `commit` takes items in the order of arrival and returns results in that order. An exception from it reaches exactly
    the callers whose items were in that commit.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        group_max: int = GROUP_MAX,
        waiting_max: int = WAITING_MAX,
        weigh: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        """A commit takes items up to a total weight of `group_max`; a heavier item is committed alone."""
        self._commit = commit
        self._group_max = group_max
        self._waiting_max = waiting_max
        self._weigh = weigh
        self._waiting = 0
        self._lock = threading.Lock()
        self._queue: deque[_Place[Item, Answer]] = deque()
        self._committing = False

    @property
    def waiting(self) -> int:
        """Return the total weight of the items that wait for a commit."""
        return self._waiting

    def __call__(self, item: Item) -> Answer:
        seat: _Place[Item, Answer] = _Place(item, self._weigh(item))
        with self._lock:
            if self._waiting and self._waiting + seat.weight > self._waiting_max:
                raise OverloadedError(
                    f"{len(self._queue)} callers wait for a commit already; nothing was kept, try again later"
                )
            self._queue.append(seat)
            self._waiting += seat.weight
            if not self._committing:
                self._committing = True
                seat.called.set()
        try:
            seat.called.wait()
            if not seat.done:
                self._lead()
        except BaseException:
            self._leave(seat)
            raise
        if seat.problem is not None:
            raise seat.problem
        return cast("Answer", seat.answer)

    def _lead(self) -> None:
        """Commit the caller's own item, which is the head of the queue, and those behind it."""
        with self._lock:
            group = [self._queue.popleft()]
            weight = group[0].weight
            while self._queue and weight + self._queue[0].weight <= self._group_max:
                group.append(self._queue.popleft())
                weight += group[-1].weight
            self._waiting -= weight
        for seat in group:  # until it is known better, nobody may believe anything
            seat.problem = TransientError("the commit was interrupted; send it again to learn what became of it")
        try:
            answers = self._commit([seat.item for seat in group])
            for seat, answer in zip(group, answers, strict=True):
                seat.answer = answer
            for seat in group:
                seat.problem = None
        except Exception as problem:  # noqa: BLE001  it is raised again, in every caller it belongs to
            for seat in group:
                seat.problem = _own(problem)
        finally:
            with self._lock:
                for seat in group:
                    seat.done = True
                following = self._hand_on()
            for seat in group:
                seat.called.set()
            if following is not None:
                following.called.set()

    def _hand_on(self) -> _Place[Item, Answer] | None:
        """Wake the thread whose turn it is; call under the lock."""
        following = self._queue[0] if self._queue else None
        self._committing = following is not None
        return following

    def _leave(self, place: _Place[Item, Answer]) -> None:
        """Remove an interrupted caller: its item is not committed, and the next caller takes its turn."""
        with self._lock:
            if place not in self._queue:
                return
            self._queue.remove(place)
            self._waiting -= place.weight
            following = self._hand_on() if place.called.is_set() else None
        if following is not None:
            following.called.set()


def _own(problem: Exception) -> Exception:
    """Return a copy of the exception for one thread, because raising writes into it.

    An exception that cannot be copied is replaced by its text.
    """
    try:
        error = copy(problem)
    except Exception:  # noqa: BLE001  whatever its constructor asks for
        error = TransientError(f"the commit failed: {type(problem).__name__}: {problem}")
    error.__cause__ = problem
    return error
