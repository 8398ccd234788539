"""Write what Kubernetes takes: a SeccompProfile for the operator, and a pod that uses a file.

Only the resolved form is used: a node's runtime reads Docker's gates as if they were not there.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from synth.emit.deployment import Deployment, comment
from synth.emit.yaml import dump_yaml
from synth.errors import UsageError

PROFILE_NAME, POD_NAME = "kubernetes-profile.yaml", "kubernetes-pod.yaml"
LARGEST = 2**63 - 1
"""Kubernetes stores numbers as signed 64-bit ones."""

_PROFILE_HEADER = """\
A profile for the Security Profiles Operator (v1beta1: namespaced; for v1, which is not, change
apiVersion). It has no field for the errno of calls without a rule: they answer EPERM, those that
programs have a fallback for are listed with ENOSYS. The operator names the file in
status.localhostProfile: put that into the pod."""

_POD_HEADER = """\
How a pod uses the profile from a file. First, on every node:
  install -D -m 0644 {file} /var/lib/kubelet/seccomp/profiles/{name}
That is the profile resolved for {arch} and these capabilities: containerd and CRI-O would read
seccomp.json without its gates."""


def operator_profile(deployment: Deployment) -> str:
    """Return a ``SeccompProfile`` as YAML; raises ``UsageError`` if a number is too large."""
    profile = json.loads(deployment.oci)
    spec = CommentedMap({"defaultAction": profile["defaultAction"]})
    if profile.get("architectures"):
        spec["architectures"] = CommentedSeq(profile["architectures"])
    if profile.get("flags"):
        spec["flags"] = CommentedSeq(profile["flags"])
    spec["syscalls"] = CommentedSeq(_rule(rule) for rule in profile["syscalls"])
    document = CommentedMap(
        {
            "apiVersion": "security-profiles-operator.x-k8s.io/v1beta1",
            "kind": "SeccompProfile",
            "metadata": CommentedMap({"name": object_name(deployment.service)}),
            "spec": spec,
        }
    )
    return comment(_PROFILE_HEADER, "#") + dump_yaml(document)


def pod(deployment: Deployment, arch: str) -> str:
    """Return a pod with one container whose security context uses the resolved profile."""
    capabilities = CommentedMap({"drop": CommentedSeq(["ALL"])})
    if deployment.cap_add:
        capabilities["add"] = CommentedSeq(deployment.bare_capabilities)
    context = CommentedMap(
        {
            "seccompProfile": CommentedMap(
                {"type": "Localhost", "localhostProfile": f"profiles/{deployment.oci_name}"}
            ),
            "privileged": False,
            "allowPrivilegeEscalation": not deployment.no_new_privileges,
            "capabilities": capabilities,
        }
    )
    user = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", deployment.user, re.ASCII)
    if user:
        context["runAsUser"] = int(user[1])
        if user[2]:
            context["runAsGroup"] = int(user[2])
    name = object_name(deployment.service)
    container = CommentedMap(
        {"name": name, "image": deployment.image or "IMAGE", "securityContext": context}
    )
    document = CommentedMap(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": CommentedMap({"name": name}),
            "spec": CommentedMap({"containers": CommentedSeq([container])}),
        }
    )
    header = _POD_HEADER.format(
        file=f"seccomp/{deployment.oci_name}", name=deployment.oci_name, arch=arch
    )
    return comment(header, "#") + dump_yaml(document)


def object_name(text: str) -> str:
    """Return ``text`` as the name of a Kubernetes object (RFC 1123 label)."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-") or "app"


def _rule(rule: dict[str, Any]) -> CommentedMap:
    result = CommentedMap({"action": rule["action"], "names": CommentedSeq(rule["names"])})
    if "errnoRet" in rule:
        result["errnoRet"] = rule["errnoRet"]
    if rule.get("args"):
        result["args"] = CommentedSeq(CommentedMap(one) for one in rule["args"])
        numbers = [one.get(key, 0) for one in rule["args"] for key in ("value", "valueTwo")]
        if max(numbers) > LARGEST:
            raise UsageError(
                f"a condition on {rule['names'][0]} has a number that Kubernetes cannot store",
                slug="bad-option",
                fix="leave kubernetes out of --emit",
            )
    return result
