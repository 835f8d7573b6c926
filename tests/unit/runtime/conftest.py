import json
from pathlib import Path

import pytest

from tts_ray.config import load_config
from tts_ray.runtime.cell import Cell

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def cell(tmp_path):
    """Opens the run on a dataset of these rows."""

    def opened(rows, *more):
        file = tmp_path / "problems.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)))
        dataset = {"dataset": {"name": "d", "path": str(file)}}
        config = load_config(
            [
                *("policy=scripted", "prm=scripted", dataset, "search.name=best_of_n"),
                *("search.n=4", f"run={tmp_path / 'run'}", "wandb.mode=disabled", *more),
            ],
            CONFIGS,
        )
        return Cell(config)

    return opened
