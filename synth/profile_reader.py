"""Read a profile in Docker's format, refusing whatever an engine would silently read otherwise.

Engines ignore unknown keys and unknown syscall names, take the first of two contradicting rules
and run a container without a filter when ``defaultAction`` is missing.  Each of those is an error
here: a profile that means less than it says is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from synth import profile_format as words
from synth.conditions import ARGUMENTS, MAX_VALUE, OPERATORS
from synth.errors import DataError
from synth.model import Comparison, Gate, Profile, Rule
from synth.profile_rules import check_rules, parse_kernel
from synth.syscalls import CAPABILITIES, MAX_ERRNO, is_known, suggest

MAX_ENTRIES = 1024
"""Most entries we read; Docker's default has 33, and a kernel filter holds 4096 instructions."""


def parse_profile(document: object, *, where: str) -> Profile:
    """Return the profile that ``document``, parsed JSON, describes.

    ``where`` is the file's name for messages.  Raises ``DataError`` that names the place.
    """
    top = f"{where}: "
    if document is None or document == {}:
        raise _fail_open("an empty profile", where)
    if not isinstance(document, Mapping):
        raise _bad("not a JSON object", where, "a profile is an object with defaultAction")
    _check_keys(document, words.PROFILE_KEYS, where)
    if "defaultAction" not in document:
        raise _fail_open("no defaultAction", where)
    for key in ("listenerPath", "listenerMetadata"):
        if document.get(key):
            raise _bad("a listener cannot be given in a file", f"{top}{key}", "remove the key")
    default = _default_action(document["defaultAction"], f"{top}defaultAction")
    errno = _errno(document.get("defaultErrnoRet"), default, f"{top}defaultErrnoRet")
    architectures = _architectures(document.get("architectures"), f"{top}architectures")
    arch_map = _arch_map(document.get("archMap"), f"{top}archMap")
    if architectures and arch_map:
        raise _bad("architectures and archMap together", where, "keep one of them")
    entries = _list(document.get("syscalls"), f"{top}syscalls")
    if len(entries) > MAX_ENTRIES:
        raise _bad(f"more than {MAX_ENTRIES} entries", f"{top}syscalls", "group the names")
    rules = tuple(_rule(entry, f"{top}syscalls[{i}]") for i, entry in enumerate(entries))
    check_rules(rules, f"{top}syscalls")
    flags = _words(document.get("flags"), words.FLAGS, f"{top}flags", "flag")
    return Profile(default, rules, errno, architectures, arch_map, tuple(sorted(flags)))


def _rule(entry: object, where: str) -> Rule:
    if not isinstance(entry, Mapping):
        raise _bad("not an object", where, "an entry has names and an action")
    _check_keys(entry, words.RULE_KEYS, where)
    action = _action(entry.get("action"), f"{where}.action")
    comment = entry.get("comment")
    if comment is not None and not isinstance(comment, str):
        raise _bad(f"not a string: {_show(comment)}", f"{where}.comment", "write a string")
    return Rule(
        names=_names(entry, where),
        action=action,
        errno=_errno(entry.get("errnoRet"), action, f"{where}.errnoRet"),
        comparisons=_comparisons(entry.get("args"), f"{where}.args"),
        comment=comment or "",
        includes=_gate(entry.get("includes"), f"{where}.includes"),
        excludes=_gate(entry.get("excludes"), f"{where}.excludes"),
    )


def _names(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if entry.get("name") is not None and entry.get("names") is not None:
        raise _bad("name and names together", where, "keep names")
    if entry.get("name") is not None:
        return (_name(entry["name"], f"{where}.name"),)
    values = _list(entry.get("names"), f"{where}.names")
    if not values:
        raise _bad("no syscall names", f"{where}.names", "name a syscall or remove the entry")
    return tuple(sorted({_name(value, f"{where}.names[{i}]") for i, value in enumerate(values)}))


def _name(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _bad(f"not a string: {_show(value)}", where, "write a syscall's name")
    if not value:
        raise _bad("an empty syscall name", where, "remove it")
    if not is_known(value):
        near = suggest(value)
        fix = f"did you mean {near[0]!r}?" if near else "remove it"
        raise DataError(
            f"unknown syscall {_show(value)}, which engines ignore silently",
            where=where,
            slug="unknown-syscall",
            fix=fix,
        )
    return value


def _default_action(value: object, where: str) -> str:
    if value is None or value == "":
        raise _fail_open("no defaultAction", where)
    action = _action(value, where)
    if action in words.THREAD_KILLS:
        raise _bad(
            f"{action} kills one thread and leaves the container hanging",
            where,
            "write SCMP_ACT_ERRNO or SCMP_ACT_KILL_PROCESS",
        )
    return action


def _action(value: object, where: str) -> str:
    action = _word(value, words.ACTIONS, where, "action")
    if action in words.LISTENED:
        raise _bad(f"{action} needs a listener", where, "write SCMP_ACT_ERRNO or SCMP_ACT_LOG")
    return action


def _errno(value: object, action: str, where: str) -> int | None:
    if value is None:
        return None
    errno = _integer(value, where)
    if action != words.ERRNO:
        raise _bad(f"{action} answers no errno", where, "remove it or write SCMP_ACT_ERRNO")
    if errno == 0:
        raise _bad("errno 0 pretends success", where, "write 1 (EPERM) or 38 (ENOSYS)")
    if not 1 <= errno <= MAX_ERRNO:
        raise _bad(f"errno {errno} is out of range", where, f"write 1 to {MAX_ERRNO}")
    return errno


def _comparisons(value: object, where: str) -> tuple[Comparison, ...]:
    entries = _list(value, where)
    result = [_comparison(entry, f"{where}[{i}]") for i, entry in enumerate(entries)]
    indexes = [comparison.index for comparison in result]
    for i, index in enumerate(indexes):
        if index in indexes[:i]:
            raise _bad(
                f"argument {index} is compared twice, which runtimes read as OR",
                f"{where}[{i}]",
                "write one entry per alternative, or one SCMP_CMP_MASKED_EQ",
            )
    return tuple(sorted(result))


def _comparison(entry: object, where: str) -> Comparison:
    if not isinstance(entry, Mapping):
        raise _bad("not an object", where, "write index, value and op")
    _check_keys(entry, words.ARGUMENT_KEYS, where)
    for key in ("index", "value", "op"):
        if entry.get(key) is None:
            raise _bad(f"no {key}", where, f"add {key}")
    op = _word(entry["op"], OPERATORS, f"{where}.op", "operator")
    index = _integer(entry["index"], f"{where}.index")
    if not 0 <= index < ARGUMENTS:
        raise _bad(f"index {index} is out of range", f"{where}.index", "write 0 to 5")
    value = _unsigned(entry["value"], f"{where}.value")
    two = entry.get("valueTwo")
    value_two = 0 if two is None else _unsigned(two, f"{where}.valueTwo")
    if op != "SCMP_CMP_MASKED_EQ":
        if value_two:
            raise _bad(f"{op} has no second value", f"{where}.valueTwo", "remove it")
    elif not value:
        raise _bad("a mask of 0 holds for every call", f"{where}.value", "remove the comparison")
    elif value_two & ~value:
        raise _bad(
            "bits outside the mask, which the filter ignores",
            f"{where}.valueTwo",
            f"write {value_two & value}",
        )
    return Comparison(index, op, value, value_two)


def _gate(value: object, where: str) -> Gate:
    if value is None:
        return Gate()
    if not isinstance(value, Mapping):
        raise _bad("not an object", where, "write caps, arches or minKernel")
    _check_keys(value, words.GATE_KEYS, where)
    capabilities = _words(value.get("caps"), CAPABILITIES, f"{where}.caps", "capability")
    arches = _words(value.get("arches"), words.GATE_ARCHES, f"{where}.arches", "architecture")
    kernel = value.get("minKernel")
    if kernel is None or kernel == "":
        kernel = ""
    elif not isinstance(kernel, str) or parse_kernel(kernel) is None:
        raise _bad(
            f"not a kernel version: {_show(kernel)}",
            f"{where}.minKernel",
            'write it as "4.8", a string of two numbers',
        )
    return Gate(tuple(sorted(capabilities)), tuple(sorted(arches)), kernel)


def _architectures(value: object, where: str) -> tuple[str, ...]:
    return _words(value, words.SCMP_ARCHITECTURES, where, "architecture")


def _arch_map(value: object, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    result: list[tuple[str, tuple[str, ...]]] = []
    for i, entry in enumerate(_list(value, where)):
        place = f"{where}[{i}]"
        if not isinstance(entry, Mapping):
            raise _bad("not an object", place, "write architecture and subArchitectures")
        _check_keys(entry, words.ARCH_MAP_KEYS, place)
        native = _word(
            entry.get("architecture"),
            words.SCMP_ARCHITECTURES,
            f"{place}.architecture",
            "architecture",
        )
        if native in (known for known, _ in result):
            raise _bad(f"{native} is listed twice", place, "keep one entry")
        subs = _architectures(entry.get("subArchitectures"), f"{place}.subArchitectures")
        result.append((native, subs))
    return tuple(result)


def _words(value: object, known: Sequence[str], where: str, kind: str) -> tuple[str, ...]:
    result: list[str] = []
    for i, entry in enumerate(_list(value, where)):
        word = _word(entry, known, f"{where}[{i}]", kind)
        if word in result:
            raise _bad(f"{word} is listed twice", f"{where}[{i}]", "remove one")
        result.append(word)
    return tuple(result)


def _word(value: object, known: Sequence[str], where: str, kind: str) -> str:
    if value is None:
        raise _bad(f"no {kind}", where, "add it")
    if not isinstance(value, str):
        raise _bad(f"not a string: {_show(value)}", where, f"write the {kind}'s name")
    if value not in known:
        near = _nearest(value, known)
        article = "an" if kind[0] in "aeiou" else "a"
        fix = f"did you mean {near!r}?" if near else f"write one of {', '.join(known[:4])}, …"
        raise _bad(f"not {article} {kind}: {_show(value)}", where, fix)
    return value


def _list(value: object, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _bad(f"not a list: {_show(value)}", where, "write a list")
    return value


def _integer(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(f"not an integer: {_show(value)}", where, "write a whole number")
    return value


def _unsigned(value: object, where: str) -> int:
    number = _integer(value, where)
    if not 0 <= number <= MAX_VALUE:
        raise _bad("outside 0 to 2^64-1", where, "write an unsigned 64-bit number")
    return number


def _check_keys(entry: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in entry:
        if key in known:
            continue
        if key in words.PODMAN_KEYS:
            raise DataError(
                f"key {key!r} belongs to Podman's dialect, which Docker ignores",
                where=where,
                slug="podman-profile",
                fix=f"write the number in {key.replace('rrno', 'rrnoRet')!r} instead",
            )
        near = _nearest(key, known)
        fix = f"did you mean {near!r}?" if near else "remove it"
        raise _bad(f"unknown key {_show(key)}, which engines ignore silently", where, fix)


def _nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that differs by case or spaces, or else the nearest."""
    plain = word.strip()[:64].casefold()
    folded = {candidate.casefold(): candidate for candidate in known}
    for guess in (plain, f"cap_{plain}", f"scmp_arch_{plain}", f"scmp_act_{plain}"):
        if guess in folded:
            return folded[guess]
    near = get_close_matches(plain, folded, n=1)
    return folded[near[0]] if near else None


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line's length


def _bad(what: str, where: str, fix: str) -> DataError:
    return DataError(what, where=where, slug="bad-profile", fix=fix)


def _fail_open(what: str, where: str) -> DataError:
    return DataError(
        f"{what}: engines run the container without any filter and say nothing",
        where=where,
        slug="profile-disables-seccomp",
        fix='add "defaultAction": "SCMP_ACT_ERRNO"',
    )
