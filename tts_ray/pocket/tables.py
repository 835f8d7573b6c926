"""The tables of the suite's README, measured on a held-out split from the committed checkpoints.

python -m tts_ray.pocket.tables policies
python -m tts_ray.pocket.tables reward --checkpoint FOLDER
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from tts_ray.pocket import POLICIES, PRMS, weights
from tts_ray.pocket.checkpoint import load_policy, load_reward, load_tokenizer
from tts_ray.pocket.measure import Solution, bootstrap, first_faults, solve
from tts_ray.pocket.measure_reward import RewardQuality, measure_reward, score
from tts_ray.pocket.task import LEVELS, split

REPEATS = {0.0: 1, 0.7: 8, 1.0: 4}


def sampled(policy: str, name: str, temperature: float) -> list[Solution]:
    """Solutions of a split's problems by a committed policy, REPEATS of each."""
    folder = weights(policy)
    return solve(
        load_policy(folder),
        load_tokenizer(folder),
        split(name),
        temperature=temperature,
        seed=0,
        repeats=REPEATS[temperature],
    )


def share_right(solutions: Sequence[Solution]) -> str:
    """The share of right answers, in percent, with its interval over problems."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for solution in solutions:
        groups[solution.problem.question].append(solution.right)
    means = [sum(found) / len(found) for found in groups.values()]
    low, high = bootstrap(means)
    return f"{100 * sum(means) / len(means):.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def policy_rows(name: str) -> Iterator[str]:
    """A row per policy and temperature: accuracy in all and by level, and the kinds of errors."""
    yield "| policy | temperature | all | " + " | ".join(f"level {n}" for n in LEVELS) + " |"
    yield "|---|---|---|" + "---|" * len(LEVELS)
    for policy in POLICIES:
        for temperature in (0.0, 0.7):
            solutions = sampled(policy, name, temperature)
            cells = [share_right(solutions)] + [
                share_right([s for s in solutions if s.problem.level == level]) for level in LEVELS
            ]
            yield f"| {policy} | {temperature} | {' | '.join(cells)} |"
        faults = first_faults(solutions).most_common()
        counts = ", ".join(f"{kind.value} {count}" for kind, count in faults)
        yield f"first faults of {policy} at {temperature}: {counts}"


def reward_rows(checkpoint: Path, name: str) -> Iterator[str]:
    """A row per policy whose solutions are judged, and one per level over all of them."""
    model, tokenizer = load_reward(checkpoint), load_tokenizer(checkpoint)
    solutions: list[Solution] = []
    scores: list[list[float]] = []
    yield "| solutions of | solutions | steps | step accuracy | AUC | located | recognised | F1 |"
    yield "|---|---|---|---|---|---|---|---|"
    for policy in POLICIES:
        own = sampled(policy, name, 1.0)
        judged = score(model, tokenizer, own)
        yield reward_row(policy, measure_reward(own, judged))
        solutions += own
        scores += judged
    for level in LEVELS:
        chosen = [i for i, found in enumerate(solutions) if found.problem.level == level]
        quality = measure_reward([solutions[i] for i in chosen], [scores[i] for i in chosen])
        yield reward_row(f"all, level {level}", quality)
    yield reward_row("all", measure_reward(solutions, scores))


def reward_row(title: str, quality: RewardQuality) -> str:
    """One row of the reward model's table."""
    shares = (
        quality.step_accuracy,
        quality.auc,
        quality.located,
        quality.recognised,
        quality.f1,
    )
    cells = " | ".join(f"{value:.3f}" for value in shares)
    return f"| {title} | {quality.solutions} | {quality.steps} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="measure the pocket suite")
    parser.add_argument("table", choices=["policies", "reward"])
    parser.add_argument("--split", default="test", help="test (default), dev or test_large")
    parser.add_argument("--checkpoint", type=Path, default=weights(PRMS[0]))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    reward = arguments.table == "reward"
    rows = (
        reward_rows(arguments.checkpoint, arguments.split)
        if reward
        else policy_rows(arguments.split)
    )
    for row in rows:
        print(row, flush=True)


if __name__ == "__main__":
    main()
