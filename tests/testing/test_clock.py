"""A clock that is set moves everything that asks what time it is, and goes right afterwards."""

from __future__ import annotations

import time

from assay.graphs import desk
from assay.graphs.execution import timestamp
from assay.testing import Clock

DAY = 86400.0


def test_the_clock_is_set_ahead_and_goes_on() -> None:
    true = time.time()

    with Clock() as clock:
        clock.advance("2d")
        clock.advance(DAY)
        ahead = time.time() - true
        clock.reach(true + 4 * DAY)
        clock.reach(true)  # is past
        further = time.time_ns() / 1e9 - true
        told = timestamp()

    assert 3 * DAY <= ahead < 3 * DAY + 3600
    assert 4 * DAY <= further < 4 * DAY + 3600
    assert told[:10] == time.strftime("%Y-%m-%d", time.gmtime(true + further))
    assert time.time() - true < 3600


def test_what_it_changes_is_put_back() -> None:
    before = (time.time, time.time_ns, desk.LOOK_AGAIN)

    with Clock():
        assert time.time is not before[0]

    assert (time.time, time.time_ns, desk.LOOK_AGAIN) == before
