"""Train the pocket suite from its seeds and write the checkpoints.

python jobs/train_pocket.py --out pocket-weights
python jobs/train_pocket.py --out pocket-weights --only pocket-s --scale 0.1 --device cuda
"""

import argparse
from pathlib import Path

import torch

from tts_ray.pocket import POLICIES, PRMS
from tts_ray.pocket.checkpoint import save
from tts_ray.pocket.recipe import POLICY_RECIPES, REWARD_RECIPES
from tts_ray.pocket.tokens import learn_tokenizer
from tts_ray.pocket.train_policy import train_policy
from tts_ray.pocket.train_reward import train_reward


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument(
        "--only", choices=[*POLICY_RECIPES, *REWARD_RECIPES], help="train this model alone"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of steps")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
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
        save(reward, tokenizer, arguments.out / name, torch.bfloat16)


if __name__ == "__main__":
    main()
