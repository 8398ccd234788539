"""Programs go on when a call is refused with the errno that our profiles answer.

Each program runs under a filter that refuses one call, and does real work.  The C program is the
one of the portability measurements; linked with musl where musl-gcc is there.  Needs no root.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synth.refusals import ENOSYS, EPERM, answers_enosys
from synth.syscalls import syscall_number
from tests.kernel.sandbox import errno_action, refuse

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        platform.machine() != "x86_64" or sys.platform != "linux", reason="needs Linux on x86-64"
    ),
]

SOURCE = Path(__file__).parents[1] / "workloads" / "portable.c"
CALLS = (
    *("clone3", "faccessat2", "statx", "fchmodat2", "renameat2", "copy_file_range", "close_range"),
    *("openat2", "execveat", "pidfd_open", "rseq", "memfd_create", "preadv2", "epoll_pwait2"),
    *("sendfile", "waitid"),
)
"""Newer calls, and old ones with a fallback, that programs of today try first."""

PYTHON = """
import os, shutil, subprocess, sys, tempfile, threading
threads = [threading.Thread(target=sum, args=([1],)) for _ in range(4)]
[one.start() for one in threads]
[one.join() for one in threads]
subprocess.run([sys.executable, "-S", "-c", "pass"], check=True)
folder = tempfile.mkdtemp()
shutil.copy(sys.executable, folder + "/a")
os.chmod(folder + "/a", 0o700)
os.access(folder + "/a", os.X_OK, effective_ids=True)
os.rename(folder + "/a", folder + "/b")
shutil.rmtree(folder)
print("ok")
"""

SHELL = """
set -e
folder=$(mktemp -d)
cd "$folder"
mkdir a && echo text >a/f && cp -a a b && mv b c && ls -l c >/dev/null && chmod -R go-w c
[ -x /bin/sh ] && stat c/f >/dev/null && cat c/f >/dev/null
cd / && rm -r "$folder"
echo ok
"""

NODE = """
const fs = require('fs'), os = require('os'), child = require('child_process');
const folder = fs.mkdtempSync(os.tmpdir() + '/n');
fs.writeFileSync(folder + '/a', 'text');
fs.copyFileSync(folder + '/a', folder + '/b');
fs.statSync(folder + '/b');
fs.renameSync(folder + '/b', folder + '/c');
child.execFileSync('/bin/true');
fs.rmSync(folder, {recursive: true});
require('crypto').randomBytes(8, () => console.log('ok'));
"""

GO = """
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	folder, err := os.MkdirTemp("", "go")
	must(err)
	must(os.WriteFile(folder+"/a", []byte("text"), 0o600))
	from, err := os.Open(folder + "/a")
	must(err)
	to, err := os.Create(folder + "/b")
	must(err)
	_, err = io.Copy(to, from)
	must(err)
	must(os.Rename(folder+"/b", folder+"/c"))
	must(exec.Command("/bin/true").Run())
	done := make(chan bool)
	go func() { done <- true }()
	<-done
	must(os.RemoveAll(folder))
	fmt.Println("ok")
}
"""

# Runs in the child: no privileges are needed for a filter once none can be gained.
_CHILD = """
import ctypes, os, sys
program, *command = sys.argv[1:]
code = ctypes.create_string_buffer(bytes.fromhex(program), len(program) // 2)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
fprog = Program(len(code.raw) // 8, ctypes.cast(code, ctypes.c_void_p))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(fprog), 0, 0):
    sys.exit("no filter: errno %d" % ctypes.get_errno())
os.execv(command[0], command)
"""


def under(name: str, errno: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run ``command`` with the call ``name`` refused."""
    number = syscall_number("x86_64", name)
    assert number is not None, name
    program = refuse(number, errno_action(errno)).hex()
    return subprocess.run(
        [sys.executable, "-c", _CHILD, program, *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What there is of compilers and interpreters here, ready to run."""
    folder = tmp_path_factory.mktemp("programs")
    found = {"python": [sys.executable, "-S", "-c", PYTHON], "shell": ["/bin/bash", "-c", SHELL]}
    for kind, compiler, flags in (
        ("glibc", "gcc", ["-pthread"]),
        ("musl", "musl-gcc", ["-static"]),
    ):
        if shutil.which(compiler):
            target = str(folder / kind)
            subprocess.run([compiler, "-O1", *flags, "-o", target, SOURCE], check=True, timeout=60)
            found[kind] = [target]
    if node := shutil.which("node"):
        found["node"] = [node, "-e", NODE]
    if shutil.which("go"):
        (folder / "main.go").write_text(GO)
        target = str(folder / "go")
        environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "CGO_ENABLED": "0"}
        subprocess.run(
            ["go", "build", "-o", target, "main.go"],
            cwd=folder,
            env={**environment, "GO111MODULE": "off", "GOFLAGS": "-p=1"},
            check=True,
            timeout=200,
        )
        found["go"] = [target]
    missing = {"glibc", "musl", "node", "go"} - set(found)
    if missing:
        pytest.skip(
            f"needs gcc, musl-tools, nodejs and golang-go; there is no {sorted(missing)[0]}"
        )
    return found


@pytest.mark.parametrize("name", CALLS)
def test_programs_go_on_without_a_newer_call(programs: dict[str, list[str]], name: str) -> None:
    assert name in answers_enosys("x86_64")
    failed = {}
    for kind, command in programs.items():
        done = under(name, ENOSYS, command)
        if done.stdout.strip() != "ok":
            failed[kind] = (done.returncode, done.stdout[-200:], done.stderr[-300:])
    assert not failed


def test_the_filter_is_in_force(programs: dict[str, list[str]]) -> None:
    """The same with a call that nobody can do without."""
    for kind, command in programs.items():
        assert under("mmap", ENOSYS, command).returncode != 0, kind


def test_eperm_would_break_threads(programs: dict[str, list[str]]) -> None:
    """The reason for ENOSYS: glibc 2.34 and later take the fallback for no other errno."""
    assert under("clone3", EPERM, programs["python"]).returncode != 0
    assert under("clone3", ENOSYS, programs["python"]).returncode == 0
