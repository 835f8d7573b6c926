"""A search as columns of a result file, and runs of schema 2, which knew it by one text."""

import asyncio
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.results.test_run_directory import opened
from tests.unit.runtime.test_regrade import IDENTITY
from tts_ray.analysis.curves import points
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.errors import StoreError
from tts_ray.flops import ModelSize, Sizes
from tts_ray.results.folder import folder_at
from tts_ray.results.part_file import read_part
from tts_ray.results.run_directory import parts, records
from tts_ray.results.schema import SCHEMA
from tts_ray.results.search_columns import NEW, from_columns, of_schema_2, to_columns
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority
from tts_ray.search.dvts import Dvts
from tts_ray.types import Candidate, Finish, Grade, Path, Problem, Record, SearchId, Step, Usage

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


def test_a_search_says_what_of_its_budget_is_exchangeable():
    assert (BestOfN(n=8).id.unit, Majority(n=8).id.unit) == (1, 1)
    assert Dvts(n=8, m=2).id.unit == 2
    assert BeamSearch(n=8).id.unit is None


@pytest.mark.parametrize(
    ("key", "search"),
    [
        ("majority(n=2)", Majority(n=2).id),
        ("beam_search(n=16,m=8,depth=40,rank=min)", BeamSearch(n=16, m=8, rank="min").id),
        ("dvts(n=8,m=4,depth=40,rank=last)", Dvts(n=8).id),
    ],
)
def test_a_text_of_schema_2_is_the_search_that_it_named(key, search):
    found = of_schema_2(key)
    assert found == search
    assert (found.label, found.unit, found.uses_reward) == (
        search.label,
        search.unit,
        search.uses_reward,
    )


def test_an_adaptive_search_of_schema_2_keeps_the_digest_of_its_strategy():
    adaptive = Adaptive(n=8)
    assert of_schema_2(f"adaptive(n=8,strategy={adaptive.strategy})") == adaptive.id


@pytest.mark.parametrize("key", ["", "greedy", "s(n=x)", "s n=4"])
def test_what_is_no_search_of_schema_2_is_refused(key):
    with pytest.raises(ValueError, match="search"):
        of_schema_2(key)


def record(number, search):
    step = Step("So \\boxed{1}.", (1,), Finish.EOS, 0.0)
    candidates = [Candidate(Path((step,), (), (at,)), True, Grade("1", 0, True)) for at in (0, 1)]
    problem = Problem.of(f"question {number}", "1")
    return Record(problem, search, 0, tuple(candidates), Usage(), Usage(), 0, 0.1)


def schema_2(content, key):
    """A part as schema 2 had it."""
    table = pq.read_table(pa.BufferReader(content)).drop_columns(sorted(NEW))
    at = table.column_names.index("search")
    table = table.set_column(at, "search", pa.array([key] * table.num_rows))
    written = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"tts_ray.schema": "2"}), written)
    return written.getvalue()


@pytest.fixture
def old_run(tmp_path):
    folder = folder_at(tmp_path / "run")
    directory = opened(folder, IDENTITY)
    with directory:
        for number in range(3):
            asyncio.run(directory.append(record(number, Majority(n=2).id)))
    for part in parts(folder):
        content = schema_2(folder.read(part), "majority(n=2)")
        folder.delete(part)
        folder.create(part, content)
    return folder


def test_a_run_of_schema_2_is_read(old_run):
    assert [outcome.search for outcome in stored_outcomes(old_run)] == [Majority(n=2).id] * 3
    assert [r.search for r in records(old_run)] == [Majority(n=2).id] * 3
    whole = read_part(old_run, parts(old_run)[0], None)
    assert whole.schema.names == SCHEMA.names
    (_, point) = points(stored_outcomes(old_run), Sizes(ModelSize(1e6)))
    assert (point.name, point.n, point.headline.mean) == ("majority", 2, 1.0)


def test_a_run_of_schema_2_is_not_gone_on_with(old_run):
    before = [old_run.read(part) for part in parts(old_run)]
    with (
        pytest.raises(StoreError, match=r"results of schema 2: .* choose another run="),
        opened(old_run, IDENTITY),
    ):
        pass
    assert [old_run.read(part) for part in parts(old_run)] == before


def test_a_run_of_a_search_that_is_not_known_here_is_reported(tmp_path):
    folder = folder_at(tmp_path / "run")
    search = SearchId("of_tomorrow", 2, (("t", 0.5),), "of_tomorrow t=0.5", 1, False)
    directory = opened(folder, IDENTITY)
    with directory:
        asyncio.run(directory.append(record(0, search)))
    found = points(stored_outcomes(folder), Sizes(ModelSize(1e6)))
    assert [(point.name, point.n) for point in found] == [
        ("of_tomorrow t=0.5", 1),
        ("of_tomorrow t=0.5", 2),
    ]
