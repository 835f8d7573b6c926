"""Report a sweep from its Parquet files: tables, a figure, and a strategy file for each policy.

    python jobs/sweep_report.py runs/pocket-sweep

Writes report.md, accuracy.png and strategy-*.yaml into the sweep's directory, and prints the
report.
"""

import argparse
from collections.abc import Sequence

from tts_ray.analysis.compute_optimal import strategy
from tts_ray.analysis.study import differing_datasets, studies
from tts_ray.analysis.sweep_plot import plot
from tts_ray.analysis.sweep_report import report
from tts_ray.errors import StoreError
from tts_ray.results.folder import folder_at
from tts_ray.yaml_text import dump_yaml


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", help="the directory of a sweep, or its URL in an object store")
    arguments = parser.parse_args(argv)
    sweep = folder_at(arguments.sweep)
    found = studies(sweep)
    try:
        text = "\n\n".join([*differing_datasets(sweep), report(found)])
        sweep.write("report.md", text.encode())
        sweep.write("accuracy.png", plot(found))
        for study in found:
            settings = strategy(study.evidence()).settings()
            name = f"strategy-{study.policy}--{study.prm}--{study.dataset}.yaml"
            sweep.write(name, dump_yaml(settings))
    except ValueError as error:
        raise StoreError(f"{sweep} cannot be reported: {error}") from None
    except OSError as error:
        raise StoreError(f"the report cannot be written to {sweep}: {error}") from None
    print(text)
    return 0
