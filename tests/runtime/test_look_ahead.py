"""Work of several threads, in order."""

import threading
import time

from landscribe.runtime.look_ahead import map_in_threads


def test_results_come_in_order_and_the_first_item_is_alone() -> None:
    running, most, first_ended = 0, 0, False
    lock = threading.Lock()

    def work(item: int) -> int:
        nonlocal running, most, first_ended
        with lock:
            running += 1
            most = max(most, running)
            assert first_ended == (item > 0)
        time.sleep(0.002 * (5 - item % 5))
        with lock:
            running -= 1
            first_ended = True
        return item * item

    assert list(map_in_threads(work, range(40))) == [item * item for item in range(40)]
    assert most == 2
    assert list(map_in_threads(work, [])) == []
