"""Where code and files of others are run and read: whatever goes wrong there is one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from tts_ray.engines.json_object import reason
from tts_ray.errors import ConfigError, TtsError


@contextmanager
def refused(what: str, remedy: str) -> Iterator[None]:
    """Turn every error of the body that is not ours into "{what}: {the error}; {remedy}". A panic
    of a library in Rust is not even an Exception.

    Raises:
        ConfigError: in place of any other error.
    """
    try:
        yield
    except (TtsError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        raise ConfigError(f"{what}: {kind}{reason(error)}; {remedy}") from None


@contextmanager
def called(name: str) -> Iterator[None]:
    """Put the name of a model before what is wrong with one of its files.

    Raises:
        ConfigError: the body's, with the name.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
