"""Units of answers: which words are one, and which two are the same."""

import re

from tts_ray.grading.latex import NAMES

SAME = {
    "%": "percent pct percentage %",
    "degree": "° degree degrees deg",
    "$": "$ dollar dollars usd",
    "€": "€ euro euros eur",
    "£": "£ gbp",
    "¥": "¥ yen jpy yuan rmb 元",
    "₹": "₹ rupee rupees inr rs",
    "cent": "cent cents ¢",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "dm": "dm decimeter decimeters decimetre decimetres",
    "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "in": "in inch inches",
    "ft": "ft foot feet",
    "yd": "yd yard yards",
    "mi": "mi mile miles",
    "mg": "mg milligram milligrams",
    "g": "g gram grams",
    "kg": "kg kilogram kilograms",
    "lb": "lb lbs pound pounds",
    "oz": "oz ounce ounces",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "l": "l liter liters litre litres",
    "gal": "gal gallon gallons",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks wk",
    "month": "month months",
    "year": "year years yr yrs",
    "mi/h": "mph",
    "unit": "unit units",
    "rad": "rad rads radian radians",
    "person": "person people persons",
    "°c": "°c celsius",
    "°f": "°f fahrenheit",
}
UNITS = {spelling: unit for unit, spellings in SAME.items() for spelling in spellings.split()}
MEASURES = frozenset(SAME)
"""Units that may follow each other, as in 2 h 30 min."""
ATTACHED = {
    *("cm", "mm", "km", "kg", "mph", "ft", "ml", "mL", "lbs", "pct", "lb", "mg", "hrs", "mins"),
    *("cents", "deg", "am", "pm", "AM", "PM", "th", "st", "nd", "rd"),
}
"""Units that may follow a number without a blank; a lone letter there is a factor."""
MAGNITUDES = {
    **{"dozen": 12, "hundred": 100, "thousand": 1000},
    **{"million": 10**6, "billion": 10**9, "trillion": 10**12},
}
"""Words that multiply."""
CURRENCIES = ("$", "€", "£", "¥", "₹")
NO_UNIT_WORDS = {
    *("mod", "choose", "and", "or", "if", "than", "to", "is", "are", "not", "no", "with", "for"),
    *("but", "only", "when", "where", "while", "then"),
}
"""Words behind a number that make a sentence of it."""
NO_UNIT = (NAMES - {"min"}) | NO_UNIT_WORDS
"""Words of plain letters behind a number that are no unit."""

_POWER = re.compile(r"\s*\^\{?([-+]?\d+)\}?")
_MEGA = re.compile(r"\bM(?=(?:W|J|N|V|Hz|Pa|eV)\b)")
_TEMPERATURE = re.compile(r"(?:°|\bdegrees?)\s*(?:([cf])|(c)elsius|(f)ahrenheit)\b")


def unit_of(text: str) -> str:
    """One spelling of a unit: "square inches", "in^2", "inches^{2}" are "in^2"; a unit of several
    words keeps their order, in the singular."""
    text = _MEGA.sub("mega", text).lower().replace(".", "")
    text = _POWER.sub(lambda found: f"^{found[1]}", text)
    text = _TEMPERATURE.sub(lambda found: f"°{found[1] or found[2] or found[3]}", text)
    text = re.sub(r"\bper\b", "/", text)
    factors = []
    for factor in re.split(r"\s*/\s*", text.strip()):
        words = factor.split()
        power = ""
        for word, exponent in (("square", "2"), ("sq", "2"), ("cubic", "3"), ("cu", "3")):
            if words[:1] == [word]:
                words, power = words[1:], f"^{exponent}"
        for word, exponent in (("squared", "2"), ("cubed", "3")):
            if words[-1:] == [word]:
                words, power = words[:-1], f"^{exponent}"
        factors.append(" ".join(map(_one, words)) + power)
    return "/".join(factors)


def _one(word: str) -> str:
    name, caret, exponent = word.partition("^")
    known = UNITS.get(name)
    if known is None and len(name) > 3 and name.endswith("s") and not name.endswith("ss"):
        known = name[:-1]
    return (known or name) + caret + exponent
