"""The kinds of input that are fuzzed. Each function makes one case from a generator of random
numbers and a folder of its own, hands it to the package as a job would, and checks what came of
it."""

import asyncio
import csv
import gzip
import io
import json
import math
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.fuzz.hostile import NO_DATA, VALUES, as_yaml, changed, damaged
from tests.unit.results.test_run_directory import record_of
from tts_ray import pocket
from tts_ray.admission import Admission
from tts_ray.analysis.curves import points
from tts_ray.analysis.stored import stored_outcomes, stored_sizes
from tts_ray.config import PolicyConfig, PrmConfig, load_config, searches
from tts_ray.door import enter
from tts_ray.engines.preflight import refuse_unusable
from tts_ray.engines.scripted import ScriptedPolicy, ScriptedReward
from tts_ray.errors import ConfigError, TtsError
from tts_ray.evaluate import Engines, evaluate
from tts_ray.grading.answers import canonical_form
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.results.folder import folder_at
from tts_ray.results.part_file import to_part
from tts_ray.runtime.cell import Cell, problems_of
from tts_ray.search_grid import load_strategy
from tts_ray.sweep import load_sweep

CONFIGS = Path(__file__).parents[2] / "configs"
RUN = {
    "policy": "scripted",
    "prm": "scripted",
    "dataset": {"name": "pocket", "path": "pocket", "level": "level", "limit": 2},
    "search": {"name": ["best_of_n", "dvts", "greedy"], "n": [4, 8], "m": 4, "rank": "last"},
    "sampling": {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 64},
    "seed": 3,
    "cluster": {"placement_s": 5, "grace_s": 1.5, "attempts": 2, "gpu_gib": 40},
    "grading": {"workers": 1, "seconds": 2.0},
    "wandb": {"mode": "disabled", "project": "p"},
}
MODEL = {"replicas": 2, "min_replicas": 1, "cpus": 0.5, "gpus": 0, "max_num_seqs": 8}
SWEEP = {
    "grids": [
        {
            "policies": ["scripted"],
            "prms": ["scripted"],
            "datasets": ["pocket"],
            "seeds": [0, 1],
            "search": {"name": ["best_of_n", "beam_search", "adaptive"], "n": [8, 16]},
        }
    ],
    "base": {"dataset": {"limit": 2}, "wandb": {"mode": "disabled"}},
    "limits": {"gpu_hours": 2.0, "flops": 1e12},
}
STRATEGY = {
    "pilot": 4,
    "budgets": {4: [{"below": 0.4, "search": "beam_search", "m": 2}, {"search": "dvts"}]},
}
RULES = {"rules": [{"dataset": "pocket", "parameters_below": 7e9, **STRATEGY}, {**STRATEGY}]}
ROWS = [
    {"problem": f"What is {at}?", "answer": str(at), "level": f"Level {at}", "note": None}
    for at in range(1, 6)
]


def run_config(dice, folder, **parts):
    """The base run in a folder, with parts of it replaced."""
    return RUN | {"run": str(folder / "run")} | parts


def config(dice, folder):
    """A configuration as a file and arguments; a plan of it, and the searches it asks for."""
    base = run_config(dice, folder)
    if dice.random() < 0.5:
        for role in ("policy", "prm"):
            own = yaml.safe_load((CONFIGS / role / "scripted.yaml").read_text())
            base[role] = own | MODEL
    arguments = []
    if dice.random() < 0.6:
        file = folder / "run.yaml"
        file.write_bytes(as_yaml(changed(base, dice), dice))
        arguments.append(str(file))
    else:
        file = folder / "run.yaml"
        file.write_text(yaml.safe_dump(base))
        arguments.append(str(file))
        for _ in range(dice.randint(1, 2)):
            arguments.append(f"{dotted(base, dice)}={spelled(dice.choice(VALUES), dice)}")
    code = enter("plan", arguments)
    if code == 0:
        check_meaning(load_config(arguments, CONFIGS))
    return code


def dotted(value, dice):
    """A key of containers, with dots; now and then one that is not there."""
    keys = []
    while isinstance(value, dict) and (not keys or dice.random() < 0.8):
        keys.append(str(dice.choice([*value, "x"] if dice.random() < 0.1 else [*value])))
        value = value.get(keys[-1])
    end = dice.choice(["", "", "", "", "", ".", "[0]", " ", ".x.y"])
    return ".".join(keys) + end


def spelled(value, dice):
    """A value as it stands on a command line."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.replace("\x00", "") + dice.choice(["", "", "", "]", "{", ": "])


def check_meaning(made):
    """What was accepted means something: finite numbers, searches, problems with answers."""

    def walk(value):
        if isinstance(value, dict):
            for each in value.values():
                walk(each)
        elif isinstance(value, float):
            assert math.isfinite(value), value

    walk({k: v for k, v in asdict(made).items() if k != "search"})
    assert searches(made)
    assert "/" not in made.policy.name + made.dataset.name
    for problem in problems_of(made.dataset).problems:
        assert problem.question.strip()
        assert all(map(canonical_form, problem.answers))


def sweep(dice, folder):
    """A sweep's file, as cells."""
    file = folder / "sweep.yaml"
    base = SWEEP | {"run": str(folder / "sweep")}
    file.write_bytes(as_yaml(changed(base, dice), dice))
    _, cells = load_sweep([str(file)], CONFIGS)
    assert cells
    for cell in cells[:2]:
        check_meaning(cell)
    return 0


def strategy(dice, folder):
    """A strategy's file, alone and as the argument of a run."""
    file = folder / "strategy.yaml"
    file.write_bytes(as_yaml(changed(dice.choice([STRATEGY, RULES]), dice), dice))
    found = load_strategy(str(file), 1e9, "pocket")
    assert found.route(16, 0.3).m >= 1
    search = {"name": "adaptive", "n": 16, "strategy": str(file)}
    made = load_config([run_config(dice, folder, search=search)], CONFIGS)
    assert searches(made)
    return 0


def dataset(dice, folder):
    """A dataset's file; what is accepted is searched, and its answers can be right."""
    form = dice.choice(["jsonl", "jsonl", "json", "array", "csv", "parquet"])
    content = data_as(form, changed(ROWS, dice) if form != "parquet" else ROWS)
    if dice.random() < (0.9 if form == "parquet" else 0.4):
        content = damaged(content, dice)
    if dice.random() < 0.1:
        content = dice.choice(NO_DATA)
    packed = dice.random() < 0.25
    if packed:
        content = gzip.compress(content)
        content = damaged(content, dice) if dice.random() < 0.3 else content
    said = "json" if form == "array" else form
    if dice.random() < 0.1:
        said = dice.choice(["jsonl", "json", "csv", "parquet"])
    file = folder / f"data.{said}{'.gz' * (packed ^ (dice.random() < 0.05))}"
    file.write_bytes(content)
    level = dice.choice([None, "level"])
    source = {"name": "d", "path": str(file), "level": level}
    source["skip_bad"] = dice.random() < 0.3
    made = load_config([run_config(dice, folder, dataset=source)], CONFIGS)
    check_meaning(made)
    do_all(made)
    return 0


def data_as(form, rows) -> bytes:
    """Rows, or whatever is in their place, as the content of a file."""
    lines = rows if isinstance(rows, list) else [rows]
    if form == "parquet":
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), content)
        return content.getvalue()
    if form == "array":
        text = json.dumps(rows, default=str, indent=1)
    elif form == "csv":
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow(ROWS[0])
        writer.writerows(row.values() if isinstance(row, dict) else [row] for row in lines)
        text = written.getvalue()
    else:
        text = "\n".join(json.dumps(line, default=str) for line in lines)
    return text.encode("utf-8", "surrogatepass")


def do_all(made):
    """Run a configuration on scripted engines in this process, and read what it left."""
    with Cell(made) as cell:

        async def keep(trial, record):
            assert record.error is None
            await cell.directory.append(record)

        async def go():
            engines = Engines(PolicyPool([ScriptedPolicy()]), RewardPool([ScriptedReward()]))
            await evaluate(cell.trials, engines, Admission(512, 1 << 20), keep)

        asyncio.run(go())
        cell.directory.confirm()
        assert len(stored_outcomes(folder_at(made.run))) == cell.board.total


def stored_run(dice, folder):
    """A finished run, to be damaged; its configuration."""
    made = load_config([run_config(dice, folder)], CONFIGS)
    do_all(made)
    return made


def read_back(dice, run):
    """What a report reads of a run, and now and then the report itself, which takes a second."""
    if dice.random() < 0.1:
        return enter("report", [str(run)])
    try:
        found = points(stored_outcomes(folder_at(run)), stored_sizes(folder_at(run)))
    except TtsError as refused:
        assert "\n" not in str(refused)
        print(f"error: {refused}", file=sys.stderr)
        return refused.exit_code
    assert all(0 <= each.mean <= 1 for point in found for each in point.accuracy.values())
    return 0


def part(dice, folder):
    """A result file that was damaged, copied, cut or replaced: a report refuses it or shows what
    was stored, and the next job sets it aside and does its searches again."""
    made = stored_run(dice, folder)
    run = folder / "run"
    first = min(run.glob("part-*.parquet"))
    match dice.randrange(4):
        case 0:
            copy = dice.choice(["part-000099.parquet", "part-000001 (1).parquet", "part-x.parquet"])
            shutil.copy(first, run / copy)
        case 1:
            first.write_bytes(to_part(first.name, [record_of(1)]))
        case _:
            first.write_bytes(damaged(first.read_bytes(), dice))
    code = read_back(dice, run)
    try:
        do_all(made)
    except ConfigError as refused:
        # Results of a problem that the dataset does not have.
        assert "dataset.changed" in str(refused)
        raise
    assert read_back(dice, run) == 0
    return code


def run_yaml(dice, folder):
    """The description of a run: a report, a sweep's report and the next job refuse it or use it."""
    made = stored_run(dice, folder)
    file = folder / "run" / dice.choice(["run.yaml", "run.yaml", "problems.json"])
    said = yaml.safe_load(file.read_text())
    file.write_bytes(as_yaml(changed(said, dice), dice))
    codes = [read_back(dice, folder / "run"), enter("sweep_report", [str(folder)])]
    assert set(codes) <= {0, 2}
    do_all(made)
    return codes[0]


def place(dice, folder):
    """Names of places that are given to the jobs that only read."""
    name = spelled(dice.choice(VALUES), dice) or "."
    url = dice.choice(["s3://", "gs://", "ftp://", "s3://[::1/", "file://", "s3://k:v@"])
    where = dice.choice([name, str(folder / name[:200]), f"{url}{name[:100]}"])
    if "://" in where and not where.startswith(("ftp", "file", "s3://[", "s3://k")):
        where = f"ftp://{name[:50]}"
    command = dice.choice(["report", "sweep_report", "sync"])
    return enter(command, ["--", where])


def checkpoint(dice, folder):
    """A model's folder with damaged files: refused before it loads, or as good as whole."""
    role = dice.choice(["policy", "prm"])
    name = "pocket-xs" if role == "policy" else "pocket-prm"
    model = folder / "model"
    shutil.copytree(pocket.weights(name), model)
    file = dice.choice(sorted(path for path in model.iterdir() if path.is_file()))
    if dice.random() < 0.15:
        file.unlink()
    elif file.suffix == ".json" and dice.random() < 0.6:
        found = changed(json.loads(file.read_text()), dice)
        file.write_text(json.dumps(found, default=str))
    else:
        file.write_bytes(damaged(file.read_bytes(), dice))
    common = {"name": name, "model": str(model), "parameters": 1e6, "max_model_len": 512}
    config = (
        PolicyConfig(**common, prompt="qwen")
        if role == "policy"
        else PrmConfig(**common, format="qwen2.5-math-prm")
    )
    found = refuse_unusable({role: config}, ["What is 1 + 1?"], fetch_small=False)
    assert found.rooms[role].longest <= 512
    return 0


KINDS = {
    kind.__name__: kind
    for kind in (config, sweep, strategy, dataset, part, run_yaml, place, checkpoint)
}
