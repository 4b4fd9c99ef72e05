"""Policies: what nodes with a containers ``policy.json`` would run, and what they would refuse.

Source: containers-policy.json(5); containers/image, ``signature/policy_config.go`` and
``policy_eval*.go``. A requirement that cannot be checked here is a failure, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from regctl.errors import ConfigurationError
from regctl.manifest.document import Value
from regctl.signature import cosign_json
from regctl.signature.cosign_json import StrictJSONError
from regctl.signature.policy_reference import DockerReference, scopes_of
from regctl.signature.policy_requirements import (
    Requirement,
    SigstoreSigned,
    parse_requirements,
)

#: The transport whose scopes hold for images in a registry.
_TRANSPORT = "docker"


class PolicyError(ConfigurationError):
    """A file is not a policy that clients would take."""

    code = "policy"


@dataclass(frozen=True, slots=True)
class Policy:
    """The requirements that hold by default, and those of each scope of registries."""

    default: tuple[Requirement, ...]
    scopes: Mapping[str, tuple[Requirement, ...]] = field(default_factory=dict)

    def section(self, intended: DockerReference) -> tuple[str, tuple[Requirement, ...]]:
        """The scope that decides for an image, and its requirements: the most specific one.

        The scope is empty for the transport's own default, and ``default`` for the policy's.
        """
        for scope in (*scopes_of(intended), ""):
            if scope in self.scopes:
                return scope, self.scopes[scope]
        return "default", self.default

    def key_paths(self) -> frozenset[str]:
        """The files of keys that it names: what `Evaluator` must be given."""
        return frozenset(
            key.path
            for requirements in (self.default, *self.scopes.values())
            for requirement in requirements
            if isinstance(requirement, SigstoreSigned)
            for key in requirement.keys
            if key.path is not None
        )


def parse_policy(content: bytes) -> Policy:
    """The policy that ``content`` is. Raises `PolicyError` with the reason.

    Unknown members and types anywhere refuse it, as clients refuse it: also in sections of other
    transports, whose scopes' names alone are not looked at.
    """
    try:
        return _parse(content)
    except StrictJSONError as error:
        raise PolicyError(f"the policy is refused: {error}") from error


def _parse(content: bytes) -> Policy:
    document = cosign_json.decode(content)
    top = cosign_json.known_members(document, "the policy", ("default", "transports"))
    if "default" not in top:
        raise StrictJSONError("the policy has no default")
    default = parse_requirements(top["default"], "default")
    if "transports" not in top:
        return Policy(default)
    sections = {
        transport: _parse_scopes(section, f"transports.{transport}")
        for transport, section in cosign_json.members(top["transports"], "transports").items()
    }
    return Policy(default, sections.get(_TRANSPORT, {}))


def _parse_scopes(section: Value, where: str) -> dict[str, tuple[Requirement, ...]]:
    return {
        scope: parse_requirements(requirements, f"{where}[{scope!r}]")
        for scope, requirements in cosign_json.members(section, where).items()
    }
