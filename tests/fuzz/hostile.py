"""What may come in from outside: values that do not fit, and damage to text and bytes."""

import math

import yaml

VALUES = [
    *(
        None,
        True,
        False,
        "",
        " ",
        "x",
        "y" * 300,
        "z" * 5000,
        "a/b",
        "../../x",
        "a:b",
        "[/]",
        ":b:",
    ),
    *(0, 1, -1, 3, 2**31, 2**63, -(2**63) - 1, 10**30, 1e-9, 0.5, -0.5, 1e308, 1e5),
    *(math.nan, math.inf, -math.inf, "nan", "inf", "1e5", "8321e05062133190", "null", "???", "~"),
    *([], {}, [[]], [None], [1, "x"], {"a": 1}, {"": 0}, [0] * 50, {"name": "best_of_n"}),
    *("${oc.env:HOME}", "${oc.env:NOT_SET}", "${policy.name}", "${", "${x:y}", "${run}", "\ufeff"),
    *("\x1b[31mred", "line\nline", "tab\t", "nul\x00", "é", "日本", "\u202e", "$HOME", "*", "!!x"),
    *(range(3), b"bytes", ("t", 1)),
]
"""Python's own kinds among them reach the package only through its Python interface."""

BYTES = [b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"{", b"}", b"[" * 3000, b"- " * 40]
BYTES += [
    b"&a [*a]",
    b"<<: *x",
    b"!!python/object/apply:os.system [id]",
    b": : :",
    b"\t",
    b"%YAML 9",
]
BYTES += [b"1e999999", b"9" * 5000, b'"\\ud800"', b"NaN", b"\x1b[2J", b"'", b'"', b"# "]

NO_DATA = [
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
    b"<!DOCTYPE html><html><body>404</body></html>",
    '{"problem": "q", "answer": "1"}'.encode("utf-16"),
    '{"problem": "q", "answer": "1"}'.encode("utf-16-be"),
    '{"problem": "caf\u00e9", "answer": "1"}'.encode("latin-1"),
    *(
        b"PAR1",
        b"PAR1PAR1",
        b"\x1f\x8b",
        b"\x1f\x8b\x08\x00",
        b"PK\x03\x04",
        b"[[[",
        b"[,]",
        b"[{}",
    ),
    b'{"data": [{"problem": "q", "answer": "1"}]}',
    *(b"problem,answer\nq", b'problem,answer\n"q', b"problem,problem,answer\na,b,c", b",\n,"),
    b"problem,answer\n" + b"q" * 200_000 + b",1",
    *(b"[" * 100_000, b"0" * 5000, b"problem,answer\rq,1\r", b"\n\n\n", b"null", b'"'),
]
"""Files that lie where data should."""


def damaged(content: bytes, dice) -> bytes:
    """The content with one to three random changes to its bytes."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randint(0, len(content))
        size = dice.choice([1, 2, 10, 100])
        match dice.randrange(7):
            case 0:
                content = content[:at]
            case 1:
                content = content[:at] + content[at + size :]
            case 2:
                content = content[:at] + dice.choice(BYTES) + content[at:]
            case 3:
                content = content[:at] + content[at : at + size] * 3 + content[at + size :]
            case 4 if content:
                at = min(at, len(content) - 1)
                flipped = bytes([content[at] ^ (1 << dice.randrange(8))])
                content = content[:at] + flipped + content[at + 1 :]
            case 5:
                content = dice.choice(BYTES)
            case _:
                content = content[:at] + dice.randbytes(size) + content[at + size :]
    return content


def changed(value, dice):
    """Plain containers with one value somewhere replaced, left out, or joined by another."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice([*value])
        match dice.randrange(8):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {**value, dice.choice(["x", "name", 5, None, "é", key]): dice.choice(VALUES)}
            case 2:
                return {**value, key: dice.choice(VALUES)}
            case _:
                return {**value, key: changed(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        return [*value[:at], changed(value[at], dice), *value[at + 1 :]]
    if dice.random() < 0.1:
        deep = dice.choice(VALUES)
        for _ in range(dice.choice([3, 60])):
            deep = dice.choice([[deep], {"a": deep}])
        return deep
    return dice.choice(VALUES)


def as_yaml(value, dice) -> bytes:
    """Containers as a YAML file, now and then one that is damaged further."""
    content = yaml.dump(value, allow_unicode=dice.random() < 0.5).encode("utf-8", "surrogatepass")
    return damaged(content, dice) if dice.random() < 0.3 else content
