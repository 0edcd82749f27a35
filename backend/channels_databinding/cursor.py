"""protocol → **cursor** → serializers → …

How far a browser has read, as the text it keeps. It says nothing and proves everything: signed, and bound to the
subscriptions it is good for, so that one for other groups, other fields or another database leads to a snapshot.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from django.core.signing import BadSignature, Signer

SALT: Final = "channels_databinding.cursor"
BESIDE: Final = "+"  # between the cursors of several databases
MARK = 12  # hex digits of a fingerprint: it only tells one user's own subscriptions apart; the seal is what is secret


def fingerprint(stream: str, params: str, groups: Iterable[str], fields: Iterable[str]) -> str:
    """Return a short name for one subscription as it is now: other groups or fields, another name."""
    parts = repr((stream, params, sorted(groups), list(fields)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:MARK]


def seal(epoch: str, position: object, fingerprints: Iterable[str]) -> str:
    """Return the cursor that says: complete up to `position` for each of these subscriptions."""
    return Signer(salt=SALT).sign(f"{epoch}:{position}:{'.'.join(sorted(fingerprints))}")


def together(sealed: Iterable[str]) -> str:
    """Return one cursor that says what each of these says: a socket may have subscriptions of several databases."""
    return BESIDE.join(sealed)


def unseal(text: object, epoch: str, fingerprint: str) -> str | None:
    """Return the position in `text`, or None where it cannot be served for this subscription."""
    if not isinstance(text, str) or len(text) > 10_000 or not text.isascii():
        return None
    for sealed in text.split(BESIDE):
        try:
            sealed_epoch, position, fingerprints = Signer(salt=SALT).unsign(sealed).split(":")
        except BadSignature:
            return None
        if sealed_epoch == epoch and fingerprint in fingerprints.split("."):
            return position
    return None
