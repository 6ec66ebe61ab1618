"""The rate limit: each caller has a bucket of its own."""

from resumer_daemon.api.middleware import KEPT, RateLimiter


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def granted(rate: RateLimiter, who: str) -> bool:
    if rate.wait(who) > 0:
        return False
    rate.count(who)
    return True


def test_as_many_as_a_second_has_may_come_at_once_and_then_one_by_one():
    clock = Clock()
    rate = RateLimiter(5.0, clock)
    assert [granted(rate, "a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert rate.wait("a") == 0.2
    clock.now = 0.2
    assert [granted(rate, "a") for _ in range(2)] == [True, False]
    clock.now = 100.0
    assert [granted(rate, "a") for _ in range(7)] == [True] * 5 + [False] * 2


def test_each_has_a_bucket_of_its_own():
    rate = RateLimiter(1.0, Clock())
    assert granted(rate, "a")
    assert not granted(rate, "a")
    assert granted(rate, "b")


def test_even_less_than_one_a_second_is_one_at_first():
    clock = Clock()
    rate = RateLimiter(0.1, clock)
    assert granted(rate, "a")
    assert rate.wait("a") == 10.0


def test_asking_for_how_long_costs_nothing():
    rate = RateLimiter(1.0, Clock())
    assert [rate.wait("a") for _ in range(3)] == [0.0] * 3
    assert granted(rate, "a")


def test_the_memory_is_bounded_and_forgets_who_was_not_seen_for_longest():
    rate = RateLimiter(1.0, Clock())
    for number in range(KEPT):
        rate.count(str(number))
    rate.count("0")
    rate.count("one more")
    assert rate.wait("0") > 0
    assert rate.wait("1") == 0
