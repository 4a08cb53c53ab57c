"""Work done ahead: in order, bounded, and with its errors."""

import threading

import pytest

from clip_caer.ahead import ahead


def test_items_come_in_order_and_at_most_depth_ahead():
    made = []

    def items():
        for number in range(10):
            made.append((number, threading.get_ident()))
            yield number

    seen = []
    for number in ahead(items(), depth=3):
        seen.append(number)
        assert len(made) <= number + 4
    assert seen == list(range(10))
    assert {thread for _, thread in made}.isdisjoint({threading.get_ident()})
    assert list(ahead([])) == []


def test_an_error_is_raised_in_its_turn():
    def items():
        yield 1
        raise ValueError("broken")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="broken"):
        next(coming)


def test_who_stops_early_leaves_no_thread():
    before = threading.active_count()
    coming = ahead(iter(range(100)))
    next(coming)
    coming.close()
    assert threading.active_count() == before
