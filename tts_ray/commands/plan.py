"""Print the GPUs and memory a run needs, as the run itself would decide it. Starts nothing.

python jobs/plan.py policy=llama-3.2-1b-instruct prm=qwen2.5-math-prm-7b dataset=math500
python jobs/plan.py --all
"""

import argparse
import math
from collections.abc import Sequence
from itertools import product

from tts_ray.commands import CONFIGS, count
from tts_ray.config import RunConfig, load_config
from tts_ray.data.problem_set import ProblemSet
from tts_ray.data.problems import is_here
from tts_ray.engines.contexts import too_long_for_the_prm
from tts_ray.runtime.cell import problems_of
from tts_ray.runtime.deal import searchers_for
from tts_ray.runtime.plan import Cards, plan
from tts_ray.runtime.plan_tables import pair_table, run_table
from tts_ray.runtime.run import check_models

WITHOUT_GPU = ("pocket", "scripted")


def pairs() -> str:
    """The table of every policy and PRM that runs on GPUs."""
    policies, prms = (
        sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
        for group in ("policy", "prm")
    )
    runs = {
        (policy, prm): load_config([f"policy={policy}", f"prm={prm}", "dataset=math500"], CONFIGS)
        for policy, prm in product(policies, prms)
        if not (policy.startswith(WITHOUT_GPU) or prm.startswith(WITHOUT_GPU))
    }
    return pair_table(runs, node=8, gib=80.0)


def local_problems(config: RunConfig) -> ProblemSet | None:
    """The run's problems if they lie on this machine; None if they lie elsewhere.

    Raises:
        ConfigError: they are here, and cannot be read.
    """
    return problems_of(config.dataset) if is_here(config.dataset.path) else None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="*", metavar="FILE.yaml|GROUP=NAME|KEY.SUB=VALUE")
    parser.add_argument("--all", action="store_true", help="every policy with every PRM")
    parser.add_argument("--gpus", type=count, default=math.inf, help="GPUs of the cluster")
    parser.add_argument("--node-gpus", type=count, default=8, help="GPUs of one node")
    arguments = parser.parse_args(argv)
    if arguments.all:
        print(pairs())
        return 0
    config = load_config(arguments.config, CONFIGS)
    gib = config.cluster.gpu_gib
    made = plan(config, Cards(arguments.gpus, arguments.node_gpus, gib))
    local = local_problems(config)
    problems = local.problems if local else []
    found = check_models(config.models(), problems, fetch_small=False)
    print(run_table(config, made, gib))
    print(f"\n{made.gpus(config):g} GPUs of {gib:g} GiB in all")
    replicas = {role: model.replicas for role, model in config.models().items()}
    begin = {role: model.first_replicas for role, model in config.models().items()}
    if searchers := searchers_for(config.cluster.searchers, replicas, begin):
        print(f"{searchers} searchers")
    for remark in local.remarks if local else ():
        print(f"{config.dataset.name}: {remark}")
    if note := too_long_for_the_prm(config, found.rooms):
        print(note)
    if found.unchecked:
        print(f"not on this machine, so not looked at: {', '.join(found.unchecked)}")
    return 0
