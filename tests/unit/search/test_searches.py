from collections import Counter
from dataclasses import replace

import pytest

from tts_ray.engines.scripted import ScriptedPolicy, ScriptedReward, scripted_step
from tts_ray.errors import ConfigError
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority
from tts_ray.search.dvts import Dvts
from tts_ray.search.evidence import evidence
from tts_ray.search.greedy import Greedy
from tts_ray.search.rank import best, different
from tts_ray.search.registry import SEARCHES, make_search, parameters
from tts_ray.types import UNSCORED, Finish, Path, State, Step

BUDGETS = [4, 16, 64, 256, 512]


def leaf_facts(paths):
    return [(path.lineage, path.text, path.scores) for path in paths]


def test_greedy_asks_for_one_whole_solution_at_temperature_zero(search_with):
    outcome = search_with(Greedy())
    assert outcome.widths == [1]
    assert outcome.policy.calls[0][1] is True
    assert outcome.tree.sampling.temperature == 0.0
    assert len(outcome.answers) == 1
    assert outcome.reward.calls == []


@pytest.mark.parametrize("n", BUDGETS)
def test_best_of_n_samples_n_whole_solutions_and_scores_every_step(search_with, n):
    outcome = search_with(BestOfN(n=n))
    assert sum(outcome.widths) == n
    assert max(outcome.widths) <= 64
    assert sum(len(paths) for paths in outcome.reward.calls) == n
    assert [path.lineage for path in outcome.answers] == [(i,) for i in range(n)]
    assert all(len(path.scores) == len(path.steps) == 3 for path in outcome.answers)


@pytest.mark.parametrize(("small", "large"), [(4, 16), (16, 512)])
def test_a_pool_begins_with_the_pool_of_every_smaller_budget(search_with, small, large):
    pools = [leaf_facts(search_with(BestOfN(n=n)).answers) for n in (small, large)]
    assert pools[1][:small] == pools[0]


def test_majority_is_best_of_n_without_a_reward_model(search_with):
    outcome = search_with(Majority(n=16))
    assert outcome.reward.calls == []
    assert [path.text for path in outcome.answers] == [
        path.text for path in search_with(BestOfN(n=16)).answers
    ]


@pytest.mark.parametrize("n", BUDGETS)
def test_beam_search_has_n_candidates_at_every_depth_and_keeps_n_over_m(search_with, n):
    outcome = search_with(BeamSearch(n=n, m=4), ScriptedPolicy(depth=5))
    by_depth = Counter()
    for paths, whole in outcome.policy.calls:
        assert not whole
        by_depth[len(paths[0].steps)] += len(paths)
    assert by_depth == dict.fromkeys(range(5), n)
    assert len(outcome.answers) == n // 4
    assert len(outcome.tree.ended) == n


def test_beam_search_continues_the_best_candidates_only(search_with):
    outcome = search_with(BeamSearch(n=8, m=4), ScriptedPolicy(depth=3))
    first = outcome.reward.calls[0]
    scores = {
        path.lineage: outcome.reward.judge("What is 6 times 7?", path.text.strip())
        for path in first
    }
    best_two = sorted(scores, key=scores.get, reverse=True)[:2]
    parents = [path.lineage for path in outcome.policy.calls[1][0]]
    assert parents == [lineage for lineage in best_two for _ in range(4)]


@pytest.mark.parametrize("n", BUDGETS)
def test_dvts_grows_n_over_m_subtrees_that_each_give_one_answer(search_with, n):
    outcome = search_with(Dvts(n=n, m=4), ScriptedPolicy(depth=3))
    assert len(outcome.answers) == n // 4
    subtrees = [path.lineage[0] // 4 for path in outcome.answers]
    assert subtrees == list(range(n // 4))


def test_dvts_of_one_subtree_is_beam_search(search_with):
    policy = {"policy": ScriptedPolicy(depth=6)}
    dvts, beam = search_with(Dvts(n=4, m=4), **policy), search_with(BeamSearch(n=4, m=4), **policy)
    assert leaf_facts(dvts.answers) == leaf_facts(beam.answers)
    assert leaf_facts(dvts.tree.ended) == leaf_facts(beam.tree.ended)


def ends_early(path, seed, depth):
    """Child 0 of the root ends at once; every other path goes on to `depth`."""
    if not path.steps and seed % 2:
        return Step("Early $\\boxed{1}$.", (1, 2), Finish.EOS, -1.0)
    return scripted_step(path, seed, depth)


def test_a_complete_path_keeps_its_place_in_the_beam_and_wins_by_its_score(search_with):
    reward = ScriptedReward(judge=lambda question, text: 0.9 if "Early" in text else 0.5)
    outcome = search_with(BeamSearch(n=8, m=4), ScriptedPolicy(4, write=ends_early), reward)
    early = [path for path in outcome.tree.ended if "Early" in path.text]
    assert early
    assert {path.lineage for path in outcome.answers} & {path.lineage for path in early}


def test_a_complete_path_can_lose_its_place_and_is_still_recorded(search_with):
    reward = ScriptedReward(judge=lambda question, text: 0.1 if "Early" in text else 0.5)
    outcome = search_with(BeamSearch(n=8, m=4), ScriptedPolicy(4, write=ends_early), reward)
    assert all("Early" not in path.text for path in outcome.answers)
    assert any("Early" in path.text for path in outcome.tree.ended)


def never_ends(path, seed, depth):
    return Step(f"Step {seed % 10}\n\n", (seed % 10,), Finish.STEP, -1.0)


@pytest.mark.parametrize("search", [BeamSearch(n=8, m=4, depth=3), Dvts(n=8, m=4, depth=3)])
def test_an_unfinished_path_is_never_an_answer(search_with, search):
    outcome = search_with(search, ScriptedPolicy(write=never_ends))
    assert outcome.answers == []
    assert max(len(paths[0].steps) for paths, _ in outcome.policy.calls) == 2


def is_cut(path, seed, depth):
    return Step("Step cut", (1,), Finish.LENGTH, -1.0)


@pytest.mark.parametrize("name", ["best_of_n", "beam_search", "dvts"])
def test_a_path_cut_by_its_token_limit_takes_no_place_and_is_recorded(search_with, name):
    outcome = search_with(make_search(name, {"n": 8}), ScriptedPolicy(write=is_cut))
    assert outcome.answers == []
    assert len(outcome.tree.ended) == 8
    assert sum(outcome.widths) == 8


def two_words(path, seed, depth):
    """Every step is one of two texts."""
    step = scripted_step(path, seed, depth)
    return replace(step, text=f"{'ab'[seed % 2]}{step.text[-2:]}")


def scored_at_last(outcome):
    """The paths that were candidates: each was scored when it was new."""
    return [path for paths in outcome.reward.calls for path in paths]


@pytest.mark.parametrize("search", [BeamSearch, Dvts])
def test_equal_children_are_candidates_of_their_own_by_default(search_with, search):
    outcome = search_with(search(n=16), ScriptedPolicy(depth=3, write=two_words))
    assert len(scored_at_last(outcome)) == len(outcome.tree.ledger.born) == 48


def test_with_distinct_the_first_path_of_each_text_is_a_candidate(search_with):
    outcome = search_with(BeamSearch(n=16, distinct=True), ScriptedPolicy(write=two_words))
    born = sorted(outcome.tree.ledger.born.items())
    first = {}
    for lineage, path in born:
        first.setdefault(path.text, lineage)
    candidates = [path.lineage for path in scored_at_last(outcome)]
    assert sorted(candidates) == sorted(first.values())
    assert len(candidates) < len(born)


def test_with_distinct_paths_of_one_text_are_one_candidate_also_where_their_steps_differ(
    search_with,
):
    def write(path, seed, depth):
        if path.steps:
            return Step("a" * (3 - len(path.text)), (1,), Finish.EOS, -1.0)
        return Step("a" * (1 + seed % 2), (1,), Finish.STEP, -1.0)

    search = BeamSearch(n=8, m=2, distinct=True)
    outcome = search_with(search, ScriptedPolicy(write=write))
    assert sorted(p.text for p in scored_at_last(outcome)) == ["a", "aa", "aaa"]


def test_with_distinct_a_child_does_not_say_what_a_complete_path_of_the_beam_said(search_with):
    def write(path, seed, depth):
        if path.steps or seed % 2:
            return Step("b" if path.steps else "ab", (1,), Finish.EOS, -1.0)
        return Step("a", (1,), Finish.STEP, -1.0)

    outcome = search_with(BeamSearch(n=8, m=2, distinct=True), ScriptedPolicy(write=write))
    assert [path.text for path in outcome.answers] == ["ab"]


def test_paths_of_one_text_that_ended_in_different_ways_are_different():
    paths = [
        Path((Step("a", (1,), finish, -1.0),), (), (number,))
        for number, finish in enumerate([*Finish, *Finish])
    ]
    assert different(paths, []) == paths[:3]
    assert different(paths, paths[:1]) == paths[1:3]


def test_equal_children_change_nothing_in_dvts_which_has_no_such_setting(search_with):
    """A subtree goes on with the first of its best children, as it would without the others."""
    policy = {"policy": ScriptedPolicy(depth=3, write=two_words)}
    answers = search_with(Dvts(n=4), **policy).answers
    distinct = search_with(BeamSearch(n=4, distinct=True), **policy).answers
    assert leaf_facts(distinct) == leaf_facts(answers)
    assert "distinct" not in parameters("dvts")


def test_dropped_children_are_nodes_without_a_score(search_with):
    outcome = search_with(BeamSearch(n=16, distinct=True), ScriptedPolicy(write=two_words))
    kept = {path.lineage for path in outcome.answers}
    nodes, candidates = evidence(outcome.tree.ledger.born, kept)
    assert len(nodes) == sum(outcome.widths)
    unscored = [node for node in nodes if node.score is None]
    assert len(unscored) == len(nodes) - len(scored_at_last(outcome)) > 0
    assert {node.state for node in unscored} == {State.PRUNED, State.COMPLETE}
    assert all(nodes[c.leaf].score is not None for c in candidates if c.kept)


def test_where_all_children_differ_nothing_depends_on_distinct(search_with):
    def write(path, seed, depth):
        return replace(scripted_step(path, seed, depth), text=f"{seed}\n\n")

    plain, other = (
        search_with(search, ScriptedPolicy(depth=4, write=write))
        for search in (BeamSearch(n=16), BeamSearch(n=16, distinct=True))
    )
    assert leaf_facts(plain.answers) == leaf_facts(other.answers)
    assert plain.tree.ledger.born == other.tree.ledger.born


def test_an_unscored_path_ranks_below_every_scored_one():
    step = Step("x\n\n", (1,), Finish.STEP, 0.0)
    paths = [Path((step,), (score,), (i,)) for i, score in enumerate([UNSCORED, 0.0, 0.3])]
    assert [path.lineage for path in best(paths, 3, "last")] == [(2,), (1,), (0,)]


def test_long_paths_are_ranked_by_products_too_small_for_a_float():
    worse, better = (Path(scores=(score,) * 400) for score in (0.1, 0.11))
    assert best([worse, better], 1, "prod") == [better]


def test_equal_scores_are_ranked_in_the_order_given():
    step = Step("x\n\n", (1,), Finish.STEP, 0.0)
    paths = [Path((step,), (0.5,), (i,)) for i in range(4)]
    assert best(paths, 2, "last") == paths[:2]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("beam_search", {"n": 10, "m": 4}, "n=10 is not a multiple of m=4; try n=12"),
        ("dvts", {"n": 6, "m": 4}, "n=6 is not a multiple of m=4; try n=8"),
        ("beam_search", {"rank": "best"}, "rank='best'"),
        ("beam_search", {"distinct": "siblings"}, "distinct='siblings' must be true or false"),
        ("dvts", {"distinct": True}, "no parameter 'distinct'"),
        ("best_of_n", {"n": 0}, "n=0"),
        ("best_of_n", {"n": "many"}, "n='many'"),
        ("best_of_n", {"m": 4}, "no parameter 'm'"),
        ("beem_search", {}, "did you mean 'beam_search'?"),
        ("greedy", {"n": 4}, "n=4"),
    ],
)
def test_a_search_that_cannot_be_is_refused_with_the_value(name, settings, message):
    with pytest.raises(ConfigError) as refused:
        make_search(name, settings)
    assert message in str(refused.value)


def test_every_registered_search_is_found_by_its_own_name():
    assert {name: search.name for name, search in SEARCHES.items()} == {
        name: name for name in SEARCHES
    }
