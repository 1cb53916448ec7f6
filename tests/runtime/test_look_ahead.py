"""Work of several threads, in order."""

import threading
import time

from landscribe.runtime.look_ahead import map_in_threads


def test_results_come_in_order_from_a_bounded_number_of_threads() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002 * (5 - item % 5))
        with lock:
            running -= 1
        return item * item

    assert list(map_in_threads(work, range(40), 2)) == [item * item for item in range(40)]
    assert most == 2
    assert list(map_in_threads(work, [])) == []
