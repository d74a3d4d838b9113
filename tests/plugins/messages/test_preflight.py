"""What the dialog says before a click is what happens after it, whatever the message and its surroundings."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from apiflask import APIFlask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from console.core.errors import Refused
from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType, RunState, Trigger
from console.services import dispatch, edits, jobs, preflights, triggers
from console.services.changes import Change
from console.services.preflights import Preflight
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.plugins.messages.letters import ANA, FREE, INIT, REMINDER, event, executed, message
from tests.smtp import Smtp
from tests.web.conftest import change

DAYS = [datetime(2030, 3, day, hour, 0, tzinfo=UTC) for day in (1, 2, 3, 4) for hour in (3, 20)]
"""Friday to Monday, at hours at which it is another day elsewhere."""
LATER = datetime(2031, 1, 1, tzinfo=UTC)
SWITCHES = """
INSERT INTO message_settings (org_id, enabled, weekend_rule, changed_by) VALUES (:org, :on, :rule, 'x')
ON CONFLICT (org_id) DO UPDATE SET enabled = :on, weekend_rule = :rule
"""
SWITCH = """
INSERT INTO message_types (org_id, message_type, enabled, lead_days, send_time, changed_by)
VALUES (:org, :type, :on, -1, '10:00', 'x') ON CONFLICT (org_id, message_type) DO UPDATE SET enabled = :on
"""
BROKEN = """
INSERT INTO message_templates (org_id, message_type, version, subject, body, actor)
VALUES (:org, :type, 1, 'x', '{{ former }}', 'x')
"""


class Past(Enum):
    """What has become of the message before."""

    NOTHING = auto()
    FAILED = auto()
    SENT = auto()
    MARKED = auto()
    UNKNOWN = auto()
    ON_ITS_WAY = auto()


class Twin(Enum):
    """Another job of the same message that has been sent."""

    NONE = auto()
    SENT = auto()
    DELETED = auto()


@dataclass(frozen=True)
class Case:
    """A message and all that may stand in its way."""

    message_type: MessageType
    now: datetime
    recipient: str | None
    zone: str
    past: Past
    twin: Twin
    rule: str
    has_event: bool
    is_deleted: bool
    knows_load_in: bool
    is_on: bool
    is_type_on: bool
    is_broken: bool
    says_again: bool


SELDOM = st.sampled_from([False, False, False, True])
CASES = st.builds(
    Case,
    message_type=st.sampled_from(MessageType),
    now=st.sampled_from(DAYS),
    recipient=st.sampled_from([ANA, ANA.upper(), None]),
    zone=st.sampled_from(["UTC", "Pacific/Auckland", "America/Los_Angeles"]),
    past=st.sampled_from(Past),
    twin=st.sampled_from([Twin.NONE, *Twin]),
    rule=st.sampled_from(["none", "previous_friday", "next_monday"]),
    has_event=st.booleans(),
    is_deleted=SELDOM,
    knows_load_in=st.booleans(),
    is_on=st.sampled_from([True, True, False]),
    is_type_on=st.sampled_from([True, True, False]),
    is_broken=SELDOM,
    says_again=st.booleans(),
)
FINE = Case(
    REMINDER,
    DAYS[0],
    ANA,
    "UTC",
    Past.NOTHING,
    Twin.NONE,
    "none",
    True,
    False,
    False,
    True,
    True,
    False,
    False,
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=CASES)
@example(case=FINE)
def test_the_preflights_word_is_the_outcome(app: APIFlask, org: OrgOf, smtp: Smtp, case: Case) -> None:
    about = surroundings(org, case)
    job, by_itself = made(org, case, about, at=LATER), made(org, case, about, at=case.now)
    after = brought_there(org, case, job)
    _twin(org, case, about)
    if case.is_deleted:
        change("UPDATE events SET deleted_at = now() WHERE id = :id", id=about)

    slot_word = preflights.preflight(org.admin, by_itself.id, now=case.now)
    dispatch.dispatch(scheduler="s", now=case.now)
    assert slot_of(by_itself) == word_for_its_slot(slot_word), case

    word = preflights.preflight(org.admin, job.id, now=case.now)
    taken = len(smtp.messages)
    outcome = pressed(org, case, job)
    if isinstance(outcome, Reason):
        expected = word.again if case.says_again and word.again else word.refusal
        assert outcome == expected and not (word.may_override and case.says_again), case
        assert len(smtp.messages) == taken and last_run_of(job) == after, case
    else:
        assert word.refusal is None or (word.may_override and case.says_again), case
        sent_as_shown(executed(app, org, outcome, now=case.now), word, smtp, taken)


def surroundings(of: OrgOf, case: Case) -> UUID | None:
    """The org's switches and templates, and the event, if the message is about one."""
    change(SWITCHES, org=of.id, on=case.is_on, rule=case.rule)
    change("DELETE FROM message_types")
    change("DELETE FROM message_templates")
    change(SWITCH, org=of.id, type=case.message_type.value, on=case.is_type_on)
    if case.is_broken:
        change(BROKEN, org=of.id, type=case.message_type.value)
    if case.message_type is FREE and not case.has_event:
        return None
    known = {"load_in_at": case.now + timedelta(days=9)} if case.knows_load_in else {}
    return event(of, timezone=case.zone, starts_at=case.now + timedelta(days=10), **known)


def made(of: OrgOf, case: Case, about: UUID | None, at: datetime) -> JobView:
    return message(of, about, case.message_type, case.recipient, at=at, now=NOON)


def brought_there(of: OrgOf, case: Case, job: JobView) -> UUID | None:
    """Gives the job its past; answers its newest run."""
    if case.past is Past.MARKED:
        edits.edit(of.admin, job.id, Change(status=JobStatus.SENT, note="by phone"), now=case.now)
    elif case.past is Past.ON_ITS_WAY:
        pressed(of, case, job)
    elif case.past is not Past.NOTHING:
        ended = {Past.SENT: ("sent", "succeeded"), Past.FAILED: ("failed", "failed")}
        status, state = ended.get(case.past, ("failed", "unknown"))
        change(
            "UPDATE jobs SET status = :status, last_run_state = :state, next_run_at = NULL WHERE id = :id",
            id=job.id,
            status=status,
            state=state,
        )
    return last_run_of(job)


def _twin(of: OrgOf, case: Case, about: UUID | None) -> None:
    if case.twin is Twin.NONE:
        return
    twin = message(of, about, case.message_type, ANA, at=LATER, now=NOON)
    edits.edit(of.admin, twin.id, Change(status=JobStatus.SENT, note="by phone"), now=case.now)
    if case.twin is Twin.DELETED:
        jobs.delete(of.admin, twin.id, now=case.now)


def pressed(of: OrgOf, case: Case, job: JobView) -> RunView | Reason:
    """The run that a click made, or why it made none."""
    try:
        wish = Request(Trigger.MANUAL, override=case.says_again)
        return triggers.send_now(of.admin, job.id, wish, now=case.now)
    except Refused as refusal:
        assert refusal.reason is not None
        return refusal.reason


def last_run_of(job: JobView) -> UUID | None:
    found = rows("SELECT id FROM runs WHERE job_id = :id ORDER BY id DESC LIMIT 1", id=job.id)
    return found[0].id if found else None


def slot_of(job: JobView) -> tuple[str, str | None]:
    """What the scheduler made of the slot."""
    (run,) = rows("SELECT state, reason_code FROM runs WHERE job_id = :id AND slot IS NOT NULL", id=job.id)
    return run.state, run.reason_code


def word_for_its_slot(word: Preflight) -> tuple[str, str | None]:
    """What the preflight lets expect of a message that comes due now by itself."""
    if word.refusal is Reason.MISSING_RECIPIENT:
        return "skipped", "MISSING_RECIPIENT"
    return ("skipped", word.rules.reason.value) if word.rules else ("queued", None)


def sent_as_shown(run: RunView, word: Preflight, smtp: Smtp, taken: int) -> None:
    assert run.state is RunState.SUCCEEDED and run.sent and word.message, (run, word)
    shown, sent = word.message, run.sent
    assert (sent.recipient, sent.subject, sent.text, sent.html) == (
        shown.recipient,
        shown.subject,
        shown.text,
        shown.html,
    )
    (mail,) = smtp.messages[taken:]
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (
        shown.recipient,
        shown.subject,
        sent.message_id,
    )


def test_of_what_can_be_generated_each_code_comes_about(org: OrgOf) -> None:
    """So that the property above is about something."""
    cases = {
        "MISSING_RECIPIENT": {"recipient": None},
        "ALREADY_SENT": {"past": Past.MARKED},
        "OUTCOME_UNKNOWN": {"past": Past.UNKNOWN},
        "OVERLAP": {"past": Past.ON_ITS_WAY},
        "EXCEPTION": {"is_broken": True},
        "DELETED": {"is_deleted": True},
        "DISABLED_GLOBAL": {"is_on": False},
        "DISABLED_TYPE": {"is_type_on": False},
        "HAS_LOAD_IN_TIME": {"message_type": INIT, "knows_load_in": True},
        "WEEKEND": {"rule": "next_monday", "now": DAYS[2]},
        "DUPLICATE": {"twin": Twin.DELETED},
    }
    for code, fields in cases.items():
        case = Case(**{**vars(FINE), **fields})  # type: ignore[arg-type]
        about = surroundings(org, case)
        job = made(org, case, about, at=LATER)
        brought_there(org, case, job)
        _twin(org, case, about)
        if case.is_deleted:
            change("UPDATE events SET deleted_at = now() WHERE id = :id", id=about)
        word = preflights.preflight(factories.person(org), job.id, now=case.now)
        assert code in (word.refusal, word.rules.reason if word.rules else None), code
    assert one("SELECT count(*) FROM runs") == 1
