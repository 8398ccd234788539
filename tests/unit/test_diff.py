"""Check comparisons of two profiles: what is removed, kept, narrowed, widened, answered."""

from __future__ import annotations

import pytest

from synth.baseline import load_baseline
from synth.diff import FINDINGS, Change, Difference, compare, findings, gate_changes
from synth.model import Answer, Comparison, Gate, Profile, Rule, Target
from synth.profile import resolve
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES

ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"
HOST = Target("x86_64", DOCKER_DEFAULT_CAPABILITIES, (6, 1))
UNIX = (Comparison(0, "SCMP_CMP_EQ", 1),)
INET = (Comparison(0, "SCMP_CMP_EQ", 2),)


def allow(*names: str, when: tuple[Comparison, ...] = ()) -> Rule:
    """Return a rule that allows the names."""
    return Rule(names, ALLOW, comparisons=when)


def profile(
    *rules: Rule, default: str = ERRNO, errno: int | None = 1, x86: bool = False
) -> Profile:
    """Return a profile for x86-64, with its 32-bit side if ``x86``."""
    subs = ("SCMP_ARCH_X86",) if x86 else ()
    arch_map = (("SCMP_ARCH_X86_64", subs),)
    return Profile(default, rules, errno if default == ERRNO else None, arch_map=arch_map)


def difference(mine: Profile, other: Profile, arch: str = "x86_64") -> Difference:
    """Compare two profiles on one host."""
    return compare(resolve(mine, HOST), resolve(other, HOST), arch=arch)


def ids(found: Difference) -> list[str]:
    """Return the ids of the findings."""
    return [one.id for one in findings(found)]


def test_equal_profiles_differ_in_nothing() -> None:
    same = profile(allow("read", "write"), allow("socket", when=UNIX))
    found = difference(same, same)
    assert found == Difference("x86_64", (), ("read", "socket", "write"), (), (), (), (), (), False)
    assert not found.wider
    assert findings(found) == ()


def test_a_missing_name_is_removed() -> None:
    found = difference(profile(allow("read")), profile(allow("read", "write")))
    assert found.removed == ("write",)
    assert found.kept == ("read",)
    assert not found.wider
    assert ids(found) == ["SS101"]
    assert findings(found)[0].evidence == ("write",)


def test_fewer_values_are_narrowed_and_show_a_lost_call() -> None:
    found = difference(profile(allow("socket", when=UNIX)), profile(allow("socket")))
    assert [one.name for one in found.narrowed] == ["socket"]
    assert found.narrowed[0].call() == "socket(0x0, …)"
    assert not found.wider
    assert ids(found) == ["SS102"]


def test_more_values_are_widened_and_show_a_won_call() -> None:
    found = difference(
        profile(allow("socket", when=UNIX), allow("socket", when=INET)),
        profile(allow("socket", when=UNIX)),
    )
    assert [one.call() for one in found.widened] == ["socket(0x2, …)"]
    assert found.wider
    assert ids(found) == ["SS103"]
    assert findings(found)[0].severity == "error"


def test_other_values_are_widened_even_if_others_are_lost() -> None:
    found = difference(profile(allow("socket", when=INET)), profile(allow("socket", when=UNIX)))
    assert [one.name for one in found.widened] == ["socket"]
    assert found.narrowed == ()


def test_a_new_name_is_widened() -> None:
    found = difference(profile(allow("mount")), profile())
    assert [one.call() for one in found.widened] == ["mount(…)"]


def test_the_same_conditions_written_otherwise_are_kept() -> None:
    masked = (Comparison(0, "SCMP_CMP_MASKED_EQ", 0xFFFF_FFFF_FFFF_FFFF, 1),)
    found = difference(profile(allow("socket", when=masked)), profile(allow("socket", when=UNIX)))
    assert found.kept == ("socket",)
    assert not found.wider


def test_a_mask_over_the_low_half_is_wider_than_one_value() -> None:
    masked = (Comparison(0, "SCMP_CMP_MASKED_EQ", 0xFFFF_FFFF, 1),)
    found = difference(profile(allow("socket", when=masked)), profile(allow("socket", when=UNIX)))
    assert [one.call() for one in found.widened] == ["socket(0x100000001, …)"]


def test_an_added_architecture_is_wider() -> None:
    plain, both = profile(allow("read")), profile(allow("read"), x86=True)
    assert difference(both, plain).architectures_added == ("SCMP_ARCH_X86",)
    assert difference(both, plain).wider
    assert ids(difference(both, plain)) == ["SS104"]
    assert not difference(plain, both).wider
    assert ids(difference(plain, both)) == ["SS105"]


def test_a_widening_on_a_shared_sub_architecture_is_seen() -> None:
    found = difference(profile(allow("socketcall"), x86=True), profile(x86=True))
    assert [one.name for one in found.widened] == ["socketcall"]


def test_names_of_architectures_that_are_not_admitted_do_not_count() -> None:
    found = difference(profile(allow("socketcall", "s390_pci_mmio_read")), profile())
    assert not found.wider
    assert found.kept == ()


def test_counts_are_of_the_architecture_asked_for() -> None:
    both = profile(allow("socketcall", "read"), x86=True)
    assert difference(both, both).kept == ("read",)
    assert difference(both, both, arch="x86").kept == ("read", "socketcall")


def test_another_errno_is_a_note() -> None:
    found = difference(profile(allow("read"), errno=38), profile(allow("read")))
    assert len(found.refusals) == 1
    one = found.refusals[0]
    assert (one.before, one.after) == (Answer(ERRNO, 1), Answer(ERRNO, 38))
    assert "read" not in one.names
    assert "mount" in one.names
    assert ids(found) == ["SS106"]
    assert "ENOSYS instead of EPERM" in findings(found)[0].message
    assert not found.wider


def test_a_default_that_allows_is_wider_than_one_that_refuses() -> None:
    found = difference(profile(default=ALLOW), profile(allow("read")))
    assert found.default_widened
    assert found.wider
    assert {"SS103", "SS107"} == set(ids(found))
    assert not difference(profile(allow("read")), profile(default=ALLOW)).wider


def test_docker_25_against_24() -> None:
    newer, older = (load_baseline(f"docker-{one}").profile for one in ("25.0", "24.0"))
    found = difference(newer, older)
    assert set(found.removed) == {"io_uring_enter", "io_uring_register", "io_uring_setup"}
    assert "cachestat" in {one.name for one in found.widened}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Change("read", (1, 2, 3, 4, 5, 6), ()), "read(…)"),
        (Change("socket", (40, 0, 0, 0, 0, 0), (0,)), "socket(0x28, …)"),
        (Change("ioctl", (0, 0x5412, 0, 0, 0, 0), (1,)), "ioctl(_, 0x5412, …)"),
        (Change("mmap", (1, 2, 3, 4, 5, 6), (0, 5)), "mmap(0x1, _, _, _, _, 0x6)"),
    ],
)
def test_a_call_shows_the_arguments_that_matter(change: Change, text: str) -> None:
    assert change.call() == text


def test_ids_are_unique_and_have_a_severity() -> None:
    assert len({one for one, _, _ in FINDINGS}) == len(FINDINGS)
    assert {severity for _, severity, _ in FINDINGS} <= {"error", "warning", "note"}


def test_a_default_that_allows_asks_for_no_capability() -> None:
    gated = Rule(("mount",), ALLOW, includes=Gate(("CAP_SYS_ADMIN",)))
    (one,) = gate_changes(profile(default=ALLOW), profile(gated), HOST)
    assert (one.capability, one.change.name) == ("CAP_SYS_ADMIN", "mount")
    assert gate_changes(profile(gated), profile(default=ALLOW), HOST) == ()
    assert gate_changes(profile(gated), profile(gated), HOST) == ()
