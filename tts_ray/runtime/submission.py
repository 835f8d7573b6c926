"""A run as a Ray job on a remote cluster: submitted once, followed, resumed under its own name.

The submission id is the run's name and digest. Ray keeps the ids of ended jobs, so the first
resume of a run is ID-2, the next ID-3; the history stays.
"""

import asyncio
import logging
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ray.job_submission import JobStatus, JobSubmissionClient

from tts_ray.errors import ConfigError, PlacementError, TtsError
from tts_ray.text import clean

log = logging.getLogger(__name__)

T = TypeVar("T")

CREDENTIALS = [
    *("**/.env*", "**/*.env", "**/.netrc", "**/_netrc", "**/.pypirc", "**/.npmrc"),
    *("**/.git-credentials", "**/auth_token"),
    *("**/.aws", "**/.azure", "**/.docker", "**/.gnupg", "**/.kube", "**/.ray", "**/.ssh"),
    *("**/*.pem", "**/*.key", "**/*.p12", "**/*.pfx", "**/*.jks", "**/*.keystore", "**/*.kdbx"),
    *("**/id_rsa*", "**/id_dsa*", "**/id_ecdsa*", "**/id_ed25519*"),
    *("**/*credentials*.json", "**/*service*account*.json"),
]
"""Files that hold keys by convention, at any depth, in gitignore's syntax and in Docker's. Every
job of a cluster can read what is uploaded, and `.dockerignore` has the same list."""
EXCLUDED = ["/runs", "/.git", "/.venv", "/wandb", "**/__pycache__", "*.parquet", *CREDENTIALS]
"""What is not uploaded with the project: what no job needs, and what no other job may read."""
READY_S = 120.0
"""How long a cluster that has just started may answer "try again later", in seconds."""
RECONNECTS = 10
PAUSE_S = 3.0
"""How often in a row, and after how many seconds, a lost connection is taken up again."""
LONGEST = 500
"""How much of a foreign error is shown, in characters."""


class Submissions:
    """The jobs of a cluster, at the address of its dashboard.

    Raises:
        ConfigError: that is no address of a dashboard.
        PlacementError: nothing answers there, or the token is not the cluster's.
    """

    def __init__(self, address: str) -> None:
        if not re.match(r"https?://[^/]", address):
            raise ConfigError(f"{address!r} is no dashboard's address, as http://HOST:8265 is")
        self.address = address
        try:
            with unset("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
                self.client = JobSubmissionClient(address)
        # Ray lets errors of four other libraries through, and assertions of its own.
        except Exception as error:
            raise PlacementError(f"no Ray jobs at {address}: {reason(error)}") from None

    def submit(self, run_id: str, command: Sequence[str], project: Path) -> str:
        """Submit `command`, run in a copy of `project`; return the submission id.

        No environment variable travels with it, as Ray shows those to whoever may look, and no
        file that holds keys by convention.

        Raises:
            ConfigError: a job of this run has not ended yet, or the project cannot be uploaded.
            PlacementError: the cluster does not take the job.
        """
        earlier = self._ask("list its jobs", lambda: self._statuses(run_id))
        for name, status in earlier.items():
            if not status.is_terminal():
                raise ConfigError(f"this run is {status} already, as {name}. {self.how_to(name)}")
        name = f"{run_id}-{len(earlier) + 1}" if earlier else run_id
        try:
            self._ask("take the job", self._sending(name, command, project))
        except OSError as error:
            raise ConfigError(f"{project} cannot be uploaded: {reason(error)}") from None
        return name

    def _statuses(self, run_id: str) -> dict[str, JobStatus]:
        """The jobs of a run, by submission id."""
        return {
            job.submission_id: job.status
            for job in self.client.list_jobs()
            if job.submission_id and is_of(run_id, job.submission_id)
        }

    def _sending(self, name: str, command: Sequence[str], project: Path) -> Callable[[], None]:
        """What submits the job, and can be called again when the answer was lost."""
        attempts = 0

        def send() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self.client.submit_job(
                    entrypoint=shlex.join(command),
                    submission_id=name,
                    runtime_env={"working_dir": str(project), "excludes": EXCLUDED},
                )
            except RuntimeError as error:
                if "already exists" not in str(error):
                    raise
                # After the first attempt it is the job of an attempt whose answer was lost.
                if attempts == 1:
                    raise ConfigError(
                        f"this run was submitted a moment ago, as {name}. {self.how_to(name)}"
                    ) from None

        return send

    def _ask(self, what: str, question: Callable[[], T]) -> T:
        """Ask the cluster, and ask again for `READY_S` at most while it is only starting.

        Raises:
            PlacementError: it refuses, or does not answer.
            OSError: a file of this machine cannot be read or written.
        """
        deadline = time.monotonic() + READY_S
        waited = False
        while True:
            try:
                return question()
            except TtsError:
                raise
            except Exception as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                if not is_passing(error) or time.monotonic() >= deadline:
                    raise PlacementError(
                        f"the cluster at {self.address} did not {what}: {reason(error)}"
                    ) from None
                if not waited:
                    log.warning("trying again for %g s: %s", READY_S, reason(error))
                    waited = True
            time.sleep(PAUSE_S)

    def follow(self, name: str) -> int:
        """Print the job's log as it comes; return its exit code.

        Raises:
            PlacementError: the connection was lost and did not come back. The job goes on.
            TtsError: the log cannot be printed. The job goes on.
        """
        printed = Printed()
        failures, last = 0, ""
        while failures < RECONNECTS:
            try:
                asyncio.run(self._print_log(name, printed))
                status = self.client.get_job_status(name)
                if status.is_terminal():
                    return self._exit_code(name, status)
                failures = 0
            except TtsError:
                raise
            except Exception as error:
                failures, last = failures + 1, reason(error)
            time.sleep(PAUSE_S)
        raise PlacementError(f"lost the connection: {last}. {name} goes on. {self.how_to(name)}")

    async def _print_log(self, name: str, printed: "Printed") -> None:
        """Print what of the log has not been printed: every connection begins at its start."""
        seen = 0
        async for text in self.client.tail_job_logs(name):
            try:
                print(text[max(0, printed.characters - seen) :], end="", flush=True)
            except (OSError, ValueError) as error:
                raise TtsError(
                    f"the log cannot be printed: {reason(error)}. {name} goes on. "
                    f"{self.how_to(name)}"
                ) from None
            seen += len(text)
            printed.characters = max(printed.characters, seen)

    def _exit_code(self, name: str, status: JobStatus) -> int:
        job = self.client.get_job_info(name)
        if job.driver_exit_code is not None:
            return int(job.driver_exit_code)
        if status == JobStatus.SUCCEEDED:
            return 0
        raise PlacementError(f"{name} is {status}: {in_one_line(job.message or '')}")

    def how_to(self, name: str) -> str:
        """How to follow and stop a job."""
        return (
            f"Follow it: ray job logs {name} --address {self.address} --follow; "
            f"stop it: ray job stop {name} --address {self.address}"
        )


@dataclass
class Printed:
    """How much of a log has been printed, in characters."""

    characters: int = 0


@contextmanager
def unset(*names: str) -> Iterator[None]:
    """Run a block without these environment variables, which Ray puts above an address given."""
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)


def is_of(run_id: str, name: str) -> bool:
    """Whether a submission id is that of a run, or of one of its resumes."""
    base, _, number = name.rpartition("-")
    return name == run_id or (base == run_id and number.isdigit())


def is_passing(error: Exception) -> bool:
    """Whether a cluster that answers so may answer well in a moment."""
    lost = isinstance(error, OSError) and not isinstance(error, ValueError)
    return lost or bool(re.search(r"try again later|status code 50[234]", str(error)))


def reason(error: Exception) -> str:
    """A foreign error in one line, with its kind where it has no words."""
    return in_one_line(str(error)) or type(error).__name__


def in_one_line(text: str) -> str:
    """The line that says what went wrong: the last one of a traceback, else the first."""
    lines = [line for line in map(visible, text.splitlines()) if line]
    traced = any(line.endswith("Traceback (most recent call last):") for line in lines)
    return (lines or [""])[-1 if traced else 0][:LONGEST]


def visible(line: str) -> str:
    """A line without colours and control characters; nothing if it has no words."""
    plain = clean(line)
    return "".join(c for c in plain if c.isprintable()).strip() if re.search(r"\w", plain) else ""
