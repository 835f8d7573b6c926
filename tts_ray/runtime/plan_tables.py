"""Plans as Markdown: of one run, and of every policy with every PRM."""

from collections.abc import Mapping, Sequence

from tts_ray.config import ModelConfig, RunConfig
from tts_ray.memory import Need
from tts_ray.runtime.plan import Cards, Plan, Split, plan

MODEL_COLUMNS = (
    "model",
    "replicas",
    "GPUs of each",
    "weights GiB",
    "needs GiB on each GPU",
    "has GiB",
    "full-length sequences at once",
)


def run_table(config: RunConfig, made: Plan, gib: float) -> str:
    """A row for each model of a run."""
    return markdown(
        MODEL_COLUMNS,
        [
            model_row(model, made.splits[role], made.needs.get(role), gib)
            for role, model in config.models().items()
        ],
    )


def model_row(model: ModelConfig, split: Split, need: Need | None, gib: float) -> list[str]:
    """What one model takes and gets."""
    row = [model.name, str(model.replicas), describe(split)]
    if not split.gpus:
        return [*row, "", "", "", ""]
    if need is None:
        return [*row, "unknown", "unknown", "", ""]
    usable = split.share * gib * model.gpu_memory_utilization
    return [
        *row,
        f"{need.weights:.1f}",
        f"{need.on_card(split.tensor, split.pipeline):.1f}",
        f"{usable:.1f}",
        f"{need.sequences(usable, split.tensor, split.pipeline):.0f}",
    ]


def describe(split: Split) -> str:
    """E.g. "CPU", "0.35", "4", "16 on 2 nodes"."""
    if not split.gpus:
        return "CPU"
    return f"{split.gpus:g}" + (f" on {split.pipeline} nodes" if split.pipeline > 1 else "")


def pair_table(runs: Mapping[tuple[str, str], RunConfig], node: int, gib: float) -> str:
    """The fewest GPUs, and the GiB of them needed, for one replica of each policy (rows) and of
    each PRM (columns)."""
    policies = list(dict.fromkeys(policy for policy, _ in runs))
    prms = list(dict.fromkeys(prm for _, prm in runs))
    rows = [
        [policy, *(fewest(runs[policy, prm], node, gib) for prm in prms)] for policy in policies
    ]
    return markdown(("policy", *prms), rows)


def fewest(config: RunConfig, node: int, gib: float) -> str:
    """E.g. "4 + 1 (195 GiB)", or "0.7 + 0.3 (26 GiB)" of one card where both fit on it."""
    made = plan(config, Cards(1, node, gib))
    total = sum(
        made.needs[role].on_card(split.tensor, split.pipeline) * split.tensor * split.pipeline
        for role, split in made.splits.items()
    )
    return f"{' + '.join(describe(split) for split in made.splits.values())} ({total:.0f} GiB)"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
