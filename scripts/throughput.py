"""Compare the throughput of servers under Docker's default profile and under a new one.

    sudo scripts/examples --throughput [--pairs N] [NAME…]        (the examples that are servers)

Three containers of each example's image run side by side: one as Docker starts it, one with the
example's profile and capabilities, and one as Docker starts it again.  The load tool does the same
work in each by turns, in another order every time.  Prints the median rates, and the medians of
the ratios within a turn with their 95 % intervals: of the rate (above 1: faster under the new
profile), and of the CPU time the whole container took (below 1: cheaper), which hardly depends on
what else the machine does.  The third container's ratios to the first say what the measurement
itself is worth.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import docker
from docker.models.containers import Container

from scripts.servers import PROFILES, started
from tracer.docker_engine import engine_url

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
WORLDS = ("default", "profile", "again")
CONFIDENCE = 0.95

Measured = tuple[float, float]
"""How much was done in a second, and the CPU time it took."""


@contextmanager
def prepared(client: docker.DockerClient, name: str, *, hardened: bool) -> Iterator[Container]:
    """Run a container of an example, warm and with what its load needs."""
    with started(client, name, PROFILES / name if hardened else None) as box:
        if name in PREPARE:
            status, output = box.exec_run(["sh", "-c", PREPARE[name]])
            if status:
                raise SystemExit(f"{name}: {output.decode(errors='replace')}")
        rate(box, name)
        yield box


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


def measure(box: Container, name: str) -> Measured:
    """Return the rate of one load and the CPU time it took."""
    before = cpu(box)
    done = rate(box, name)
    return done, cpu(box) - before


def collect(client: docker.DockerClient, name: str, pairs: int) -> dict[str, list[Measured]]:
    """Measure an example in each world by turns."""
    seen: dict[str, list[Measured]] = {world: [] for world in WORLDS}
    with ExitStack() as stack:
        boxes = {
            world: stack.enter_context(prepared(client, name, hardened=world == "profile"))
            for world in WORLDS
        }
        for number in range(pairs):
            first = number % len(WORLDS)
            for world in (*WORLDS[first:], *WORLDS[:first]):
                seen[world].append(measure(boxes[world], name))
    return seen


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and the bounds of its 95 % confidence interval, by order statistics."""
    ordered, count = sorted(values), len(values)
    outside, rank = 0.0, 0
    while True:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - CONFIDENCE or rank >= (count - 1) // 2:
            break
        rank += 1
    low = max(rank - 1, 0)
    return statistics.median(ordered), ordered[low], ordered[count - 1 - low]


def ratios(seen: dict[str, list[Measured]], world: str, which: int) -> str:
    """Return the ratio of a world to the default within each turn, as the table has it."""
    pairs = zip(seen["default"], seen[world], strict=True)
    middle, low, high = interval([other[which] / plain[which] for plain, other in pairs])
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def row(name: str, seen: dict[str, list[Measured]]) -> str:
    """Return a line of the table."""
    rates = [f"{statistics.median(one for one, _ in seen[w]):.0f}" for w in ("default", "profile")]
    compared = [ratios(seen, world, which) for which in (0, 1) for world in ("profile", "again")]
    return f"| {' | '.join([name, *rates, *compared])} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=31)
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    client = docker.DockerClient(engine_url(dict(os.environ)), timeout=120)
    columns = ("rate, profile", "rate, again", "CPU, profile", "CPU, again")
    print(f"| server | default/s | profile/s | {' | '.join(columns)} |\n|{'---|' * 7}")
    for name in options.names or sorted(LOADS):
        if name not in LOADS:
            sys.exit(f"no load is known for {name}; choose from {', '.join(sorted(LOADS))}")
        image = Path(__file__).with_name("example-image")
        subprocess.run([image, name], check=True, stdout=subprocess.DEVNULL)
        print(row(name, collect(client, name, options.pairs)), flush=True)


if __name__ == "__main__":
    main()
