"""Imports without garbage collection."""

import gc

import pytest

from tts_ray.imports import uncollected


def test_garbage_is_not_collected_inside_and_is_again_outside_whatever_happens():
    with pytest.raises(ImportError), uncollected():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()


def test_a_process_that_collects_no_garbage_goes_on_without():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
