"""Where alerts may go: into the public internet alone, signed, and without a secret ever coming out again."""

import logging
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from apiflask import APIFlask

from console.core.alerts import AlertOn, ChannelKind
from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.states import Role
from console.services import addresses, alert_channels, alert_rules, alert_sending, chats, vault, webhooks
from console.services.alert_fields import RuleGiven
from console.services.alert_ways import ChannelGiven
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.receiver import Receiver, receiving
from tests.services.alerting import delivery, mail_channel, private_addresses, rule, webhook

PRIVATE = [
    "127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.1", "0", "10.1.2.3", "172.16.0.9",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255", "localhost",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[fe80::1]", "[fc00::1]", "[fec0::1]",
    "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[::127.0.0.1]",
]  # fmt: skip
SLACK = "slack://TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC/#ops"


@pytest.fixture
def receiver(app: APIFlask) -> Iterator[Receiver]:
    with receiving() as told, private_addresses():
        yield told


def make(of: OrgOf, **given: Any) -> alert_channels.ChannelView:
    return alert_channels.create(of.admin, ChannelGiven(**{"name": "Hook", **given}), now=NOON)


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused_however_it_is_written(org: OrgOf, host: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make(org, kind=ChannelKind.WEBHOOK, url=f"http://{host}:8080/latest/meta-data")
    assert "in a private network, on this machine or reserved" in refusal.value.fields["url"][0]
    assert one("SELECT count(*) FROM alert_channels") == 0


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_may_be_called(address: str) -> None:
    assert addresses.is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    ["nonsense", "ftp://example.com/x", "file:///etc/passwd", "http:///x", "http://a b/", "http://a:99999/",
     "https://user:word@example.com/", "http://example.com/\r\nX: y", "http://[::1/", "http://a:0/"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_it(org: OrgOf, url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make(org, kind=ChannelKind.WEBHOOK, url=url)
    assert list(refusal.value.fields) == ["url"]
    assert url not in refusal.value.detail


def test_a_name_is_looked_at_when_it_is_sent_to_and_the_connection_goes_where_it_was_looked(
    org: OrgOf, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DNS says changes from answer to answer; that is the one thing which is not real here."""
    said = {"hooks.example.com": ["8.8.8.8"]}
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(str(host))
        host = said[host][0] if host in said else host
        return resolve(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    url = f"http://hooks.example.com:{receiver.port}/x"
    with private_addresses(False):
        channel = make(org, kind=ChannelKind.WEBHOOK, url=url, secret="s" * 20)
        said["hooks.example.com"] = ["127.0.0.1"]
        done = alert_sending.test(org.admin, channel.id, now=NOON)
    assert (done.state, len(receiver.posts)) == ("failed", 0)
    assert done.answer and "private network" in done.answer
    asked.clear()
    assert alert_sending.test(org.admin, channel.id, now=NOON).state == "sent"
    # The name is asked for once; the connection is opened to the address, which names itself.
    assert asked.count("hooks.example.com") == 1
    assert receiver.posts[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_a_redirect_is_not_followed(org: OrgOf, receiver: Receiver) -> None:
    channel = webhook(org, receiver)
    receiver.answers.append(302)
    receiver.headers["Location"] = receiver.url
    done = alert_sending.test(org.admin, channel.id, now=NOON)
    assert (done.state, len(receiver.posts)) == ("failed", 1)
    assert done.answer and "redirects are not followed" in done.answer


def test_a_receiver_that_takes_its_time_byte_by_byte_is_left(
    org: OrgOf, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT", 1.0)
    channel, begun = webhook(org, receiver), time.monotonic()
    receiver.drip = True  # which takes two minutes
    done = alert_sending.test(org.admin, channel.id, now=NOON)
    assert (done.state, done.answer) == ("failed", "The receiver did not answer within 1 s.")
    assert time.monotonic() - begun < 60


def test_time_runs_from_before_there_is_a_connection(
    org: OrgOf, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with addresses that nobody answers at takes up the time; what comes then has none left."""
    monkeypatch.setattr(webhooks, "TIMEOUT", 1.0)
    channel = webhook(org, receiver)
    receiver.drip = True
    connect = socket.create_connection

    def slowly(*args: Any, **kwargs: Any) -> socket.socket:
        opened = connect(*args, **kwargs)
        time.sleep(1.5)
        return opened

    monkeypatch.setattr(socket, "create_connection", slowly)
    done = alert_sending.test(org.admin, channel.id, now=NOON)
    assert (done.state, done.answer) == ("failed", "The receiver did not answer within 1 s.")
    assert receiver.posts == []


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("json://127.0.0.1/x", "must begin with one of slack://"),
        ("file:///etc/passwd", "must begin with"),
        ("gotify://127.0.0.1/AbCdEfGhIjKlMno", "must begin with"),
        ("syslog://", "must begin with"),
        ("ntfy://127.0.0.1/topic", "must be ntfy://TOPIC"),
        ("workflows://10.0.0.1:443/643a03adf67f463dbbfd4a3bfe8d2a51/sig123", "a host of Microsoft's"),
        (f"{SLACK}?template=/etc/passwd", "takes no option but"),
        ("slack://x", "is not written as this service wants it"),
        (f"tgram://123456789:abcdefg_hijklmnop/{'/'.join(map(str, range(100, 106)))}/", "names more than 5"),
        (f"{SLACK}?to={','.join(f'c{number}' for number in range(9))}", "names more than 5"),
        ("nothing", "must begin with"),
    ],
)
def test_chats_lead_to_hosted_services_alone(org: OrgOf, url: str, word: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make(org, kind=ChannelKind.APPRISE, url=url)
    assert word in refusal.value.fields["url"][0]


def test_a_chat_is_shown_by_the_name_of_its_service(org: OrgOf) -> None:
    assert make(org, kind=ChannelKind.APPRISE, url=SLACK).target == "Slack (slack://…)"
    assert make(org, name="b", kind=ChannelKind.APPRISE, url="ntfy://mytopic").target == "ntfy (ntfy://…)"


def test_a_message_goes_through_apprise_to_a_chat_of_ones_own_where_that_is_allowed(
    org: OrgOf, receiver: Receiver
) -> None:
    url = f"gotify://127.0.0.1:{receiver.port}/AbCdEfGhIjKlMno"
    channel = make(org, kind=ChannelKind.APPRISE, url=url)
    done = alert_sending.test(org.admin, channel.id, now=NOON)
    assert (done.state, done.answer) == ("sent", "Gotify took it")
    assert receiver.posts[0].json["title"] == "Callboard: a test"
    receiver.answers.append(500)
    done = alert_sending.test(org.admin, channel.id, now=NOON)
    assert done.state == "failed"
    assert done.answer and done.answer.startswith("Gotify did not take it: ")
    assert "AbCdEfGhIjKlMno" not in done.answer


def test_secrets_come_out_nowhere(
    org: OrgOf, receiver: Receiver, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = webhook(org, receiver)
    alert_channels.change(org.admin, channel.id, ChannelGiven(secret="another secret, as long"), now=NOON)
    slack = make(org, name="Slack", kind=ChannelKind.APPRISE, url=SLACK)
    with pytest.raises(Invalid):
        alert_channels.change(org.admin, slack.id, ChannelGiven(url="slack://secret-token"), now=NOON)
    receiver.answers.extend([404, 200])
    receiver.echo = True
    answers = [alert_sending.test(org.admin, channel.id, now=NOON).answer for _ in range(2)]
    assert answers == ["The receiver answered 404 Not Found: Cannot POST /…/…?key=…", "200 OK"]
    held = "".join(
        str(tuple(row))
        for table in ("alert_channels", "alert_deliveries", "audit_entries")
        for row in rows(f"SELECT t::text FROM {table} AS t")  # noqa: S608
    )
    out = capsys.readouterr()
    everything = held + caplog.text + out.out + out.err + str(alert_channels.listing(org.admin))
    for secret in ("secret-path", "secret-query", "another secret", "TAAAAAAAA", "CCCCCC", "secret-token"):
        assert secret not in everything
    changed = one("SELECT new ->> 'secret' FROM audit_entries WHERE tag = 'alert_channel:changed'")
    assert changed == "***"


def test_a_channel_under_a_lost_key_says_so_and_takes_new_secrets(
    org: OrgOf, receiver: Receiver, app: APIFlask
) -> None:
    channel = webhook(org, receiver)
    vault.configure("another key that is long enough")
    try:
        done = alert_sending.test(org.admin, channel.id, now=NOON)
        assert (done.state, receiver.posts) == ("failed", [])
        assert done.answer and "another SECRET_KEY" in done.answer
        with pytest.raises(vault.Unreadable):
            alert_channels.change(org.admin, channel.id, ChannelGiven(name="Renamed"), now=NOON)
        given = ChannelGiven(url=receiver.url, secret="s" * 20)
        alert_channels.change(org.admin, channel.id, given, now=NOON)
        assert alert_sending.test(org.admin, channel.id, now=NOON).state == "sent"
        vault.configure("a third key that is long enough", ["another key that is long enough"])
        assert alert_sending.test(org.admin, channel.id, now=NOON).state == "sent"
    finally:
        vault.configure(app.extensions["console_settings"].secret_key)


def test_channels_and_rules_are_kept_checked_and_on_the_trail(org: OrgOf) -> None:
    channel = mail_channel(org)
    with pytest.raises(Invalid, match="another channel has this name"):
        mail_channel(org)
    for recipients in ([], ["nobody"], ["a@b.example, c@d.example"], ["a@b.example"] * 1 + ["x y@z.example"]):
        with pytest.raises(Invalid, match="recipients"):
            make(org, name="Other", kind=ChannelKind.MAIL, recipients=recipients)
    made = rule(org, AlertOn.LATE, channel, minutes=5)
    for fields, name in (
        ({"channels": []}, "channels"),
        ({"minutes": 0}, "minutes"),
        ({"throttle_minutes": -1}, "throttle_minutes"),
        ({"event": AlertOn.FAILED_IN_A_ROW, "count": 1}, "count"),
    ):
        with pytest.raises(Invalid, match=name):
            alert_rules.change(org.admin, made.id, RuleGiven(**fields), now=NOON)
    with pytest.raises(Refused, match="would say it nowhere"):
        alert_channels.delete(org.admin, channel.id, now=NOON)
    changed = alert_rules.change(org.admin, made.id, RuleGiven(event=AlertOn.FAILED, name="F"), now=NOON)
    assert (changed.minutes, changed.event, changed.name) == (None, "failed", "F")
    alert_rules.delete(org.admin, made.id, now=NOON)
    alert_channels.delete(org.admin, channel.id, now=NOON)
    tags = [row[0] for row in rows("SELECT tag FROM audit_entries WHERE tag LIKE 'alert%' ORDER BY number")]
    assert tags == [
        "alert_channel:created",
        "alert_rule:created",
        "alert_rule:changed",
        "alert_rule:deleted",
        "alert_channel:deleted",
    ]


def test_only_an_admin_of_the_org_may_touch_them(org: OrgOf) -> None:
    channel = mail_channel(org)
    made = rule(org, AlertOn.FAILED, channel)
    operator, stranger = factories.person(org, Role.OPERATOR), factories.org().admin
    for act in (
        lambda who: alert_channels.change(who, channel.id, ChannelGiven(name="x"), now=NOON),
        lambda who: alert_channels.delete(who, channel.id, now=NOON),
        lambda who: alert_sending.test(who, channel.id, now=NOON),
        lambda who: alert_rules.change(who, made.id, RuleGiven(name="x"), now=NOON),
        lambda who: alert_rules.delete(who, made.id, now=NOON),
    ):
        with pytest.raises(Forbidden):
            act(operator)
        with pytest.raises(NotFound):
            act(stranger)
    assert alert_channels.listing(operator)[0].name == "Ops"
    assert alert_channels.listing(stranger) == []
    with pytest.raises(Invalid, match="channels"):
        given = RuleGiven(name="x", event=AlertOn.FAILED, channels=[channel.id])
        alert_rules.create(stranger, given, now=NOON)


def test_a_test_is_kept_in_the_history_and_never_tried_again(org: OrgOf, receiver: Receiver) -> None:
    channel = webhook(org, receiver)
    receiver.answers.append(500)
    alert_sending.test(org.admin, channel.id, now=NOON)
    assert (delivery().state, delivery().is_test, delivery().attempts) == ("failed", True, 1)
    assert alert_sending.send(NOON + timedelta(days=1)) == 0
    assert receiver.posts[0].json["is_test"] is True
    assert one("SELECT object_id FROM audit_entries WHERE tag = 'alert:tested'") == str(channel.id)
    assert chats.scheme_of(SLACK) == "slack"
