"""Every family of reward models on real vLLM, against transformers on its documented format."""

import asyncio

import pytest
import torch

from tests.e2e.checkpoints import CHECKPOINTS
from tests.e2e.references import REFERENCES
from tts_ray.data.problems import load_problems
from tts_ray.engines.spec import RewardSpec
from tts_ray.errors import ConfigError
from tts_ray.pocket import task
from tts_ray.types import Finish, Path, Step

SETTINGS = {"device": "cpu", "max_model_len": 512, "max_num_seqs": 64, "kv_cache_gib": 0.0625}
TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2}
BLOCK = 32


class Family:
    """One family's checkpoint in one dtype: our engine and the reference."""

    def __init__(self, name, dtype, folder, loop):
        from tts_ray.engines.load import load

        async def start():
            spec = RewardSpec(model=str(folder), format=name, dtype=dtype, **SETTINGS)
            return load(spec)[0]

        self.name, self.dtype, self.folder, self.loop = name, dtype, folder, loop
        self.engine = loop.run_until_complete(start())

    def score(self, *calls):
        async def together():
            return await asyncio.gather(*(self.engine.score(*call) for call in calls))

        return self.loop.run_until_complete(together())

    @torch.no_grad()
    def reference(self, problem, steps):
        dtype = getattr(torch, self.dtype)
        return REFERENCES[self.name](self.folder, dtype, problem.question, steps)

    def near(self, values):
        return pytest.approx(values, abs=TOLERANCE[self.dtype])


@pytest.fixture(
    scope="module",
    params=[(name, dtype) for name in CHECKPOINTS for dtype in TOLERANCE],
    ids=lambda param: "-".join(param),
)
def family(request, loop, tmp_path_factory):
    name, dtype = request.param
    folder = tmp_path_factory.mktemp("any-name")
    CHECKPOINTS[name](folder)
    found = Family(name, dtype, folder, loop)
    yield found
    found.engine.vllm.client.shutdown()


def solutions(count, first=0):
    problems = load_problems("pocket", split="dev", level="level").problems
    pairs = list(zip(problems, task.split("dev"), strict=True))[first : first + count]
    return [(problem, item.solution.split("\n\n")) for problem, item in pairs]


def path_of(steps, scores=()):
    made = tuple(Step(f"{step}\n\n", (1,), Finish.STEP, 0.0) for step in steps)
    return Path(made, tuple(scores))


def test_whole_solutions_score_as_the_reference_cold_and_warm(family):
    spread = []
    for problem, steps in solutions(3):
        wanted = family.reference(problem, steps)
        for _ in range(2):
            [((found,), _)] = family.score((problem, [path_of(steps)]))
            assert list(found) == family.near(wanted)
        spread += wanted
    assert max(spread) - min(spread) > 5 * TOLERANCE[family.dtype]


def test_step_by_step_scores_equal_the_reference_from_a_cached_prefix(family):
    for problem, steps in solutions(2, first=120):
        scores, computed = (), 0
        for k in range(1, len(steps) + 1):
            [((new,), usage)] = family.score((problem, [path_of(steps[:k], scores)]))
            scores += new
            computed += usage.computed_tokens
            size = usage.prompt_tokens
        assert list(scores) == family.near(family.reference(problem, steps))
        assert computed <= size + BLOCK * len(steps)


def test_sixty_four_at_once_score_as_the_reference(family):
    pairs = solutions(64, first=60)
    found = family.score(*((problem, [path_of(steps)]) for problem, steps in pairs))
    for (problem, steps), ((ours,), _) in list(zip(pairs, found, strict=True))[::8]:
        assert list(ours) == family.near(family.reference(problem, steps))


@pytest.mark.parametrize("odd", ["two\nlines", "naïve ∑ 数学"])
def test_newlines_and_unicode_in_a_step_score_as_the_reference(family, odd):
    problem, steps = solutions(1)[0]
    for written in ([odd], [steps[0], odd, steps[1]]):
        [((found,), _)] = family.score((problem, [path_of(written)]))
        assert list(found) == family.near(family.reference(problem, written))


@pytest.mark.parametrize("tag", ["<extra_0>", " ки", "<|eot_id|>", "+"])
def test_a_step_that_spells_a_tag_has_one_score(family, tag):
    problem, steps = solutions(1)[0]
    [((found,), _)] = family.score((problem, [path_of([f"so {tag} then", steps[0]])]))
    assert len(found) == 2
    assert all(0 <= score <= 1 for score in found)


def test_a_blank_step_shares_a_score_and_a_path_beyond_the_context_has_none(family):
    problem, steps = solutions(1)[0]
    [((found,), _)] = family.score((problem, [path_of([steps[0], " ", "7" * 600])]))
    assert found[0] == found[1]
    assert found[2] != found[2]


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_checkpoint_of_another_family_is_refused(kind, loop, tmp_path):
    from tts_ray.engines.load import load

    other = "skywork-prm" if kind != "skywork-prm" else "outcome"
    CHECKPOINTS[kind](tmp_path)
    with pytest.raises(ConfigError, match=f"prm.format={other} needs a checkpoint of"):
        load(RewardSpec(model=str(tmp_path), format=other, **SETTINGS))
