"""The derived capabilities: all that is needed, and nothing that is not."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import docker
import docker.errors
import pytest

from synth.capabilities import derive_capabilities
from synth.evidence import combine
from synth.recording import load_recording
from tests.engine.conftest import COMMAND, DEMO

pytestmark = pytest.mark.engine

AS_DEV = "setpriv --reuid 1000 --regid 1000 --clear-groups"

# What each needs, as the kernel's documentation (capabilities(7)) says.
WORKLOADS = {
    "chown": ("touch /tmp/f; chown 1000 /tmp/f", {"CHOWN"}),
    "read": (
        "touch /tmp/f; chmod 0 /tmp/f; chown 1000 /tmp/f; cat /tmp/f",
        {"CHOWN", "DAC_OVERRIDE"},
    ),
    "chmod": ("touch /tmp/f; chown 1000 /tmp/f; chmod 640 /tmp/f", {"CHOWN", "FOWNER"}),
    "setgid-bit": (
        "touch /tmp/f; chown 0:1000 /tmp/f; chmod 2755 /tmp/f; test -g /tmp/f",
        {"CHOWN", "FSETID"},
    ),
    "become": (f"{AS_DEV} id -u", {"SETUID", "SETGID", "SETPCAP"}),
    "kill": (
        f"{AS_DEV} sleep 60 & sleep 0.5; kill $!",
        {"SETUID", "SETGID", "SETPCAP", "KILL"},
    ),
    "raw-socket": (
        "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'",
        {"NET_RAW"},
    ),
    "mknod": ("mknod /tmp/null c 1 3", {"MKNOD"}),
    "chroot": ("chroot / true", {"SYS_CHROOT"}),
    "file-capability": (
        'python3 -c \'import os; open("/tmp/f", "w"); os.setxattr("/tmp/f", '
        '"security.capability", bytes.fromhex("0100000200000000000000000000000000000000"))\'',
        {"SETFCAP"},
    ),
    "bounding-set": (
        "python3 -c 'import ctypes, sys; sys.exit(-ctypes.CDLL(None).prctl(24, 0))'",
        {"SETPCAP"},
    ),
    "sudo": ("sudo -n -u dev id -un", {"SETUID", "SETGID", "AUDIT_WRITE"}),
    "nothing": ("ls -la / && cat /etc/passwd && mkdir /tmp/d && rmdir /tmp/d", set()),
}

# Used and granted, but the program goes on without: sudo's audit message is optional, and capset
# asks for SETPCAP always but cares only if the inheritable set grows.
TOLERATED = {("sudo", "AUDIT_WRITE"), ("become", "SETPCAP"), ("kill", "SETPCAP")}


def works(api: docker.DockerClient, command: str, granted: set[str]) -> bool:
    """Tell whether a command succeeds with these capabilities and no other."""
    try:
        api.containers.run(
            DEMO,
            ["sh", "-ec", command],
            user="root",
            remove=True,
            network_mode="none",
            cap_drop=["ALL"],
            cap_add=sorted(granted),
        )
    except docker.errors.ContainerError:
        return False
    return True


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Record all workloads once; return what is derived for each alone."""
    folder = tmp_path_factory.mktemp("capabilities")
    lines = [f'[container]\nimage = "{DEMO}"\nuser = "root"\nnetwork = "none"\n']
    for name, (command, _) in WORKLOADS.items():
        run = json.dumps(["sh", "-ec", command])
        lines.append(f"[[workload]]\nname = {json.dumps(name)}\nrun = {run}\n")
    (folder / "seccomp-synth.toml").write_text("\n".join(lines))
    done = subprocess.run(
        [*COMMAND, "record", "-o", "all.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    recording = load_recording(Path(folder, "all.json"))
    return {
        name: {
            one.removeprefix("CAP_")
            for one in derive_capabilities(
                combine(
                    [
                        replace(
                            recording,
                            runs=tuple(run for run in recording.runs if run.workload == name),
                        )
                    ]
                ),
                consented=(),
            ).cap_add
        }
        for name in WORKLOADS
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_derived_set_is_the_known_one(derived: dict[str, set[str]], name: str) -> None:
    assert derived[name] == WORKLOADS[name][1]


@pytest.mark.parametrize("name", WORKLOADS)
def test_all_of_it_suffices_and_each_is_needed(
    api: docker.DockerClient, derived: dict[str, set[str]], name: str
) -> None:
    command = WORKLOADS[name][0]
    assert works(api, command, derived[name])
    for one in sorted(derived[name]):
        assert works(api, command, derived[name] - {one}) == ((name, one) in TOLERATED), one
