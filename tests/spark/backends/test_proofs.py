"""Proofs of the application's secret."""

from __future__ import annotations

import pytest

from minimesos.spark.backends.proofs import DRIVER, EXECUTOR, is_proven, new_nonce, prove

SECRET = b"secret"
ONE, TWO = new_nonce(), new_nonce()


def test_the_right_proof_is_accepted():
    assert is_proven(prove(SECRET, DRIVER, ONE, TWO), SECRET, DRIVER, ONE, TWO)


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        prove(b"another", DRIVER, ONE, TWO),
        prove(SECRET, EXECUTOR, ONE, TWO),
        prove(SECRET, DRIVER, TWO, ONE),
        prove(SECRET, DRIVER, ONE),
    ],
    ids=["none", "other secret", "other purpose", "nonces swapped", "nonce missing"],
)
def test_any_other_proof_is_refused(proof):
    assert not is_proven(proof, SECRET, DRIVER, ONE, TWO)


def test_a_short_nonce_is_refused_even_if_the_proof_fits():
    assert not is_proven(prove(SECRET, DRIVER, b"", TWO), SECRET, DRIVER, b"", TWO)
