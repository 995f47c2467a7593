"""Proofs that a peer knows the application's secret, without telling it.

A proof is an HMAC over a purpose and nonces; purposes keep a proof of one kind from serving as
another. Used by both ends of the driver-executor stream, of block transfer and of shuffle services.
No transport here.

A shuffle service serves many applications, and must not be able to pose as one of them. So it gets
another key, derived from the secret, and knows the application by a name that has the key's
fingerprint in it: a name belongs to one key for ever, nobody can take it by being first, and an
application that comes back under its old framework id with a new secret is another one. The key
itself goes to the service once per executor, on the executor's own host. Where services share a
secret with drivers, it is encrypted with that, so only such a service can read it, and only such an
application is taken in; executors do not need to know that secret.

Source: proto/minimesos/spark.proto says which side proves what, and when.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

NONCE_BYTES = 32

DRIVER, EXECUTOR, LANE = "driver", "executor", "lane"  # over both nonces of the handshake
FETCH, SERVE = "fetch", "serve"  # over the request's nonce and its content
CALL, REPLY = "call", "reply"  # the same, of shuffle services
KNOCK, ANSWER = "knock", "answer"  # over the call's nonce, before any message is read

_SERVICE_KEY = "shuffle service"
_CREDENTIAL = "shuffle credential"
_FINGERPRINT_DIGITS = 32


def new_nonce() -> bytes:
    """Return a nonce that was never used before."""
    return secrets.token_bytes(NONCE_BYTES)


def prove(secret: bytes, purpose: str, *nonces: bytes) -> bytes:
    """Return the proof for a purpose. All but the last of `nonces` have NONCE_BYTES."""
    return hmac.digest(secret, b"|".join((purpose.encode(), *nonces)), "sha256")


def is_proven(proof: bytes, secret: bytes, purpose: str, *nonces: bytes) -> bool:
    """Say whether a proof is right, in a time that does not depend on how wrong it is."""
    if any(len(nonce) != NONCE_BYTES for nonce in nonces[:1]):
        return False
    return hmac.compare_digest(proof, prove(secret, purpose, *nonces))


def service_key(secret: bytes) -> bytes:
    """Return what an application with this secret proves to shuffle services."""
    return prove(secret, _SERVICE_KEY)


def service_name(application_id: str, key: bytes) -> str:
    """Return the name by which shuffle services know an application with this service key."""
    return f"{application_id}-{hashlib.sha256(key).hexdigest()[:_FINGERPRINT_DIGITS]}"


def encrypted_key(key: bytes, name: str, shared_secret: bytes) -> bytes:
    """Return a service key as only those can read it who know the shared secret.

    Used in both directions. The pad is used once, as a name stands for one key.
    """
    pad = prove(shared_secret, _CREDENTIAL, name.encode())
    return bytes(a ^ b for a, b in zip(key, pad, strict=True))


def is_named_after(name: str, key: bytes) -> bool:
    """Say whether a name of an application was made with this service key."""
    application_id, dash, _ = name.rpartition("-")
    return bool(dash) and name == service_name(application_id, key)
