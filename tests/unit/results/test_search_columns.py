"""A search as columns of a result file."""

from hypothesis import given
from hypothesis import strategies as st

from tts_ray.results.search_columns import from_columns, to_columns
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority
from tts_ray.search.dvts import Dvts
from tts_ray.types import SearchId

PLAIN = (
    st.text("ab é,=", max_size=5) | st.integers(-9, 9) | st.floats(allow_nan=False) | st.booleans()
)
SETTINGS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    PLAIN | st.none() | st.lists(PLAIN, max_size=3).map(tuple),
    max_size=4,
)


@given(SETTINGS, st.integers(1, 1000), st.none() | st.integers(1, 9), st.booleans())
def test_a_search_comes_back_from_its_columns_with_the_types_of_its_settings(
    settings, n, unit, uses_reward
):
    search = SearchId("s", n, tuple(settings.items()), "s x=1", unit, uses_reward)
    back = from_columns(to_columns(search))
    assert back == search
    assert [type(v) for _, v in back.settings] == [type(v) for v in settings.values()]
    assert (back.label, back.unit, back.uses_reward) == ("s x=1", unit, uses_reward)


def test_a_label_says_the_name_and_what_is_not_the_default():
    assert BeamSearch(n=16).id.label == "beam_search"
    assert BeamSearch(n=16, m=8, rank="min").id.label == "beam_search m=8 rank=min"
    assert str(BeamSearch(n=16, m=8).id) == "beam_search n=16 m=8"
    assert BeamSearch(n=16, m=8).id != BeamSearch(n=16, m=4).id
    assert BeamSearch(n=16).id.at(64) == BeamSearch(n=64).id


def test_a_search_stored_before_there_was_a_setting_is_the_search_of_its_default():
    made = BeamSearch(n=16)
    stored = to_columns(made.id) | {"settings": '{"m": 4, "depth": 40, "rank": "last"}'}
    assert from_columns(stored) == made.id
    other = BeamSearch(n=16, distinct=True)
    assert from_columns(to_columns(other.id)) == other.id != made.id
    assert other.id.label == "beam_search distinct=True"


def test_a_search_says_what_of_its_budget_is_exchangeable():
    assert (BestOfN(n=8).id.unit, Majority(n=8).id.unit) == (1, 1)
    assert Dvts(n=8, m=2).id.unit == 2
    assert BeamSearch(n=8).id.unit is None
