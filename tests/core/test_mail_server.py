"""What `SMTP_URL` may say."""

import pytest

from console.core.mail_server import MailServer, parse


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("smtp", "mail.example", 25)),
        ("smtps://mail.example/", MailServer("smtps", "mail.example", 465)),
        ("smtp://[::1]:2525", MailServer("smtp", "::1", 2525)),
        ("smtp://me%40north:p%2Fw@mail:587", MailServer("smtp", "mail", 587, "me@north", "p/w")),
        ("smtp://mail?timeout=1&tls=required", MailServer("smtp", "mail", 25, timeout=1, needs_tls=True)),
        ("smtp://mail?timeout=120", MailServer("smtp", "mail", 25, timeout=120)),
    ],
)
def test_a_url_names_server_credentials_and_options(url: str, server: MailServer) -> None:
    assert parse(url) == server


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://me:hush@mail", "smtp:// or smtps://"),
        ("smtp:", "smtp:// or smtps://"),
        ("smtp://me:hush@mail:99999", "port"),
        ("smtp://me:hush@[mail", "host"),
        ("smtp://me:hu/sh@mail", "port"),
        ("smtp://me:hush@mail/inbox", "escape"),
        ("smtp://me:hush@mail?timeout=0", "1 to 120"),
        ("smtp://me:hush@mail?timeout=121", "1 to 120"),
        ("smtp://me:hush@mail?timeout=2.5", "1 to 120"),
        ("smtp://me:hush@mail?tls=no", "tls=required"),
        ("smtp://me:hush@mail?hush", "tls=required"),
        ("smtp://me:hush@mail?starttls=1", "tls=required"),
    ],
)
def test_what_can_t_be_used_is_said_without_the_url(url: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        parse(url)
    assert "hush" not in str(caught.value) and "me" not in str(caught.value).split()
    assert caught.value.__cause__ is None


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(parse("smtp://me:hush@mail"))
