"""The pocket models on one CUDA card, as a run places them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
]


def test_policy_and_prm_share_one_card(tmp_path):
    run = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "jobs/evaluate.py", "configs/pocket.yaml", f"run={run}"),
            *("policy.gpus=0.5", "prm.gpus=0.5", "dataset.limit=4", "search.n=4"),
            "wandb.mode=disabled",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
