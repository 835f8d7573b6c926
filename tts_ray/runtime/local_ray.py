"""The Ray cluster that a job starts for itself: reachable from this machine alone, and only with a
token that this job made (docs/security.md).

Ray runs whatever code reaches its ports. Left to itself it listens on every interface, and its
dashboard agent takes jobs by HTTP.
"""

import atexit
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import ray
from ray._private import parameter, ray_constants, worker
from ray._raylet import (  # type: ignore[attr-defined]  # compiled, without stubs
    AuthenticationTokenLoader,
    Config,
)

NO_RAY_METRICS = {"enable_metrics_collection": False, "enable_open_telemetry": False}
"""Ray's own metrics, off in a cluster that nobody scrapes: the exporter's thread was seen to end
a driver with a segmentation fault (Ray 2.60, `TemporalMetricStorage::buildMetrics`)."""


def start_local_ray(settings: dict[str, Any]) -> None:
    """Start Ray on this machine and join it; `settings` are further arguments of `ray.init`.

    The token is in the environment of this process and of those that it starts, in no file.
    """
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # An engine without a GPU must see none; Ray leaves the variable alone by default.
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    reread_authentication()
    with loopback(), few_processes():
        ray.init(
            address="local",
            include_dashboard=False,
            _system_config=NO_RAY_METRICS | niceness(),
            **settings,
        )
    # Before Ray does it itself at an exit, which first sleeps for the sake of workers' output.
    atexit.register(ray.shutdown)


def niceness() -> dict[str, int]:
    """The priority of Ray's workers: that of this process, and not 15 steps below it, where every
    neighbour on the machine goes before the engines. RAY_worker_niceness says otherwise."""
    return {} if ray_constants.RAY_WORKER_NICENESS in os.environ else {"worker_niceness": 0}


def lost_local_ray() -> str:
    """Why no engine can come back: this process started Ray, and its one node is gone. Empty while
    the node lives, and on clusters of others, which nodes may join."""
    node = worker._global_node
    if node is None or not node.head or any(each["Alive"] for each in ray.nodes()):
        return ""
    return "Ray's only node on this machine is gone"


def reread_authentication() -> None:
    """Have Ray look at RAY_AUTH_MODE and RAY_AUTH_TOKEN again; it keeps what it read first."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def few_processes() -> Iterator[None]:
    """Have a node that is started here do without its autoscaler, which has nothing to scale and
    ignores SIGTERM for a second at the end, and without the reader of logs that nobody is shown.
    `ray.init` has no argument for either."""
    before = parameter.RayParams
    parameter.RayParams = partial(before, no_monitor=True, include_log_monitor=False)
    try:
        yield
    finally:
        parameter.RayParams = before


@contextmanager
def loopback() -> Iterator[None]:
    """Have a node that is started here take 127.0.0.1 for its address, to which all of Ray's
    processes then bind. This is what Ray does on macOS; `_node_ip_address="127.0.0.1"` does not do
    it, for Ray puts the machine's outer address in its place."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
