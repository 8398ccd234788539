"""What is written for Podman, and the resolved profile in the hands of runc and crun themselves."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.engine.conftest import BASE
from tests.engine.test_podman import RUNTIMES, SYNTH, Inside, inside, state

__all__ = ["inside", "state"]  # fixtures
pytestmark = pytest.mark.engine

FOLDER = 'it\'s a $HOME "é" #1'
STATUS = "grep -E '^(CapBnd|Seccomp):' /proc/self/status"
LOOK = f"{STATUS}; mkdir /tmp/made 2>/dev/null || echo refused"
NONE, CHOWN = "0000000000000000", "0000000000000001"

# A bundle as `runc spec` makes it, with every capability so that nothing but the filter refuses.
BUNDLE = """
import json, sys
root, profile = sys.argv[1:]
config = json.load(open("config.json"))
config["root"] = {"path": root, "readonly": True}
config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
config["process"].update(terminal=False, args=["sh", "-c", %r])
if profile:
    config["linux"]["seccomp"] = json.load(open(profile))
json.dump(config, open("config.json", "w"))
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_script_for_podman(inside: Inside, tmp_path: Path, runtime: str) -> None:
    (tmp_path / FOLDER).mkdir()
    script = shlex.quote(f"{FOLDER}/out/podman-run.sh")
    options = f"--rm --runtime {runtime} --network none"
    done = inside(
        f"""
        cd {shlex.quote(FOLDER)}
        {SYNTH} record {BASE} --engine podman --runtime {runtime} -o a.json -- \\
            sh -c {shlex.quote(STATUS + "; chown 7 /tmp")} || exit
        {SYNTH} synth a.json -o out --emit podman || exit
        cd ..
        exec 2>&1
        echo START
        sh {script} {options} {BASE} sh -c {shlex.quote(LOOK)}
        """
    )
    _, _, said = done.stdout.partition("START\n")
    assert said.split() == ["CapBnd:", CHOWN, "Seccomp:", "2", "refused"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_resolved_profile_is_one_that_runtimes_read(
    inside: Inside, tmp_path: Path, runtime: str
) -> None:
    """As containerd and CRI-O hand it on: the file's content is ``linux.seccomp``."""
    (tmp_path / "bundle.py").write_text(BUNDLE % LOOK)
    done = inside(
        f"""
        {SYNTH} record {BASE} --engine podman --runtime {runtime} -o a.json -- \\
            sh -c {shlex.quote(STATUS)} >&2 || exit
        {SYNTH} synth a.json -o out --oci --emit kubernetes || exit
        root=$(podman image mount {BASE}) || exit
        mkdir bundle && cd bundle && runc spec || exit
        for profile in "" ../out/seccomp.oci.json ../out/seccomp/app-*.json; do
            python3 ../bundle.py "$root" "$profile" && {runtime} run emitted || exit
        done
        """
    )
    free, *filtered = done.stdout.split("CapBnd:")[1:]
    assert free.split()[1:] == ["Seccomp:", "0"], "without a profile nothing is refused"
    assert [one.split()[1:] for one in filtered] == [["Seccomp:", "2", "refused"]] * 2
    profile = json.loads((tmp_path / "out/seccomp.oci.json").read_text())
    assert not {"archMap", "includes"} & profile.keys()
