"""Runs of earlier schemas: read by everything that reads, and gone on with by nothing."""

import asyncio
from dataclasses import replace

import pyarrow as pa
import pytest

from tests.unit import builders
from tests.unit.results.earlier_parts import earlier_part, earlier_row
from tests.unit.results.test_run_directory import opened
from tests.unit.runtime.test_regrade import IDENTITY
from tts_ray.admission import Admission
from tts_ray.analysis.curves import points
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.engines.scripted import ScriptedPolicy, ScriptedReward
from tts_ray.errors import StoreError
from tts_ray.evaluate import Engines, Trial, evaluate
from tts_ray.flops import ModelSize, Sizes
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.results.earlier import LATER, of_schema_2, schema_of
from tts_ray.results.part_file import BadPart, read_part
from tts_ray.results.schema import SCHEMA
from tts_ray.results.stored_parts import parts, records
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority
from tts_ray.search.dvts import Dvts
from tts_ray.types import Grade, Problem, Sampling, State

RIGHT = Grade("1", 0, True)
POOL = [
    builders.record(
        f"question {number}",
        builders.solution(scores=(0.1, 0.2, 0.3), grade=RIGHT),
        builders.solution(scores=(0.5,), grade=Grade(), kept=False),
        search=Majority(n=2).id,
    )
    for number in range(3)
]
LEFT_OUT = [(), ("ungraded",), ("ungraded", "also_accepted")]


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


@pytest.fixture
def earlier_run(folder):
    """A run of an earlier schema, of one record a part."""

    def made(version, found, lacks=()):
        with opened(folder, IDENTITY):
            pass
        for number, record in enumerate(found, start=1):
            key = "majority(n=2)" if version == "2" else None
            content = earlier_part(version, [earlier_row(record, key)], lacks)
            folder.create(f"part-{number:06d}.parquet", content)
        return folder

    return made


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize("lacks", LEFT_OUT)
def test_it_is_read_as_it_would_be_written_today(earlier_run, version, lacks):
    run = earlier_run(version, POOL, lacks)
    assert list(records(run)) == POOL
    whole = read_part(run, parts(run)[0], None)
    assert whole.schema.equals(SCHEMA.remove_metadata())
    outcomes = stored_outcomes(run)
    assert [outcome.search for outcome in outcomes] == [Majority(n=2).id] * 3
    (_, point) = points(outcomes, Sizes(ModelSize(1e6)))
    assert (point.name, point.n, point.headline.mean) == ("majority", 2, 1.0)


@pytest.mark.parametrize("version", ["2", "3"])
def test_it_is_not_gone_on_with(earlier_run, version):
    run = earlier_run(version, POOL)
    before = [run.read(part) for part in parts(run)]
    with (
        pytest.raises(StoreError, match=f"results of schema {version}: .* choose another run="),
        opened(run, IDENTITY),
    ):
        pass
    assert [run.read(part) for part in parts(run)] == before


def searched(search):
    """The record of a search on scripted engines."""
    found = []

    async def keep(trial, record):
        found.append(record)

    engines = Engines(PolicyPool([ScriptedPolicy(5)]), RewardPool([ScriptedReward()]))
    trial = Trial(Problem.of("1+1?", "2"), search, Sampling(), 0)
    asyncio.run(evaluate([trial], engines, Admission(64, 10**6), keep))
    return found[0]


@pytest.mark.parametrize("search", [BestOfN(n=4), BeamSearch(n=8), Dvts(n=8, m=2)])
def test_its_trees_are_those_of_today_without_what_led_to_no_candidate(earlier_run, search):
    record = searched(search)
    (back,) = records(earlier_run("3", [record]))
    assert not any(node.state is State.PRUNED for node in back.nodes)
    before, after = ({r.path(c.leaf) for c in r.candidates} for r in (record, back))
    assert before == after
    shared = {(p.lineage[:end], end) for p in before for end in range(1, len(p.steps) + 1)}
    assert len(back.nodes) == len(shared) <= len(record.nodes)


def test_paths_whose_expansions_are_not_known_are_lines_of_their_own(earlier_run):
    row = earlier_row(POOL[0])
    row["candidates"][0]["lineage"] = [4, 1]
    row["candidates"][1]["lineage"] = [4, 2]
    run = earlier_run("3", [])
    run.create("part-000001.parquet", earlier_part("3", [row]))
    assert list(records(run)) == POOL[:1]


@pytest.mark.parametrize(
    "change", [{"lineage": [0], "steps": []}, {"steps": None}, {"lineage": [0, 0, 0]}]
)
def test_candidates_that_make_no_tree_are_a_bad_part(earlier_run, change):
    row = earlier_row(POOL[0])
    row["candidates"][1] |= {"lineage": [0]} | change
    run = earlier_run("3", [])
    run.create("part-000001.parquet", earlier_part("3", [row]))
    if change == {"lineage": [0, 0, 0]}:
        assert len(list(records(run))) == 1
        return
    with pytest.raises(BadPart):
        read_part(run, "part-000001.parquet", None)


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_some_of_its_files_lack_may_be_null(name):
    field = schema_of("3", SCHEMA).field("candidates").type.value_type
    found = SCHEMA.field(name) if name in SCHEMA.names else field.field(name)
    assert found.nullable
    assert pa.types.is_string(found.type) or pa.types.is_list(found.type)


def test_answers_of_other_attempts_are_told_apart(earlier_run):
    failed = replace(POOL[0], error="EngineDied: gone")
    assert list(records(earlier_run("3", [failed, POOL[0]]))) == POOL[:1]
