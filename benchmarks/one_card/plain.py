"""Plain offline `LLM.generate`, in a process of its own: what the stack is held against."""

import argparse
import time
from pathlib import Path

from transformers import AutoTokenizer
from vllm import LLM, SamplingParams

from benchmarks.one_card.problems import some_problems
from benchmarks.one_card.searches import MARK
from benchmarks.one_card.setting import CARD, TINY, Setting
from tts_ray.engines.prompts import prompt_family
from tts_ray.engines.vllm_compat import engine_args

SAME = (
    "model",
    "dtype",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "enable_chunked_prefill",
    "enforce_eager",
    "block_size",
    "kv_cache_memory_bytes",
    "gpu_memory_utilization",
)
"""The engine arguments that both sides have alike."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", required=True)
    options = parser.parse_args()
    generate(TINY if options.tiny else CARD, options.folder, options.counts)


def generate(setting: Setting, folder: Path, counts: list[int]) -> None:
    """Print the tokens per second of a round for each count of candidates a problem, after a first
    round that warms up."""
    policy, _, share, _ = setting.pairs[0]
    args = engine_args(setting.spec(policy, folder, share))
    llm = LLM(**{name: getattr(args, name) for name in SAME})
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    family = prompt_family(setting.described(policy)["prompt"])
    for at, n in enumerate([*counts[-1:], *counts]):
        prompts = [
            {"prompt_token_ids": family.render(tokenizer, problem.question)}
            for problem in some_problems(setting, n, at)
            for _ in range(n)
        ]
        params = [
            SamplingParams(
                temperature=setting.sampling.temperature if n > 1 else 0.0,
                seed=at * len(prompts) + i,
                max_tokens=setting.sampling.max_tokens,
            )
            for i in range(len(prompts))
        ]
        started = time.perf_counter()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        if at:
            print(f"{MARK}{tokens / (time.perf_counter() - started)}", flush=True)


if __name__ == "__main__":
    main()
