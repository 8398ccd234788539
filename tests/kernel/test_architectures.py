"""What differs between processors, as far as one of them can test the others.

arm64 was not run: its registers are read by the kernel side's own functions, compiled for this
machine; its programs are compiled for it, with offsets that are made up, and not loaded.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from synth.syscalls import syscall_number
from tracer import architecture, loader
from tracer.architecture import AARCH64, COMPAT_BASE, X86_64, Architecture
from tracer.arguments import SPECS
from tracer.loader import BPF_FOLDER, OFFSETS, OPTIONAL, PROGRAMS, Probes

pytestmark = pytest.mark.kernel

SOURCE = Path(__file__).parents[1] / "workloads" / "registers.c"


def shown(folder: Path, here: Architecture) -> dict[str, list[int]]:
    """Return what the kernel side reads of known registers."""
    target = folder / "registers"
    flags = [*here.options, f"-I{BPF_FOLDER}", "-Wall", "-Wno-unused-function", "-Werror", "-O2"]
    flags.append("-fno-strict-aliasing")  # as kernels are compiled
    subprocess.run(["gcc", *flags, "-o", target, SOURCE], check=True, timeout=60)
    output = subprocess.run([target], check=True, capture_output=True, text=True, timeout=60).stdout
    lines = [line.replace("syscall ", "").split() for line in output.splitlines()]
    return {words[0]: [int(word, 0) for word in words[1:]] for words in lines}


def test_registers_and_numbers_of_x86(tmp_path: Path) -> None:
    seen = shown(tmp_path, X86_64)
    # by position in pt_regs: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di
    order = {"di": 14, "si": 13, "dx": 12, "r10": 7, "r8": 9, "r9": 8, "bx": 5, "cx": 11, "bp": 4}
    native = [0xAB00000000 + order[one] for one in ("di", "si", "dx", "r10", "r8", "r9")]
    compat = [order[one] for one in ("bx", "cx", "dx", "si", "di", "bp")]
    assert seen["native"] == [*native, 41]
    assert seen["compat"] == [*compat, 41]
    x32 = [1024 + 0x27, -1, -1, -1, -1]
    assert seen["native-bits"] == [39, 471, 511, -1, *x32]
    assert seen["compat-bits"] == [512 + 39, 512 + 471, 512 + 511, -1, *x32]


def test_registers_and_numbers_of_arm64(tmp_path: Path) -> None:
    seen = shown(tmp_path, AARCH64)
    assert seen["native"] == [0xAB000000F0, *(0xAB00000000 + one for one in range(1, 6)), 198]
    assert seen["compat"] == [0xF0, 1, 2, 3, 4, 5, 198]
    assert seen["native-bits"] == [39, 471, 511, -1, -1, -1, -1, -1, -1]
    assert seen["compat-bits"] == [551, 983, 1023, -1, -1, 512 + 504 + 5, 512 + 504 + 7, -1, -1]


class MadeUpTypes:
    """Stands for the types of an arm64 kernel."""

    def __init__(self) -> None:
        members = [*OFFSETS.values(), *(member for _, member in AARCH64.offsets)]
        self._offsets = {member: 8 * (one + 1) for one, member in enumerate(members)}
        self._offsets["css_set", "subsys"] = 1024

    def offset(self, struct: str, path: str) -> int:
        return self._offsets[struct, path]

    def enumerator(self, enum: str, name: str) -> int:
        return {("cgroup_subsys_id", "pids_cgrp_id"): 8}[enum, name]

    def has_tracepoint(self, name: str) -> bool:
        return name in PROGRAMS

    def close(self) -> None:
        pass


@pytest.mark.parametrize("v1", [False, True])
def test_the_programs_compile_for_arm64(monkeypatch: pytest.MonkeyPatch, v1: bool) -> None:
    monkeypatch.setattr(architecture.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(loader, "Btf", MadeUpTypes)
    monkeypatch.setattr(loader, "uses_v1_pids", lambda: v1)
    monkeypatch.setenv("ARCH", "arm64")  # bcc compiles for it
    probes = Probes(all_programs=True)
    try:
        assert set(probes.features.tracepoints) == set(PROGRAMS)
        table: Any = probes.table("specs")
        for arch, base in (("aarch64", 0), ("arm", COMPAT_BASE)):
            for name, fields in SPECS.items():
                number = syscall_number(arch, name)
                if number is not None:
                    leaf = table[ctypes.c_int(base + number)]
                    assert leaf.count == max(1, len(fields)), (arch, name)
        missing = table[ctypes.c_int(syscall_number("x86_64", "arch_prctl"))]
        assert not missing.count, "a number of another table"
    finally:
        probes.close()


def test_a_kernel_that_lacks_a_tracepoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """arm64 distributions are on older kernels, without the one for capabilities."""
    lacking = set(PROGRAMS) - set(OPTIONAL)
    monkeypatch.setattr(MadeUpTypes, "has_tracepoint", lambda _, name: name in lacking)
    types: Any = MadeUpTypes()
    _, features = loader._options(types, AARCH64)
    assert set(features.tracepoints) == lacking
    assert features.capabilities.startswith("not recorded")


@pytest.mark.parametrize("here", [X86_64, AARCH64])
def test_every_name_finds_its_way_back(here: Architecture) -> None:
    for compat, arch in ((False, here.native), (True, here.compat)):
        for name in ("clone", "execve", "mmap2" if compat else "mmap", "openat2", "file_setattr"):
            bit = here.bit(name, compat=compat)
            assert bit is not None
            assert here.identify(bit) == (arch, syscall_number(arch, name), name)
    assert here.bit("no_such_call", compat=False) is None


def test_private_calls_of_arm() -> None:
    for name in ("breakpoint", "cacheflush", "set_tls", "get_tls"):
        bit = AARCH64.bit(name, compat=True)
        assert bit is not None
        assert COMPAT_BASE + architecture.PRIVATE_BIT < bit < 2 * COMPAT_BASE
        assert AARCH64.identify(bit) == ("arm", syscall_number("arm", name), name)


def test_i386_mmap_has_its_arguments_behind_a_pointer() -> None:
    assert X86_64.bit("mmap", compat=True) is None
    assert X86_64.bit("mmap", compat=False) == 9


def test_kernel_and_python_agree_on_numbers() -> None:
    text = (BPF_FOLDER / "shared.h").read_text()
    defined = {
        name: int(value, 0) for name, value in re.findall(r"#define (\w+) (0x\w+?|\d+)u?\s", text)
    }
    for module in (architecture, loader):
        for name in ("WORDS", "BITS", "MAX_SLOTS", "MAX_CONTAINERS", "MAX_TUPLES", "COMPAT_BASE"):
            if hasattr(module, name) and name in defined:
                assert getattr(module, name) == defined[name], name
    assert defined["X32_BASE"] == architecture.X32_BASE
    assert defined["PRIVATE_NUMBER"] == architecture.PRIVATE_NUMBER
    assert defined["PRIVATE_BIT"] == architecture.PRIVATE_BIT
    assert 64 * defined["WORDS"] == loader.BITS
