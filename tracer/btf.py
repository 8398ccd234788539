"""Read struct layouts from the running kernel's own type information, through libbpf.

Headers of another kernel give wrong offsets without a word; BTF describes the kernel that runs.
libbpf comes with the distribution's bcc, and reads /sys/kernel/btf/vmlinux in about 12 ms.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from synth.errors import HostError

VMLINUX = Path("/sys/kernel/btf/vmlinux")

# Kinds of BTF types, from include/uapi/linux/btf.h.
_STRUCT, _UNION, _ENUM = 4, 5, 6
_TYPEDEF = 8
_MODIFIERS = (8, 9, 10, 11)  # typedef, volatile, const, restrict


class _Type(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_uint32),
        ("info", ctypes.c_uint32),
        ("size_or_type", ctypes.c_uint32),
    )

    @property
    def kind(self) -> int:
        return int(self.info >> 24) & 31

    @property
    def count(self) -> int:
        return int(self.info) & 0xFFFF

    @property
    def has_bitfields(self) -> bool:
        return bool(self.info >> 31)


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("offset", ctypes.c_uint32),
    )


class _Enumerator(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("value", ctypes.c_int32))


def _libbpf() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libbpf.so.1")
    except OSError:
        raise HostError(
            "libbpf.so.1 is not installed", slug="no-libbpf", fix="run: apt-get install libbpf1"
        ) from None
    signatures: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("btf__load_vmlinux_btf", ctypes.c_void_p, ()),
        (
            "btf__find_by_name_kind",
            ctypes.c_int,
            (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32),
        ),
        ("btf__type_by_id", ctypes.POINTER(_Type), (ctypes.c_void_p, ctypes.c_uint32)),
        ("btf__name_by_offset", ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_uint32)),
        ("btf__free", None, (ctypes.c_void_p,)),
    )
    for name, result, arguments in signatures:
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


class Btf:
    """The kernel's types.  Raises ``HostError`` when the kernel does not publish them."""

    def __init__(self, path: Path = VMLINUX) -> None:
        if not path.exists():
            raise HostError(
                "this kernel has no type information (BTF)",
                where=str(path),
                slug="no-btf",
                fix="boot a kernel with CONFIG_DEBUG_INFO_BTF=y (Debian's and Ubuntu's)",
            )
        self._library = _libbpf()
        handle = self._library.btf__load_vmlinux_btf()
        # libbpf reports an error as a small negative pointer or NULL, by version
        if not handle or handle >= 2**64 - 4095:
            raise HostError(
                "the kernel's type information (BTF) cannot be read",
                where=str(path),
                slug="no-btf",
                fix="run as root",
            )
        self._handle = ctypes.c_void_p(handle)

    def close(self) -> None:
        """Free the types."""
        if self._handle:
            self._library.btf__free(self._handle)
            self._handle = ctypes.c_void_p(None)

    def offset(self, struct: str, path: str) -> int:
        """Return the offset in bytes of a member such as ``seccomp.mode`` in ``struct``.

        Anonymous structs and unions on the way are looked through.  Raises ``KeyError``.
        """
        found = self._find(self._named(struct, _STRUCT), path.split("."), 0)
        if found is None:
            raise KeyError(f"{struct}.{path}")
        return found // 8

    def enumerator(self, enum: str, name: str) -> int:
        """Return the value of ``name`` in ``enum``; raises ``KeyError``."""
        kind = self._named(enum, _ENUM)
        array = ctypes.cast(_after(kind), ctypes.POINTER(_Enumerator))
        for position in range(kind.contents.count):
            if self._text(array[position].name) == name:
                return int(array[position].value)
        raise KeyError(f"{enum}.{name}")

    def has_tracepoint(self, name: str) -> bool:
        """Tell whether this kernel has the raw tracepoint ``name``."""
        wanted = f"btf_trace_{name}".encode()
        return bool(self._library.btf__find_by_name_kind(self._handle, wanted, _TYPEDEF) > 0)

    def _named(self, name: str, kind: int) -> ctypes._Pointer[_Type]:
        number = self._library.btf__find_by_name_kind(self._handle, name.encode(), kind)
        if number < 0:
            raise KeyError(name)
        return self._by_id(number)

    def _by_id(self, number: int) -> ctypes._Pointer[_Type]:
        pointer: ctypes._Pointer[_Type] = self._library.btf__type_by_id(self._handle, number)
        return pointer

    def _text(self, offset: int) -> str:
        text: bytes = self._library.btf__name_by_offset(self._handle, offset)
        return os.fsdecode(text)

    def _members(self, struct: ctypes._Pointer[_Type]) -> Iterator[tuple[str, int, int]]:
        array = ctypes.cast(_after(struct), ctypes.POINTER(_Member))
        for position in range(struct.contents.count):
            member = array[position]
            bits = member.offset & 0xFFFFFF if struct.contents.has_bitfields else member.offset
            yield self._text(member.name), int(member.type), int(bits)

    def _find(self, struct: ctypes._Pointer[_Type], path: list[str], base: int) -> int | None:
        for name, number, bits in self._members(struct):
            kind = self._by_id(number)
            while kind.contents.kind in _MODIFIERS:
                kind = self._by_id(kind.contents.size_or_type)
            if name == path[0]:
                return base + bits if len(path) == 1 else self._find(kind, path[1:], base + bits)
            if not name and kind.contents.kind in (_STRUCT, _UNION):
                found = self._find(kind, path, base + bits)
                if found is not None:
                    return found
        return None


def _after(kind: ctypes._Pointer[_Type]) -> int:
    """Return the address behind the type's header, where its members lie."""
    return ctypes.addressof(kind.contents) + ctypes.sizeof(_Type)
