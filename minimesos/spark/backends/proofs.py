"""Proofs that a peer knows the application's secret, without telling it.

A proof is an HMAC over a purpose and nonces; purposes keep a proof of one kind from serving as
another. Used by both ends of the driver-executor stream and of block transfer. No transport here.

Source: proto/minimesos/spark.proto says which side proves what, and when.
"""

from __future__ import annotations

import hmac
import secrets

NONCE_BYTES = 32

DRIVER, EXECUTOR = "driver", "executor"  # over both nonces of the handshake
FETCH, SERVE = "fetch", "serve"  # over the request's nonce and its path
KNOCK, ANSWER = "knock", "answer"  # over the call's nonce, before any message is read


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
