"""Proofs of the application's secret."""

from __future__ import annotations

import pytest

from minimesos.spark.backends.proofs import (
    DRIVER,
    EXECUTOR,
    FETCH,
    encrypted_key,
    is_named_after,
    is_proven,
    new_nonce,
    prove,
    service_key,
    service_name,
)

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


def test_a_name_at_shuffle_services_belongs_to_one_key():
    key, other = service_key(SECRET), service_key(b"another")
    name = service_name("framework-0001", key)
    assert name.startswith("framework-0001-")
    assert is_named_after(name, key)
    assert not is_named_after(name, other)
    assert not is_named_after("framework-0001", key)
    assert service_name("framework-0001", other) != name


def test_the_key_of_a_shuffle_service_tells_nothing_of_the_secret():
    nonce = new_nonce()
    assert not is_proven(prove(service_key(SECRET), FETCH, nonce, b""), SECRET, FETCH, nonce, b"")


def test_a_key_is_read_with_the_shared_secret_only():
    key = service_key(SECRET)
    name = service_name("app", key)
    encrypted = encrypted_key(key, name, b"shared")
    assert encrypted != key
    assert encrypted_key(encrypted, name, b"shared") == key
    assert not is_named_after(name, encrypted_key(encrypted, name, b"guessed"))
