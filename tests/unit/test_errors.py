"""What others say, made into one line."""

import traceback

import pytest

from tts_ray.text import one_line, traceback_end


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[36mray::Actor()\x1b[39m  said\r\n\tno\x00\x07", "ray::Actor() said no"),
        ("\x1b]0;a title\x07text\x1b]8;;http://x\x1b\\link\x1b[0m", "textlink"),
        ("\x1b[2J\x1bcgone\x1b", "gone"),
        ("a\ud800b\u202ec\u2028d", "a b c d"),
        (b"bytes".decode(), "bytes"),
        ("x" * 300, "x" * 197 + "..."),
        ("", ""),
    ],
)
def test_a_text_becomes_one_printable_line(text, line):
    assert one_line(text) == line


def raised(error):
    try:
        raise error
    except type(error):
        return traceback.format_exc()


def test_a_text_without_a_traceback_has_no_end_of_one():
    assert traceback_end("ValueError: no\n  more") == []


def test_a_traceback_ends_in_its_error_with_all_lines_of_the_message():
    text = raised(ValueError("2 errors\nlength\n  must be positive\n    For further information"))
    assert traceback_end(text)[:3] == ["ValueError: 2 errors", "length", "  must be positive"]


def test_the_module_of_an_error_is_left_out():
    from tts_ray.errors import ConfigError

    assert traceback_end(raised(ConfigError("x: y.z"))) == ["ConfigError: x: y.z"]
    assert traceback_end(raised(ConfigError())) == ["ConfigError"]


def test_of_errors_that_caused_each_other_it_is_the_last():
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        assert traceback_end(traceback.format_exc()) == ["RuntimeError: outer"]


def test_a_traceback_that_was_cut_short_has_its_last_line():
    assert traceback_end('  File "a.py", line 3, in f\n    g()') == ["    g()"]
    assert traceback_end('  File "a.py", line 3, in f') == ['  File "a.py", line 3, in f']
