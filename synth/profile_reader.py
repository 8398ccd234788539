"""Read a profile, refusing whatever an engine would silently read otherwise.

Engines ignore unknown keys and unknown syscall names, take the first of two contradicting rules
and run a container without a filter when ``defaultAction`` is missing.  Each of those is an error
here: a profile that means less than it says is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from synth import profile_format as words
from synth.conditions import ARGUMENTS, MAX_VALUE, OPERATORS
from synth.document import refuse_ours
from synth.model import Comparison, Gate, Profile, Rule
from synth.profile_problems import Problem, nearest, show
from synth.profile_rules import check_rules, parse_kernel
from synth.syscalls import CAPABILITIES, MAX_ERRNO, errno_number, is_known, suggest

MAX_ENTRIES = 1024
"""Most entries we read; Docker's default has 33, and a kernel filter holds 4096 instructions."""

Report = Callable[[Problem], None]


def parse_profile(document: object, *, where: str, dialect: str = "docker") -> Profile:
    """Return the profile that ``document``, parsed JSON, describes.

    ``where`` is the file's name for messages; ``dialect`` is ``auto`` or one of
    ``profile_format.DIALECTS``.  Raises ``DataError`` that names the place.
    """
    refuse_ours(document, where)
    if dialect == "auto":
        dialect = words.detect_dialect(document)

    def refuse(problem: Problem) -> NoReturn:
        raise problem.error(where)

    reader = ProfileReader(dialect, refuse)
    profile = reader.profile(document)
    check_rules(profile.rules, f"{where}: syscalls")
    return profile


class ProfileReader:
    """Read a document of one dialect; every problem goes to ``report``.

    If that returns, reading goes on with what can be meant.  ``places`` has the index of each
    rule's entry in the document, since entries that cannot be read are left out.
    """

    def __init__(self, dialect: str, report: Report) -> None:
        self.dialect = dialect
        self.report = report
        self.places: list[int] = []

    def profile(self, document: object) -> Profile:
        """Return the profile that the document describes, without contradictions looked for."""
        if document is None or document == {}:
            self._fail_open("an empty profile")
            return Profile("", ())
        if not isinstance(document, Mapping):
            self._bad("not a JSON object", "", "a profile is an object with defaultAction")
            return Profile("", ())
        self._keys(document, words.PROFILE_KEYS, "")
        if "defaultAction" not in document:
            self._fail_open("no defaultAction")
        for key in ("listenerPath", "listenerMetadata"):
            if document.get(key):
                self._bad("a listener cannot be given in a file", key, "remove the key", "SS412")
        default = self._default_action(document)
        errno = self._errno(document, default, "defaultErrnoRet", "defaultErrno", "")
        architectures = self._words(
            document.get("architectures"), words.SCMP_ARCHITECTURES, "architectures", "architecture"
        )
        arch_map = self._arch_map(document.get("archMap"), "archMap")
        if architectures and arch_map:
            self._bad("architectures and archMap together", "", "keep one of them")
            arch_map = ()
        entries = self._list(document.get("syscalls"), "syscalls")
        if len(entries) > MAX_ENTRIES:
            self._bad(f"more than {MAX_ENTRIES} entries", "syscalls", "group the names")
        rules = []
        for i, entry in enumerate(entries[:MAX_ENTRIES]):
            rule = self._rule(entry, f"syscalls[{i}]")
            if rule is not None:
                rules.append(rule)
                self.places.append(i)
        flags = self._words(document.get("flags"), words.FLAGS, "flags", "flag")
        return Profile(default, tuple(rules), errno, architectures, arch_map, tuple(sorted(flags)))

    def _rule(self, entry: object, where: str) -> Rule | None:
        if not isinstance(entry, Mapping):
            self._bad("not an object", where, "an entry has names and an action")
            return None
        self._keys(entry, words.RULE_KEYS, where)
        action = self._action(entry.get("action"), f"{where}.action")
        comment = entry.get("comment")
        if comment is not None and not isinstance(comment, str):
            self._bad(f"not a string: {show(comment)}", f"{where}.comment", "write a string")
            comment = ""
        errno = self._errno(entry, action, "errnoRet", "errno", where)
        comparisons = self._comparisons(entry.get("args"), f"{where}.args")
        includes = self._gate(entry.get("includes"), f"{where}.includes")
        excludes = self._gate(entry.get("excludes"), f"{where}.excludes")
        names = self._names(entry, where)
        if not action or not names or comparisons is None:
            return None
        return Rule(names, action, errno, comparisons, comment or "", includes, excludes)

    def _names(self, entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
        if entry.get("name") is not None and entry.get("names") is not None:
            self._bad("name and names together", where, "keep names")
        if entry.get("name") is not None:
            found = [(entry["name"], f"{where}.name")]
        else:
            values = self._list(entry.get("names"), f"{where}.names")
            if not values:
                self._bad("no syscall names", f"{where}.names", "name a syscall or remove it")
            found = [(value, f"{where}.names[{i}]") for i, value in enumerate(values)]
        return tuple(sorted({one for one, place in found if self._name(one, place)}))

    def _name(self, value: object, where: str) -> bool:
        if not isinstance(value, str):
            self._bad(f"not a string: {show(value)}", where, "write a syscall's name")
        elif not value:
            self._bad("an empty syscall name", where, "remove it")
        elif not is_known(value):
            near = suggest(value)
            fix = f"did you mean {near[0]!r}?" if near else "remove it"
            what = f"unknown syscall {show(value)}, which engines ignore silently"
            self.report(Problem(what, where, fix, "SS405", slug="unknown-syscall"))
        else:
            return True
        return False

    def _default_action(self, document: Mapping[str, Any]) -> str:
        where = "defaultAction"
        value = document.get(where)
        if value is None or value == "":
            if where in document:
                self._fail_open("no defaultAction", where)
            return ""
        action = self._action(value, where)
        if action in words.THREAD_KILLS:
            self._bad(
                f"{action} kills one thread and leaves the container hanging",
                where,
                "write SCMP_ACT_ERRNO or SCMP_ACT_KILL_PROCESS",
                "SS411",
            )
        return action

    def _action(self, value: object, where: str) -> str:
        action = self._word(value, words.ACTIONS, where, "action")
        if action in words.LISTENED:
            self._bad(
                f"{action} needs a listener",
                where,
                "write SCMP_ACT_ERRNO or SCMP_ACT_LOG",
                "SS412",
            )
        return action

    def _errno(
        self, entry: Mapping[str, Any], action: str, key: str, name_key: str, where: str
    ) -> int | None:
        """Return the errno of an entry: by number, or by the name that overrides it in Podman."""
        number = self._errno_number(entry.get(key), action, f"{where}.{key}".lstrip("."))
        name = entry.get(name_key) if self.dialect == "podman" else None
        if name is None or name == "":
            return number
        place = f"{where}.{name_key}".lstrip(".")
        named = errno_number(name) if isinstance(name, str) else None
        if named is None:
            fix = "write a name such as EPERM or ENOSYS"
            self._bad(f"not an errno's name: {show(name)}", place, fix, "SS406")
            return number
        if number is not None and number != named:
            self._bad(
                f"{name} is {named}, {key} says {number}; Podman takes the name",
                place,
                "remove one of the two",
                "SS406",
            )
        return self._errno_number(named, action, place)

    def _errno_number(self, value: object, action: str, where: str) -> int | None:
        if value is None:
            return None
        errno = self._integer(value, where)
        if errno is None:
            return None
        problem = ""
        if action and action != words.ERRNO:
            problem, fix = f"{action} answers no errno", "remove it or write SCMP_ACT_ERRNO"
        elif errno == 0:
            problem, fix = "errno 0 pretends success", "write 1 (EPERM) or 38 (ENOSYS)"
        elif not 1 <= errno <= MAX_ERRNO:
            problem, fix = f"errno {errno} is out of range", f"write 1 to {MAX_ERRNO}"
        if problem:
            self._bad(problem, where, fix, "SS406")
            return None
        return errno

    def _comparisons(self, value: object, where: str) -> tuple[Comparison, ...] | None:
        """Return the comparisons; ``None`` if one of them cannot be read."""
        entries = self._list(value, where)
        read = [self._comparison(entry, f"{where}[{i}]") for i, entry in enumerate(entries)]
        result = [one for one in read if one is not None]
        indexes = [comparison.index for comparison in result]
        for i, index in enumerate(indexes):
            if index in indexes[:i]:
                self._bad(
                    f"argument {index} is compared twice, which runtimes read as OR",
                    f"{where}[{i}]",
                    "write one entry per alternative, or one SCMP_CMP_MASKED_EQ",
                    "SS407",
                )
                return None
        return tuple(sorted(result)) if len(result) == len(read) else None

    def _comparison(self, entry: object, where: str) -> Comparison | None:
        if not isinstance(entry, Mapping):
            self._bad("not an object", where, "write index, value and op")
            return None
        self._keys(entry, words.ARGUMENT_KEYS, where)
        missing = [key for key in ("index", "value", "op") if entry.get(key) is None]
        for key in missing:
            self._bad(f"no {key}", where, f"add {key}")
        if missing:
            return None
        op = self._word(entry["op"], OPERATORS, f"{where}.op", "operator")
        index = self._integer(entry["index"], f"{where}.index")
        if index is not None and not 0 <= index < ARGUMENTS:
            self._bad(f"index {index} is out of range", f"{where}.index", "write 0 to 5")
            index = None
        value = self._unsigned(entry["value"], f"{where}.value")
        two = entry.get("valueTwo")
        value_two = 0 if two is None else self._unsigned(two, f"{where}.valueTwo")
        if not op or index is None or value is None or value_two is None:
            return None
        if op != "SCMP_CMP_MASKED_EQ":
            if value_two:
                self._bad(f"{op} has no second value", f"{where}.valueTwo", "remove it")
            return Comparison(index, op, value)
        if not value:
            fix = "remove the comparison"
            self._bad("a mask of 0 holds for every call", f"{where}.value", fix)
        elif value_two & ~value:
            self._bad(
                "bits outside the mask, which the filter ignores",
                f"{where}.valueTwo",
                f"write {value_two & value}",
            )
        return Comparison(index, op, value, value_two & value)

    def _gate(self, value: object, where: str) -> Gate:
        if value is None or (self.dialect in words.RESOLVED_DIALECTS):
            return Gate()
        if not isinstance(value, Mapping):
            self._bad("not an object", where, "write caps, arches or minKernel")
            return Gate()
        self._keys(value, words.GATE_KEYS, where)
        capabilities = self._words(
            value.get("caps"), CAPABILITIES, f"{where}.caps", "capability", "SS415"
        )
        arches = self._words(
            value.get("arches"), words.GATE_ARCHES, f"{where}.arches", "architecture", "SS415"
        )
        kernel = value.get("minKernel")
        if kernel is None or kernel == "":
            kernel = ""
        elif not isinstance(kernel, str) or parse_kernel(kernel) is None:
            self._bad(
                f"not a kernel version: {show(kernel)}",
                f"{where}.minKernel",
                'write it as "4.8", a string of two numbers',
            )
            kernel = ""
        if self.dialect == "podman":
            kernel = ""  # reported as a key that Podman does not know
        return Gate(tuple(sorted(capabilities)), tuple(sorted(arches)), kernel)

    def _arch_map(self, value: object, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        result: dict[str, tuple[str, ...]] = {}
        if self.dialect in words.RESOLVED_DIALECTS:
            return ()
        for i, entry in enumerate(self._list(value, where)):
            place = f"{where}[{i}]"
            if not isinstance(entry, Mapping):
                self._bad("not an object", place, "write architecture and subArchitectures")
                continue
            self._keys(entry, words.ARCH_MAP_KEYS, place)
            known = words.SCMP_ARCHITECTURES
            native = self._word(
                entry.get("architecture"), known, f"{place}.architecture", "architecture"
            )
            if native in result:
                self._bad(f"{native} is listed twice", place, "keep one entry")
            subs = self._words(
                entry.get("subArchitectures"), known, f"{place}.subArchitectures", "architecture"
            )
            if native:
                result.setdefault(native, subs)
        return tuple(result.items())

    def _words(
        self, value: object, known: Sequence[str], where: str, kind: str, finding: str = "SS404"
    ) -> tuple[str, ...]:
        result: list[str] = []
        for i, entry in enumerate(self._list(value, where)):
            word = self._word(entry, known, f"{where}[{i}]", kind, finding)
            if word in result:
                self._bad(f"{word} is listed twice", f"{where}[{i}]", "remove one")
            elif word:
                result.append(word)
        return tuple(result)

    def _word(
        self, value: object, known: Sequence[str], where: str, kind: str, finding: str = "SS404"
    ) -> str:
        """Return a known word, or nothing if it is not."""
        if value is None:
            self._bad(f"no {kind}", where, "add it")
        elif not isinstance(value, str):
            self._bad(f"not a string: {show(value)}", where, f"write the {kind}'s name")
        elif value not in known:
            near = nearest(value, known)
            article = "an" if kind[0] in "aeiou" else "a"
            fix = f"did you mean {near!r}?" if near else f"write one of {', '.join(known[:4])}, …"
            self._bad(f"not {article} {kind}: {show(value)}", where, fix, finding)
        else:
            return value
        return ""

    def _list(self, value: object, where: str) -> list[Any]:
        if value is not None and not isinstance(value, list):
            self._bad(f"not a list: {show(value)}", where, "write a list")
        return value if isinstance(value, list) else []

    def _integer(self, value: object, where: str) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int):
            self._bad(f"not an integer: {show(value)}", where, "write a whole number")
            return None
        return value

    def _unsigned(self, value: object, where: str) -> int | None:
        number = self._integer(value, where)
        if number is not None and not 0 <= number <= MAX_VALUE:
            self._bad("outside 0 to 2^64-1", where, "write an unsigned 64-bit number")
            return None
        return number

    def _keys(self, entry: Mapping[str, Any], docker: tuple[str, ...], where: str) -> None:
        known = words.keys_of(docker, self.dialect)
        for key in entry:
            if key in known:
                continue
            near = nearest(key, known)
            what = f"unknown key {show(key)}, which engines ignore silently"
            fix = f"did you mean {near!r}?" if near else "remove it"
            finding, slug = "SS402", "bad-profile"
            if key in words.PODMAN_KEYS:
                what = f"key {key!r} belongs to Podman's dialect, which Docker ignores"
                fix = f"write the number in {key.replace('rrno', 'rrnoRet')!r} instead"
                finding, slug = "SS416", "podman-profile"
            elif key in docker and (entry[key] or key == "archMap"):
                what, fix = words.foreign(key, self.dialect)
                finding = "SS416"
            elif key in docker:
                continue  # an empty field of another dialect means nothing to either
            at = f"{where}.{key}".lstrip(".")
            self.report(Problem(what, where, fix, finding, slug=slug, at=at))

    def _bad(self, what: str, where: str, fix: str, finding: str = "SS404") -> None:
        self.report(Problem(what, where, fix, finding))

    def _fail_open(self, what: str, where: str = "") -> None:
        self.report(
            Problem(
                f"{what}: engines run the container without any filter and say nothing",
                where,
                'add "defaultAction": "SCMP_ACT_ERRNO"',
                "SS401",
                slug="profile-disables-seccomp",
            )
        )
