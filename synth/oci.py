"""Resolve a profile into OCI's form: what a runtime gets once an engine has done its part.

Rules by capability, architecture and kernel are decided, the architectures are listed.  It is
for those who hand a file to a runtime unread: containerd under Kubernetes, CRI-O, runc and crun
themselves.  They ignore Docker's conditions, and an entry without its condition allows more.
"""

from __future__ import annotations

from dataclasses import replace

from synth.model import Gate, Profile, Target
from synth.resolve import applies, resolve


def to_oci(profile: Profile, target: Target) -> Profile:
    """Return ``profile`` as it is in force for ``target``, without conditions on either.

    Entries that answer what the default does stay: some readers know no errno of the default.
    Comments go.  The result resolves to the same answers for every target of that architecture.
    """
    resolved = resolve(profile, target)
    rules = tuple(
        replace(rule, comment="", includes=Gate(), excludes=Gate())
        for rule in profile.rules
        if applies(rule, target)
    )
    return replace(profile, rules=rules, architectures=resolved.architectures, arch_map=())
