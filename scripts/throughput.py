"""Compare the throughput of servers under Docker's default profile and under a new one.

    scripts/throughput.py [--rounds N] NAME…        (the examples of profiles/ that are servers)

Two containers of each example's image run side by side, one as Docker starts it, one with the
example's profile and capabilities; the load tool does the same work in one and the other by
turns.  Prints the median rates, the median of the rounds' ratios (above 1: faster under the new
profile), and that of the CPU time the whole container took (below 1: cheaper), which hardly
depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from synth.config import load_config
from tracer.docker_engine import engine_url

PROFILES = Path(__file__).resolve().parent.parent / "profiles"

AB = ["ab", "-q", "-n", "5000", "-c", "16"]
AB_RATE = r"Requests per second:\s+([0-9.]+)"
# the tool prints seconds with three digits; these are measured around it
MEMCACHED = """
began=$(date +%s%N)
memcslap --servers=127.0.0.1:11211 --concurrency=8 --execute-number=3000 --test=get >/dev/null
echo rate $((24000 * 1000000000 / ($(date +%s%N) - began)))
"""
LOADS: dict[str, tuple[list[str], str]] = {
    "nginx": ([*AB, "http://127.0.0.1/"], AB_RATE),
    "node": ([*AB, "http://127.0.0.1:8080/"], AB_RATE),
    "redis": (
        ["redis-benchmark", "-q", "-n", "50000", "-c", "20", "-t", "set"],
        r"([0-9.]+) requests per second",
    ),
    "postgresql": (
        ["pgbench", "-n", "-S", "-c", "4", "-j", "2", "-t", "4000", "bench"],
        r"tps = ([0-9.]+)",
    ),
    "memcached": (["sh", "-c", MEMCACHED], r"rate ([0-9]+)"),
    "go": (["/app", "load", "/", "6000"], r"Requests per second: ([0-9.]+)"),
}
"""Example -> load command, and where its output says how much was done in a second."""

PREPARE = {
    "postgresql": "until pg_isready -q; do sleep 0.2; done; createdb bench; pgbench -q -i bench"
}


def start(stack: ExitStack, client: docker.DockerClient, name: str, *, hardened: bool) -> Container:
    """Start a container of an example, which ends with ``stack``."""
    settings: dict[str, Any] = {}
    if hardened:
        capabilities = json.loads((PROFILES / name / "capabilities.json").read_text())
        profile = (PROFILES / name / "seccomp.json").read_text()
        settings = {
            "security_opt": [f"seccomp={profile}"],
            "cap_drop": ["ALL"],
            "cap_add": [one["name"] for one in capabilities["cap_add"]],
        }
    config = load_config(PROFILES / name / "seccomp-synth.toml")
    box = client.containers.run(
        config.container.image,
        list(config.container.command),
        detach=True,
        network_mode="none",
        **settings,
    )
    stack.callback(box.remove, force=True)
    if name in PREPARE:
        status, output = box.exec_run(["sh", "-c", PREPARE[name]])
        if status:
            raise SystemExit(f"{name}: {output.decode(errors='replace')}")
    return box


def rate(box: Container, name: str) -> float:
    """Return what the load tool says it got done in a second."""
    command, pattern = LOADS[name]
    for _ in range(50):  # the server may still be starting
        _, output = box.exec_run(command)
        found = re.search(pattern, output.decode(errors="replace"))
        if found:
            return float(found[1])
        time.sleep(0.2)
    raise SystemExit(f"{name}: no rate in {output[-300:]!r}")


def cpu(box: Container) -> int:
    """Return the CPU time in nanoseconds that a container has taken so far."""
    stats = box.stats(stream=False, one_shot=True)
    return int(stats["cpu_stats"]["cpu_usage"]["total_usage"])


def measure(box: Container, name: str) -> tuple[float, float]:
    """Return the rate of one load and the CPU time it took."""
    before = cpu(box)
    done = rate(box, name)
    return done, cpu(box) - before


def compare(client: docker.DockerClient, name: str, rounds: int) -> tuple[float, ...]:
    """Return the median rates by default and hardened, and the median ratios of rate and CPU."""
    with ExitStack() as stack:
        boxes = [start(stack, client, name, hardened=hardened) for hardened in (False, True)]
        for box in boxes:
            rate(box, name)  # warm
        seen: list[list[tuple[float, float]]] = [[], []]
        for number in range(rounds):
            for which in (0, 1) if number % 2 else (1, 0):
                seen[which].append(measure(boxes[which], name))
    pairs = list(zip(*seen, strict=True))
    return (
        statistics.median(rate for rate, _ in seen[0]),
        statistics.median(rate for rate, _ in seen[1]),
        statistics.median(hardened[0] / plain[0] for plain, hardened in pairs),
        statistics.median(hardened[1] / plain[1] for plain, hardened in pairs),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    client = docker.DockerClient(engine_url(dict(os.environ)), timeout=120)
    print(f"{'server':12} {'default/s':>10} {'profile/s':>10} {'rate':>6} {'CPU':>6}")
    for name in options.names or sorted(LOADS):
        if name not in LOADS:
            sys.exit(f"no load is known for {name}; choose from {', '.join(sorted(LOADS))}")
        plain, hardened, ratio, cost = compare(client, name, options.rounds)
        print(f"{name:12} {plain:10.0f} {hardened:10.0f} {ratio:6.2f} {cost:6.2f}", flush=True)


if __name__ == "__main__":
    main()
