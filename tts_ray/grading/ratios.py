"""Ratios and times of day, which look alike: 2:30 may be either."""

from tts_ray.grading.exact import exact_value
from tts_ray.grading.expression import Node
from tts_ray.grading.readings import Clock, Quantity, Ratio, Reading
from tts_ray.grading.rules import Rule
from tts_ray.grading.value import same_value


def same_clock_or_ratio(left: Clock | Ratio, right: Clock | Ratio) -> Rule | None:
    """Two that may be times of day, as 2:30 and 1:15, are equal as such only; ratios by value."""
    one, two = as_clock(left), as_clock(right)
    if one is not None and two is not None:
        return Rule.CLOCK if same_time(one, two) else None
    if isinstance(left, Ratio) and isinstance(right, Ratio) and same_ratio(left, right):
        return Rule.RATIO
    return None


def as_clock(found: Clock | Ratio) -> Clock | None:
    """The time of day that a ratio may be; None if it cannot."""
    if isinstance(found, Clock):
        return found
    parts = found.text.split(":")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or len(parts[1]) != 2:
        return None
    hour, minute = map(int, parts)
    return Clock(hour, minute, "") if hour <= 24 and minute < 60 else None


def same_time(left: Clock, right: Clock) -> bool:
    """12-hour times with their half of the day, or 24-hour times; the half may be left out."""
    if left.minute != right.minute or (left.half and right.half and left.half != right.half):
        return False
    if left.hour == right.hour:
        return True
    hours = [each.hour % 12 + 12 * (each.half == "pm") for each in (left, right) if each.half]
    others = [each.hour for each in (left, right) if not each.half]
    return len(hours) == len(others) == 1 and hours == others


def same_ratio(left: Ratio, right: Ratio) -> bool:
    """Whether two ratios of numbers are the same, whatever they are reduced by; one to 0 is none,
    but a time of day."""
    one, two = numbers(left), numbers(right)
    if any(exact_value(each) == 0 for each in (*one, *two)):
        return False
    return len(one) == len(two) > 1 and all(
        same_value(Node("*", (one[0], b)), Node("*", (a, two[0])))
        for a, b in zip(one[1:], two[1:], strict=True)
    )


def numbers(ratio: Ratio) -> list[Node]:
    """The parts of a ratio; none if one of them is no expression without a unit."""
    found = [each.value for each in ratio.parts if isinstance(each, Quantity) and not each.unit]
    return found if len(found) == len(ratio.parts) else []


def same_quotient(left: Reading, right: Reading) -> Rule | None:
    """A ratio of two is also its quotient."""
    ratio, other = (left, right) if isinstance(left, Ratio) else (right, left)
    assert isinstance(ratio, Ratio)
    parts = numbers(ratio)
    if len(parts) != 2 or not isinstance(other, Quantity) or other.unit or as_clock(ratio):
        return None
    return Rule.RATIO if same_value(Node("/", tuple(parts)), other.value) else None


def same_hour(left: Reading, right: Reading) -> Rule | None:
    """A full hour of the day is also its number."""
    clock, other = (left, right) if isinstance(left, Clock) else (right, left)
    assert isinstance(clock, Clock)
    if clock.minute or not isinstance(other, Quantity) or other.unit:
        return None
    return Rule.CLOCK if exact_value(other.value) == clock.hour else None
