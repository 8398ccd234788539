"""Check names and numbers of syscalls, capabilities, errnos and architectures."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from synth import syscalls

REPO = Path(__file__).resolve().parents[2]
UPSTREAM = REPO.parent / "shared" / "upstream" / "libseccomp" / "syscalls.csv"


@pytest.mark.parametrize(
    ("arch", "number", "name"),
    [
        ("x86_64", 0, "read"),
        ("x86_64", 435, "clone3"),
        ("x86", 3, "read"),
        ("x86", 102, "socketcall"),
        ("x32", 0, "read"),
        ("x32", 512, "rt_sigaction"),
        ("x32", 0x40000000 | 512, "rt_sigaction"),
        ("x32", 0x40000000, "read"),
        ("aarch64", 63, "read"),
        ("arm", 0xF0005, "set_tls"),
    ],
)
def test_a_number_has_its_own_architectures_name(arch: str, number: int, name: str) -> None:
    assert syscalls.syscall_name(arch, number) == name
    assert syscalls.syscall_number(arch, name) == number & ~syscalls.X32_BIT


@pytest.mark.parametrize(
    ("arch", "number"),
    [("x86_64", 9999), ("x86_64", -1), ("x86_64", 0x40000000), ("x32", -1), ("mips", 1)],
)
def test_an_unknown_number_is_shown_as_a_number(arch: str, number: int) -> None:
    assert syscalls.syscall_name(arch, number) == f"#{number}"


def test_a_name_that_an_architecture_has_not_has_no_number() -> None:
    assert syscalls.syscall_number("aarch64", "open") is None
    assert syscalls.syscall_number("mips", "open") is None
    assert "open" not in syscalls.syscall_names("aarch64")
    assert syscalls.syscall_names("mips") == frozenset()


def test_names_and_numbers_are_one_to_one() -> None:
    for arch in syscalls.SCMP_ARCHES:
        for name in syscalls.syscall_names(arch):
            number = syscalls.syscall_number(arch, name)
            assert number is not None
            assert syscalls.syscall_name(arch, number) == name


def test_every_arm64_syscall_exists_on_x86_64() -> None:
    assert syscalls.syscall_names("aarch64") < syscalls.syscall_names("x86_64")


def test_names_of_other_architectures_are_known() -> None:
    assert syscalls.is_known("s390_pci_mmio_read")
    assert syscalls.is_known("spu_run")
    assert not syscalls.is_known("raed")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("raed", "read"), (" read", "read"), ("READ", "read"), ("SYS_openat", "openat")],
)
def test_a_typo_gets_a_suggestion(typed: str, meant: str) -> None:
    assert syscalls.suggest(typed)[0] == meant


def test_nonsense_gets_no_suggestion() -> None:
    assert syscalls.suggest("0") == ()
    assert syscalls.suggest("q" * 100_000) == ()


def test_capabilities_are_in_number_order() -> None:
    assert len(syscalls.CAPABILITIES) == 41
    assert syscalls.CAPABILITIES.index("CAP_SYS_ADMIN") == 21
    assert syscalls.CAPABILITIES.index("CAP_CHECKPOINT_RESTORE") == 40


def test_dockers_default_capabilities_are_the_mask_it_sets() -> None:
    bits = sum(
        1 << syscalls.CAPABILITIES.index(name) for name in syscalls.DOCKER_DEFAULT_CAPABILITIES
    )
    assert bits == 0xA80425FB


@pytest.mark.skipif(sys.platform != "linux", reason="Python names the host's errnos")
def test_errnos_are_linux() -> None:
    for name in ("EPERM", "ENOSYS", "EDEADLK", "EOPNOTSUPP", "EHWPOISON"):
        assert syscalls.errno_name(getattr(errno, name, 133)) == name
    for number in range(1, 134):
        name = syscalls.errno_name(number)
        assert name.isdigit() or getattr(errno, name, number) == number


@pytest.mark.parametrize("number", [-1, 0, 41, 58, 134, 4095])
def test_an_errno_without_a_name_is_a_number(number: int) -> None:
    assert syscalls.errno_name(number) == str(number)


def test_architectures_have_names_in_every_tongue() -> None:
    assert set(syscalls.SCMP_ARCHES) == set(syscalls.GO_ARCHES)
    assert syscalls.scmp_arch("aarch64") == "SCMP_ARCH_AARCH64"
    assert syscalls.go_arch("x86_64") == "amd64"
    assert syscalls.arch_of_scmp("SCMP_ARCH_X32") == "x32"
    assert syscalls.arch_of_scmp("SCMP_ARCH_MIPS") is None


@pytest.mark.skipif(not UPSTREAM.exists(), reason="needs libseccomp's table")
def test_the_table_is_what_the_script_makes(tmp_path: Path) -> None:
    made = tmp_path / "syscalls.json"
    script = REPO / "scripts" / "gen_syscall_table.py"
    version = syscalls.table_source()["version"]
    subprocess.run([sys.executable, script, UPSTREAM, version, made], check=True)
    assert made.read_bytes() == (REPO / "synth" / "data" / "syscalls.json").read_bytes()
    digest = hashlib.sha256(UPSTREAM.read_bytes()).hexdigest()
    assert syscalls.table_source()["sha256"] == digest
