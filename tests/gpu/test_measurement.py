"""What of the measurement of one card is a test: scores and losses on models of real shapes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
BF16 = 5e-2
"""The largest difference of two scores in bfloat16 that are the same in exact arithmetic."""

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
]


def test_scores_agree_and_a_killed_engine_serves_again(tmp_path):
    words = ("--parts=checkpoints,scores,losses", f"--out={tmp_path}")
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "gpu.json").read_text())
    differences = [row["value"] for row in rows if "largest difference" in row["figure"]]
    assert differences and max(differences) < BF16
    assert [row for row in rows if row["figure"] == "serves again after, s"]
