from lightpool.utils.remembered import Remembered


def test_a_result_is_made_once():
    numbers = Remembered[list](4)
    first = numbers.get("a", list)
    assert numbers.get("a", list) is first
    assert numbers.get("b", list) is not first


def test_the_result_that_was_used_longest_ago_is_forgotten_first():
    numbers = Remembered[list](2)
    first = numbers.get("a", list)
    second = numbers.get("b", list)
    numbers.get("a", list)
    numbers.get("c", list)
    assert len(numbers) == 2
    assert numbers.get("a", list) is first
    assert numbers.get("b", list) is not second


def test_an_error_is_not_remembered():
    numbers = Remembered[float](2)
    for _ in range(2):
        try:
            numbers.get("a", lambda: 1 / 0)
        except ZeroDivisionError:
            continue
        raise AssertionError
    assert numbers.get("a", lambda: 1.0) == 1.0
