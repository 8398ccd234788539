"""Compile filters with the system's libseccomp, as a container runtime has it do.

Nothing is loaded into the kernel, no privilege is needed: the product is the filter's program,
which ``synth.bpf`` runs.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NoReturn

from synth.bpf import MAX_INSTRUCTIONS, Program, decode, value_of
from synth.errors import DataError, HostError
from synth.model import Comparison, Conjunction, FilterRules
from synth.syscalls import SCMP_ARCHES

# Source: include/seccomp.h
_OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_OPTIMIZE = 8
"""``SCMP_FLTATR_CTL_OPTIMIZE``."""

_UNKNOWN = -1
"""``__NR_SCMP_ERROR``: the library does not know the name."""

MAX_BYTES = 8 * 64 * MAX_INSTRUCTIONS
"""Longest program that is read back at all, far beyond what a kernel loads."""


MAX_SECONDS, MAX_MEMORY = 10, 2 << 30
"""What a compilation may take; Docker's default takes 20 ms."""

_DONE, _FAILED = b"\0", b"\1"
_FIX = "no runtime would start a container with it; change the rule"


class _Compare(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class _Version(ctypes.Structure):
    """``struct scmp_version``."""

    _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))


def version() -> tuple[int, int, int]:
    """Return the version of the library; raises ``HostError`` if there is none."""
    found = _library().seccomp_version().contents
    return (found.major, found.minor, found.micro)


def number_of(arch: str, name: str) -> int | None:
    """Return the number the library has for ``name`` on ``arch``, x32 with its bit.

    ``None`` for a name that it does not know or that ``arch`` does not have: rules on it do
    nothing there.
    """
    number: int = _library().seccomp_syscall_resolve_name_arch(
        _token(SCMP_ARCHES[arch]), name.encode("ascii")
    )
    return number if number >= 0 else None


def compile_rules(rules: FilterRules, *, binary_tree: bool = False) -> Program:
    """Return the program that libseccomp makes of ``rules``.

    ``binary_tree``: sort by number into a tree, as runc from 1.2 on has it do above 32 rules.
    Names the library does not know are passed over, as runtimes do.  Raises ``DataError``
    (``filter-refused``) where a runtime would not start the container, ``HostError`` without
    libseccomp.
    """
    return decode(_compiled(rules, binary_tree=binary_tree))


def compile_bounded(rules: FilterRules) -> Program:
    """Return what ``compile_rules`` does, in a child that may take ``MAX_SECONDS`` of one CPU.

    For profiles from elsewhere: conditions on changing arguments take the library a time that
    doubles with each rule, and it cannot be interrupted.  Raises ``DataError`` as well when the
    time or the memory is used up.
    """
    _library()  # found missing here, where it can be said
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if not child:
        _answer(rules, writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read(MAX_BYTES + 1)
    finally:
        _, status = os.waitpid(child, 0)
    if status or not answer:
        raise DataError(
            f"libseccomp did not compile the filter within {MAX_SECONDS} s",
            slug="filter-refused",
            fix="write fewer conditions on one syscall",
        )
    if answer[:1] == _FAILED:
        raise DataError(answer[1:].decode(), slug="filter-refused", fix=_FIX)
    return decode(answer[1:])


def _answer(rules: FilterRules, writer: int) -> NoReturn:
    """Compile in the child: write the program, or what was refused, and end."""
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            answer = _DONE + _compiled(rules)
        except DataError as error:
            answer = _FAILED + error.what.encode()
        with os.fdopen(writer, "wb") as stream:
            stream.write(answer)
        status = 0
    finally:
        os._exit(status)


def _compiled(rules: FilterRules, *, binary_tree: bool = False) -> bytes:
    library = _library()
    with _context(rules) as context:
        if binary_tree:
            _require(library.seccomp_attr_set(context, _OPTIMIZE, 2), "the binary tree")
        for name, answer, conjunction in rules.rules:
            number = library.seccomp_syscall_resolve_name(name.encode("ascii"))
            if number == _UNKNOWN:
                continue
            result = library.seccomp_rule_add_array(
                context, value_of(answer), number, len(conjunction), _compares(conjunction)
            )
            _require(result, f"a rule for {name}")
        return _exported(context)


@contextmanager
def _context(rules: FilterRules) -> Iterator[ctypes.c_void_p]:
    """Make a filter for the rules' architectures, without the host's if it is not among them."""
    library = _library()
    context = ctypes.c_void_p(library.seccomp_init(value_of(rules.default)))
    if not context:
        raise _refused(f"the default action {rules.default.action}", "invalid")
    try:
        native = library.seccomp_arch_native()
        wanted = [_token(name) for name in rules.architectures]
        for token, name in zip(wanted, rules.architectures, strict=True):
            if token != native:
                _require(library.seccomp_arch_add(context, token), name)
        if native not in wanted:
            _require(library.seccomp_arch_remove(context, native), "the host's architecture")
        yield context
    finally:
        library.seccomp_release(context)


def _compares(conjunction: Conjunction) -> ctypes.Array[_Compare]:
    return (_Compare * max(1, len(conjunction)))(*map(_compare, conjunction))


def _compare(one: Comparison) -> _Compare:
    return _Compare(one.index, _OPERATORS[one.op], one.value, one.value_two)


def _exported(context: ctypes.c_void_p) -> bytes:
    descriptor = os.memfd_create("seccomp-filter", os.MFD_CLOEXEC)
    try:
        _require(_library().seccomp_export_bpf(context, descriptor), "the filter")
        return os.pread(descriptor, MAX_BYTES, 0)
    finally:
        os.close(descriptor)


def _token(scmp_arch: str) -> int:
    name = scmp_arch.removeprefix("SCMP_ARCH_").lower()
    token: int = _library().seccomp_arch_resolve_name(name.encode("ascii"))
    if not token:
        raise _refused(scmp_arch, "unknown to this libseccomp")
    return token


def _require(result: int, what: str) -> None:
    if result:
        raise _refused(what, os.strerror(-result))


def _refused(what: str, why: str) -> DataError:
    return DataError(
        f"libseccomp refuses {what} ({why})",
        slug="filter-refused",
        fix=_FIX,
    )


@cache
def _library() -> ctypes.CDLL:
    path = ctypes.util.find_library("seccomp")
    try:
        library = ctypes.CDLL(path or "libseccomp.so.2")
    except OSError:
        raise HostError(
            "libseccomp is not installed", slug="no-libseccomp", fix="apt-get install libseccomp2"
        ) from None
    library.seccomp_version.restype = ctypes.POINTER(_Version)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_arch_native.restype = ctypes.c_uint32
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    for name in ("seccomp_arch_add", "seccomp_arch_remove"):
        getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Compare),
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library
