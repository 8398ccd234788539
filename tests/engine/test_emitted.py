"""What is written beside a profile, given to the tools that it is for, in our own words."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.engine.conftest import COMMAND, DEMO

pytestmark = pytest.mark.engine

SCRIPTS = Path(__file__).parents[2] / "scripts"
CACHE = Path(os.environ.get("SECCOMP_SYNTH_CACHE", "/var/cache/seccomp-synth"))
SYNTH = shlex.join(COMMAND)
FOLDER = 'it\'s a $HOME "é" #1'
STATUS = "grep -E '^(CapBnd|Seccomp):' /proc/self/status"
IN_FORCE = ["CapBnd:", "0000000000000000", "Seccomp:", "2"]
SERVICE = {
    "image": DEMO,
    "command": "sleep 1000",
    "network_mode": "none",
    "stop_signal": "SIGKILL",
    "cap_add": ["SYS_PTRACE"],
    "cap_drop": ["MKNOD"],
    "security_opt": ["label=disable"],
}
PROJECT = f"""
name = "web"
[container]
compose = "compose.yaml"
service = "web"
[[workload]]
name = "look"
run = "{STATUS}"
mode = "exec"
"""

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    """Have bash run what is typed, in a project with an awkward name whose service is recorded.

    ``docker compose`` is one that knows ``!override``.
    """
    done = subprocess.run(
        [SCRIPTS / "compose", CACHE / "compose"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"there is no Compose: {done.stderr}")
    folder = tmp_path_factory.mktemp("emitted") / FOLDER
    folder.mkdir()
    document = {"name": "emitted", "services": {"web": SERVICE, "db": SERVICE}}
    (folder / "compose.yaml").write_text(json.dumps(document))
    (folder / "seccomp-synth.toml").write_text(PROJECT)
    environment = {**os.environ, "DOCKER_CONFIG": done.stdout.strip()}

    def run(line: str, status: int = 0, where: str = ".") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder / where,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, f"{line}: {done.stderr}{done.stdout}"
        return done

    run(f"{SYNTH} record -o web.json")
    yield run
    run("docker compose -f compose.yaml down -t 0 --remove-orphans")


def synth(typed: Typed, folder: str, more: str = "") -> str:
    """Make the files; return the line that we say to use them with."""
    output = shlex.quote(folder)
    done = typed(f"{SYNTH} synth web.json -o {output} --force --emit compose,docker {more}")
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("to use it: "))
    return line.removeprefix("to use it: ")


def running(api: docker.DockerClient) -> dict[str, str]:
    found = api.containers.list(filters={"label": "com.docker.compose.project=emitted"})
    return {one.labels["com.docker.compose.service"]: one.id for one in found}


def test_compose_takes_the_override_and_notices_another_profile(
    typed: Typed, api: docker.DockerClient
) -> None:
    line = synth(typed, "the out")
    overlay = "-f 'the out/compose.override.yaml'"
    assert line == f"docker compose -f compose.yaml {overlay} up -d"
    merged = typed(f"docker compose -f compose.yaml {overlay} config --format json").stdout
    services = json.loads(merged)["services"]
    assert {key: services["db"][key] for key in SERVICE if key != "command"} == {
        key: value for key, value in SERVICE.items() if key != "command"
    }
    web = services["web"]
    assert web["cap_drop"] == ["ALL"]
    assert not web.get("cap_add")
    assert [one.split(":")[0] for one in web["security_opt"]] == ["seccomp", "label=disable"]
    typed(line)
    first = running(api)
    assert typed(f'docker exec {first["web"]} sh -c "{STATUS}"').stdout.split() == IN_FORCE
    assert typed(f'docker exec {first["db"]} sh -c "{STATUS}"').stdout.split() != IN_FORCE
    typed(f"docker exec {first['db']} mkdir /tmp/made")
    done = typed(f"docker exec {first['web']} mkdir /tmp/made", status=1)
    assert "Operation not permitted" in done.stderr, "nobody recorded it"
    typed(line)
    assert running(api) == first, "nothing has changed"
    typed(synth(typed, "the out", "--tightness exact"))
    second = running(api)
    assert second["web"] != first["web"], "another profile is another name"
    assert second["db"] == first["db"]


def test_two_services_have_an_override_each(typed: Typed, api: docker.DockerClient) -> None:
    line = synth(typed, "out/web")
    synth(typed, "out/db", "--service db")
    typed(line.replace(" up ", " -f out/db/compose.override.yaml up "))
    for identity in running(api).values():
        assert typed(f'docker exec {identity} sh -c "{STATUS}"').stdout.split() == IN_FORCE


def test_the_script_for_docker_runs_from_anywhere(typed: Typed) -> None:
    synth(typed, "one's $out")
    container = f'--rm {DEMO} sh -c "{STATUS}; mkdir /tmp/x || echo refused"'
    for where, script in ((".", "one's $out/docker-run.sh"), ("one's $out", "docker-run.sh")):
        done = typed(f"sh {shlex.quote(script)} {container}", where=where)
        assert done.stdout.split() == [*IN_FORCE, "refused"]
