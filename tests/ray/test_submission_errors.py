"""What a cluster's job server may answer, and what is said of it: one line, never a traceback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tts_ray.errors import ConfigError, PlacementError, TtsError
from tts_ray.runtime import submission
from tts_ray.runtime.submission import Submissions

VERSION = (200, json.dumps({"ray_version": "2.60.0"}))
LATER = (500, "No available agent to submit job, please try again later.")
TRACEBACK = (500, "Traceback (most recent call last):\n  File ...\nKeyError: \x1b[31m'it'\x1b[0m\n")
EXISTS = (500, "Traceback (most recent call last):\nException: Job x already exists. Use another.")
ACCEPTED = (200, json.dumps({"submission_id": "run-1", "job_id": "run-1"}))
HANG_UP = (0, "")
BROKEN = [(500, ""), (404, "gone"), (200, "<html>"), (200, "null"), (200, "[1]"), (200, '{"": 1}')]


class Handler(BaseHTTPRequestHandler):
    """Answers each kind of request with the next of its answers, the last of them for ever."""

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = f"{self.command} {self.path.rstrip('/')}"
        answers = self.server.answers.get(kind, [(200, "")])
        status, text = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.asked.append(kind)
        if status:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())
        else:
            self.close_connection = True

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *arguments):
        """Nothing: the requests are no output of a test."""


@pytest.fixture
def server(monkeypatch):
    """A job server that takes every job, with its answers to be changed, and what it was asked."""
    monkeypatch.setattr(submission, "PAUSE_S", 0.01)
    monkeypatch.setattr(submission, "READY_S", 30.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        server.answers = {
            "GET /api/version": [VERSION],
            "GET /api/jobs": [(200, "[]")],
            "POST /api/jobs": [ACCEPTED],
        }
        server.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def project(tmp_path):
    (tmp_path / "file").write_text("a file")
    return tmp_path


def refusal(kind, act):
    """The one line that an action ends with."""
    with pytest.raises(kind) as raised:
        act()
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    "address",
    ["", "auto", "http://", "https:///", "ftp://127.0.0.1", "os://x", "ray://h:1", "h:9", "://"],
)
def test_what_is_no_address_of_a_dashboard_is_refused(address):
    assert "is no dashboard's address" in refusal(ConfigError, lambda: Submissions(address))


@pytest.mark.parametrize(
    "address",
    [
        "http://[",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:9",
        "https://nowhere.invalid",
        "http://a b",
    ],
)
def test_an_address_where_nothing_answers_is_refused_in_one_line(address):
    assert f"no Ray jobs at {address}: " in refusal(PlacementError, lambda: Submissions(address))


@pytest.mark.parametrize("variable", ["RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"])
def test_the_address_that_is_given_counts_and_not_that_of_the_environment(
    server, monkeypatch, variable
):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    Submissions(server.address)
    assert server.asked


@pytest.mark.parametrize("answer", BROKEN)
def test_a_server_that_is_not_rays_is_refused_in_one_line(server, answer):
    server.answers["GET /api/version"] = [answer]
    refusal(PlacementError, lambda: Submissions(server.address))


@pytest.mark.parametrize("asked", ["GET /api/jobs", "POST /api/jobs"])
@pytest.mark.parametrize("answer", [*BROKEN, TRACEBACK, (401, "who?"), (403, "not you")])
def test_an_answer_that_is_no_answer_ends_the_submission_in_one_line(
    server, project, asked, answer
):
    jobs = Submissions(server.address)
    server.answers[asked] = [answer]
    said = refusal(PlacementError, lambda: jobs.submit("run-1", ["true"], project))
    assert server.address in said
    if answer is TRACEBACK:
        assert said.endswith("KeyError: 'it'")


@pytest.mark.parametrize("asked", ["GET /api/jobs", "POST /api/jobs"])
@pytest.mark.parametrize("answer", [LATER, (503, "starting"), HANG_UP])
def test_a_cluster_that_is_only_starting_is_asked_again(server, project, asked, answer):
    jobs = Submissions(server.address)
    server.answers[asked] = [answer, answer, *server.answers[asked]]
    assert jobs.submit("run-1", ["true"], project) == "run-1"
    assert server.asked.count(asked) == 3


def test_a_cluster_that_stays_away_is_given_up(server, project, monkeypatch):
    monkeypatch.setattr(submission, "READY_S", 0.1)
    jobs = Submissions(server.address)
    server.answers["POST /api/jobs"] = [LATER]
    assert "No available agent" in refusal(
        PlacementError, lambda: jobs.submit("run-1", ["true"], project)
    )


def test_a_job_that_was_taken_without_an_answer_is_not_submitted_twice(server, project):
    jobs = Submissions(server.address)
    server.answers["POST /api/jobs"] = [HANG_UP, EXISTS]
    assert jobs.submit("run-1", ["true"], project) == "run-1"


def test_a_run_that_somebody_submits_at_the_same_moment_is_refused(server, project):
    jobs = Submissions(server.address)
    server.answers["POST /api/jobs"] = [EXISTS]
    assert "a moment ago, as run-1" in refusal(
        ConfigError, lambda: jobs.submit("run-1", ["true"], project)
    )


def test_a_project_that_cannot_be_read_is_refused_in_one_line(server, project, monkeypatch):
    def unreadable(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(project / "file"))

    jobs = Submissions(server.address)
    monkeypatch.setattr(Path, "iterdir", unreadable)
    said = refusal(ConfigError, lambda: jobs.submit("run-1", ["true"], project))
    assert "cannot be uploaded" in said
    assert str(project / "file") in said


@pytest.mark.filterwarnings("ignore:ssl=None:DeprecationWarning")
@pytest.mark.parametrize("answer", [*BROKEN, TRACEBACK, HANG_UP, (401, "who?")])
def test_a_job_that_cannot_be_followed_is_one_line_that_says_how_to(server, answer):
    jobs = Submissions(server.address)
    server.answers["GET /api/jobs/run-1/logs/tail"] = [answer]
    said = refusal(TtsError, lambda: jobs.follow("run-1"))
    assert "run-1 goes on" in said
    assert "ray job logs run-1" in said
