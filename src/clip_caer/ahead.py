"""Work that is done before it is asked for."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """The same items in the same order, while a thread makes the next `depth` of them: memory stays bounded.

    What making one raises is raised when its turn comes.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as worker:
        pending = deque(worker.submit(next, iterator, end) for _ in range(depth))
        while (item := pending.popleft().result()) is not end:
            pending.append(worker.submit(next, iterator, end))
            yield item
