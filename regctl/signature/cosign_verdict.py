"""Verdicts: what can be said of the signatures of one manifest, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What is known of who signed a manifest; the values are those of the JSON output."""

    #: A signature by a key, or below a certificate, that the caller named.
    TRUSTED = "trusted"
    #: Valid by a key that it carries itself, which nobody named.
    SIGNED = "signed"
    #: For this manifest, but by no key that was named: it may be anybody's, or forged.
    UNKNOWN_KEY = "unknown-key"
    #: There is no signature.
    UNSIGNED = "unsigned"
    #: Malformed, for another manifest or name, or not verified though the key is there.
    INVALID = "invalid"
    #: The content itself is missing or wrong.
    BROKEN = "broken"
    #: Nothing was or could be checked.
    UNCHECKED = "unchecked"


#: From best to worst, where one good signature among several is enough.
BEST_FIRST = (Verdict.TRUSTED, Verdict.SIGNED, Verdict.UNKNOWN_KEY, Verdict.INVALID)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its ``reasons``, and who signed (a key or certificate), where that is known.

    ``docker_reference`` is what a signature calls the image. It is of the judged signature, or
    of the one that decided; of an unverified signature it is anybody's word.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    signer: str = ""
    docker_reference: str = ""


def best_of(judgements: list[Judgement]) -> Judgement:
    """The best of several; unless it is `Verdict.TRUSTED`, with the reasons of all."""
    if not judgements:
        return Judgement(Verdict.UNSIGNED, ("there is no signature",))
    best = min(judgements, key=lambda each: BEST_FIRST.index(each.verdict))
    if best.verdict is Verdict.TRUSTED or len(judgements) == 1:
        return best
    reasons = tuple(
        f"signature {number} of {len(judgements)}: {reason}"
        for number, judgement in enumerate(judgements, 1)
        for reason in judgement.reasons
    )
    return Judgement(best.verdict, reasons, best.signer, best.docker_reference)
