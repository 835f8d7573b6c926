"""Train the pocket suite from its seeds and write the checkpoints.

python jobs/train_pocket.py --out pocket-weights
python jobs/train_pocket.py --out pocket-weights --only pocket-s --scale 0.1 --device cuda
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tts_ray.pocket import POLICIES, PRMS
from tts_ray.pocket.checkpoint import REWARD_DTYPE, save
from tts_ray.pocket.optimise import use_threads
from tts_ray.pocket.recipe import POLICY_RECIPES, REWARD_RECIPES
from tts_ray.pocket.tokens import learn_tokenizer
from tts_ray.pocket.train_policy import train_policy
from tts_ray.pocket.train_reward import train_reward


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument(
        "--only", choices=[*POLICY_RECIPES, *REWARD_RECIPES], help="train this model alone"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of steps")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    use_threads(arguments.threads)
    names = [arguments.only] if arguments.only else [*POLICIES, *PRMS]
    tokenizer = learn_tokenizer()
    options = {"device": arguments.device, "scale": arguments.scale}
    for name in names:
        print(f"training {name}", flush=True)
        if name in POLICY_RECIPES:
            policy = train_policy(POLICY_RECIPES[name], tokenizer, **options)
            save(policy, tokenizer, arguments.out / name)
            continue
        reward = train_reward(REWARD_RECIPES[name], tokenizer, **options)
        save(reward, tokenizer, arguments.out / name, REWARD_DTYPE)
    return 0
