"""What the documents print is what the code computes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_gpus_is_what_the_plan_says():
    made = subprocess.run(
        [sys.executable, "jobs/plan.py", "--all"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout in (ROOT / "docs" / "running.md").read_text()


def test_a_plan_says_how_many_searchers_the_replicas_need():
    made = subprocess.run(
        [
            *(sys.executable, "jobs/plan.py", "policy=llama-3.2-1b-instruct"),
            *("prm=qwen2.5-math-prm-7b", "dataset=math500"),
            *("policy.replicas=64", "prm.replicas=64"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\n4 searchers\n" in made.stdout


def test_a_plan_that_cannot_be_is_one_line_and_a_code():
    refused = subprocess.run(
        [
            *(sys.executable, "jobs/plan.py"),
            *("policy=qwen2.5-72b-instruct", "dataset=math500", "policy.gpus=1"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: policy: qwen2.5-72b-instruct needs 142.7 GiB")
    assert refused.stderr.count("\n") == 1
