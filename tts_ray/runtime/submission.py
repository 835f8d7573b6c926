"""A run as a Ray job on a remote cluster: submitted once, followed, resumed under its own name.

The submission id is the run's name and digest. Ray keeps the ids of ended jobs, so the first
resume of a run is ID-2, the next ID-3; the history stays.
"""

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path

from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from tts_ray.errors import ConfigError, PlacementError

EXCLUDED = ["/runs", "/.git", "/.venv", "/wandb", "**/__pycache__", "*.parquet"]
"""What a job needs nothing of; the rest of the project is uploaded."""
RECONNECTS = 10
PAUSE_S = 3.0
"""How often and after how many seconds a lost connection is taken up again."""


class Submissions:
    """The jobs of a cluster, at the address of its dashboard.

    Raises:
        PlacementError: nothing answers there, or the token is not the cluster's.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        try:
            self.client = JobSubmissionClient(address)
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            reason = str(error).strip().splitlines()[0]
            raise PlacementError(f"no Ray jobs at {address}: {reason}") from None

    def submit(self, run_id: str, command: Sequence[str], project: Path) -> str:
        """Submit `command`, run in a copy of `project`; return the submission id.

        No environment variable travels with it, as Ray shows those to whoever may look.

        Raises:
            ConfigError: a job of this run has not ended yet.
        """
        earlier = {
            job.submission_id: job.status
            for job in self.client.list_jobs()
            if job.submission_id and is_of(run_id, job.submission_id)
        }
        for name, status in earlier.items():
            if not status.is_terminal():
                raise ConfigError(f"this run is {status} already, as {name}. {self.how_to(name)}")
        name = f"{run_id}-{len(earlier) + 1}" if earlier else run_id
        return str(
            self.client.submit_job(
                entrypoint=shlex.join(command),
                submission_id=name,
                runtime_env={"working_dir": str(project), "excludes": EXCLUDED},
            )
        )

    def follow(self, name: str) -> int:
        """Print the job's log as it comes; return its exit code.

        Raises:
            PlacementError: the connection was lost and did not come back. The job goes on.
        """
        printed = 0
        for _ in range(RECONNECTS):
            try:
                printed = asyncio.run(self._print_log(name, printed))
                status = self.client.get_job_status(name)
                if status.is_terminal():
                    return self._exit_code(name, status)
            except (ConnectionError, RuntimeError, OSError):
                asyncio.run(asyncio.sleep(PAUSE_S))
        raise PlacementError(f"lost the connection; {name} goes on. {self.how_to(name)}")

    async def _print_log(self, name: str, printed: int) -> int:
        """Print the log beyond its first `printed` characters; return how many there are."""
        seen = 0
        async for text in self.client.tail_job_logs(name):
            fresh = text[max(0, printed - seen) :]
            seen += len(text)
            print(fresh, end="", flush=True)
        return max(seen, printed)

    def _exit_code(self, name: str, status: JobStatus) -> int:
        job = self.client.get_job_info(name)
        if job.driver_exit_code is not None:
            return int(job.driver_exit_code)
        if status == JobStatus.SUCCEEDED:
            return 0
        raise PlacementError(f"{name} is {status}: {job.message}")

    def how_to(self, name: str) -> str:
        """How to follow and stop a job."""
        return (
            f"Follow it: ray job logs {name} --address {self.address} --follow; "
            f"stop it: ray job stop {name} --address {self.address}"
        )


def is_of(run_id: str, name: str) -> bool:
    """Whether a submission id is that of a run, or of one of its resumes."""
    base, _, number = name.rpartition("-")
    return name == run_id or (base == run_id and number.isdigit())
