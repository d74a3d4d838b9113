"""Secrets are masked in texts however they are written, and no text makes that slow."""

from time import thread_time

import pytest

from console.core.masking import masked, masked_text

SECRET = "hunter2-hunter2"
LONG = 300_000
SLOWER = 30
"""Times: 10 times the text may take so much longer at most. With the square of its length it would be 100."""


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"the password: {SECRET}",
        f"access_token={SECRET}&page=2",
        f"db_password = '{SECRET} and more'",
        f"api_key={SECRET}",
        f"X-Api-Key: {SECRET}",
        f'{{"client_secret": "{SECRET}", "host": "h"}}',
        f"KeyError: {{'password': '{SECRET}', 'page': 2}}",
        f'password="{SECRET}{"x" * 600}',
        f"Authorization: Bearer {SECRET}",
        f"smtp://me:{SECRET}@mail.example",
    ],
)
def test_a_secret_in_a_text_is_masked(text: str) -> None:
    assert SECRET not in masked_text(text)
    assert "***" in masked_text(text)


@pytest.mark.parametrize("text", ["no token was given", "5 tokens: all revoked", "https://h.example:8080/a"])
def test_what_only_speaks_of_one_stays(text: str) -> None:
    assert masked_text(text) == text


@pytest.mark.parametrize("name", ["api-key", "API_KEY", "private_key", "db_credentials"])
def test_a_value_that_is_called_like_a_secret_is_masked(name: str) -> None:
    assert masked("", {name: SECRET, "page": 2}) == {name: "***", "page": 2}


@pytest.mark.parametrize("piece", ["a", "a://b:", "://", "token ", "token='", 'token"= ', "bearer ", "é:"])
def test_a_long_text_is_no_way_to_hold_a_process_up(piece: str) -> None:
    """Whoever edits a job may send two million characters, and all of them are looked at."""
    short = spent_on(piece * (LONG // 10 // len(piece)))
    assert spent_on(piece * (LONG // len(piece))) < SLOWER * max(short, 0.001)


def spent_on(text: str) -> float:
    """Seconds of this thread alone, whatever else the machine does; the least of three times.

    A single one may hold a collection of what earlier tests have left.
    """
    return min(_once(text) for _ in range(3))


def _once(text: str) -> float:
    began = thread_time()
    masked_text(text)
    return thread_time() - began
