"""Find the distribution's bcc from inside any virtual environment, and give it a kernel tree.

The package ``bcc`` on PyPI is something else (a lattice library); the real one comes with the
distribution as ``python3-bpfcc`` and is not on a virtual environment's path.  It is loaded by
path.  It insists on kernel headers only for a handful of macros: ``stub_kernel_tree`` writes the
few lines it really needs, so that no headers have to be installed and none can be wrong.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from synth.errors import HostError

DISTRIBUTION_PATHS = (
    Path("/usr/lib/python3/dist-packages"),
    Path("/usr/lib/python3/site-packages"),
    *(Path(f"/usr/lib/python3.{minor}/site-packages") for minor in range(16, 8, -1)),
)

INSTALL = "run: apt-get install python3-bpfcc"

# The eight files that bcc 0.26 reads before our program; each one's absence was tried.
_STUB_TREE = {
    "include/linux/kconfig.h": "#define CONFIG_BPF_SYSCALL 1\n",
    "include/linux/types.h": (
        "#pragma once\n"
        "typedef signed char __s8; typedef unsigned char __u8;\n"
        "typedef short __s16; typedef unsigned short __u16;\n"
        "typedef int __s32; typedef unsigned int __u32;\n"
        "typedef long long __s64; typedef unsigned long long __u64;\n"
        "typedef __s8 s8; typedef __u8 u8; typedef __s16 s16; typedef __u16 u16;\n"
        "typedef __s32 s32; typedef __u32 u32; typedef __s64 s64; typedef __u64 u64;\n"
        "typedef __u16 __be16; typedef __u32 __be32; typedef __u64 __be64;\n"
        "typedef __u32 __wsum; typedef __u16 __sum16;\n"
        "typedef unsigned long size_t; typedef long ssize_t; typedef unsigned long uintptr_t;\n"
        "typedef _Bool bool; typedef int pid_t; typedef unsigned int uid_t, gid_t;\n"
        "#define true 1\n#define false 0\n#define NULL ((void *)0)\n"
        "#define __aligned_u64 __u64 __attribute__((aligned(8)))\n"
    ),
    "include/linux/bpf_common.h": "#pragma once\n",
    "include/linux/log2.h": "#define roundup_pow_of_two(n) (n)\n",
    "include/uapi/linux/bpf.h": "",  # bcc has its own and defines the real one's guard
    "include/uapi/linux/if_packet.h": "",
    "include/uapi/linux/if_ether.h": "",
    "include/uapi/linux/ptrace.h": "",
    "include/asm/page.h": "#define PAGE_SHIFT 12\n#define PAGE_SIZE 4096UL\n",
}


def load_bcc() -> ModuleType:
    """Import and return the real bcc.

    Raises ``HostError`` when it is missing; says so when only PyPI's namesake is there.
    """
    loaded = sys.modules.get("bcc")
    if loaded is not None and hasattr(loaded, "BPF"):
        return loaded
    for folder in DISTRIBUTION_PATHS:
        package = folder / "bcc" / "__init__.py"
        if package.is_file():
            return _load(package)
    raise HostError(_why_missing(), slug="no-bcc", fix=INSTALL)


def _load(package: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "bcc", package, submodule_search_locations=[str(package.parent)]
    )
    if spec is None or spec.loader is None:
        raise HostError("bcc cannot be loaded", where=str(package), slug="no-bcc", fix=INSTALL)
    module = importlib.util.module_from_spec(spec)
    displaced = sys.modules.get("bcc")
    sys.modules["bcc"] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, OSError, AttributeError) as error:
        if displaced is None:
            del sys.modules["bcc"]
        else:
            sys.modules["bcc"] = displaced
        raise HostError(
            f"bcc cannot be loaded ({error})", where=str(package), slug="no-bcc", fix=INSTALL
        ) from None
    if not hasattr(module, "BPF"):
        raise HostError(
            "this is not the BPF compiler collection",
            where=str(package),
            slug="no-bcc",
            fix=INSTALL,
        )
    return module


def _why_missing() -> str:
    if importlib.util.find_spec("bcc") is not None:
        return (
            "the installed package 'bcc' is PyPI's, an unrelated lattice library; "
            "the BPF compiler collection is not installed"
        )
    return "the BPF compiler collection (bcc) is not installed"


def stub_kernel_tree() -> tempfile.TemporaryDirectory[str]:
    """Write the stub tree into a temporary folder and return it; the caller cleans up."""
    folder = tempfile.TemporaryDirectory(prefix="seccomp-synth-")
    version = _kernel_version(os.uname().release)
    tree = {
        **_STUB_TREE,
        "include/linux/version.h": (
            f"#define LINUX_VERSION_CODE {version}\n"
            "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))\n"
        ),
    }
    for name, text in tree.items():
        path = Path(folder.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _kernel_version(release: str) -> int:
    """Return LINUX_VERSION_CODE of a release such as ``6.1.0-13-amd64``."""
    parts = release.partition("-")[0].split(".")
    numbers = [int(part) if part.isdigit() else 0 for part in parts]
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return (major << 16) + (minor << 8) + min(patch, 255)
