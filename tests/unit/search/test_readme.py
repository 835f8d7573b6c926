"""The search that README.md shows under "Adding a search", as it stands there."""

import re
import textwrap
from pathlib import Path

import pytest

from tts_ray.errors import ConfigError

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture(scope="module")
def rejection():
    section = README.read_text(encoding="utf-8").partition("## Adding a search")[2]
    block = re.search(
        r"(?:^    .*\n|^\n)*^    class (?:.*\n)(?:^    .*\n|^\n)*", section, re.MULTILINE
    )
    names = {"__name__": "readme"}
    exec(compile(textwrap.dedent(block[0]), str(README), "exec"), names)
    return names["Rejection"]


def test_it_samples_other_solutions_until_one_scores_enough(search_with, rejection):
    outcome = search_with(rejection(n=6, threshold=2.0))
    assert sum(outcome.widths) == 6
    assert len({path.text for path in outcome.answers}) == 6
    assert len({path.lineage for path in outcome.answers}) == 6
    first = search_with(rejection(n=6, threshold=0.0))
    assert sum(first.widths) == len(first.answers) == 1


def test_its_parameters_are_checked_and_known(rejection):
    assert rejection(n=4, threshold=0.5).id.label == "rejection threshold=0.5"
    with pytest.raises(ConfigError, match="threshold=nan must be a finite number"):
        rejection(threshold=float("nan"))
