"""Make a profile and a capability list of the same evidence that fit each other."""

from __future__ import annotations

from collections.abc import Iterable

from synth.baseline import Baseline
from synth.capabilities import Capabilities, derive_capabilities, without_refused
from synth.evidence import Evidence
from synth.generate import Generated, generate
from synth.wanted import Tightness


def fitting(
    evidence: Evidence,
    baseline: Baseline,
    tightness: Tightness,
    *,
    arch: str | None = None,
    consented: Iterable[str] = (),
) -> tuple[Capabilities, Generated]:
    """Return both: no capability is granted for calls that the profile refuses.

    ``consented`` are capabilities beyond Docker's default that may be granted.
    """
    capabilities = derive_capabilities(evidence, consented=consented)
    while True:  # each round takes capabilities away, so that it ends
        generated = generate(evidence, baseline.profile, capabilities.cap_add, tightness, arch)
        checked = without_refused(capabilities, generated.resolved.names())
        if checked == capabilities:
            return capabilities, generated
        capabilities = checked
