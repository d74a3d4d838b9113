"""What an alert says: for people in text, for programs in JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.alerts import AlertOn
from console.core.masking import masked_text
from console.core.reasons import Reason
from console.core.spans import span_text
from console.core.texts import storable

SHOWN = 20
"""So many are told one by one; of the rest the number."""
IN_PAYLOAD = 50
LONGEST_SUBJECT = 200
TEST_SUBJECT = "Callboard: a test"
_base_url = [""]


def configure(base_url: str) -> None:
    """Sets what links begin with."""
    _base_url[0] = base_url


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found; `facts` are what was known of it then."""

    id: UUID
    job_id: UUID | None
    run_id: UUID | None
    happened_at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class About:
    """Whose message it is: the rule, and its org with the zone in which times are told."""

    rule_id: UUID
    rule_name: str
    event: AlertOn
    org_name: str
    zone: str


@dataclass(frozen=True)
class Message:
    """A message in all its forms."""

    subject: str
    body: str
    payload: dict[str, Any]


def compose(about: About, found: Sequence[Finding], *, total: int, now: datetime) -> Message:
    """The message about these findings, oldest first; `total` may be more than are given."""
    title = _title(about, found, total)
    parts = [_paragraph(about, finding) for finding in found[:SHOWN]]
    if total > SHOWN:
        parts.append(f"… and {total - SHOWN} more: {_base_url[0]}{_more(about)}")
    link = f"{_base_url[0]}/settings/alerts/rules/{about.rule_id}"
    parts.append(f"Sent by the rule “{about.rule_name}” of {about.org_name}. Change it: {link}")
    payload = {
        "event": about.event.value,
        "title": title,
        "rule": {"id": str(about.rule_id), "name": about.rule_name, "url": link},
        "org": about.org_name,
        "count": total,
        "findings": [_entry(about, finding) for finding in found[:IN_PAYLOAD]],
        "is_test": False,
        "at": now.isoformat(),
    }
    return Message(storable(f"Callboard: {title}", LONGEST_SUBJECT), "\n\n".join(parts), payload)


def test(channel: str, org_name: str, by: str, *, now: datetime) -> Message:
    """What the button Test sends."""
    text = f"This tests the channel “{channel}” of {org_name}, asked for by {by}: alerts arrive like this."
    payload: dict[str, Any] = {
        "event": "test",
        "title": "a test",
        "rule": None,
        "org": org_name,
        "count": 0,
        "findings": [],
        "is_test": True,
        "at": now.isoformat(),
    }
    return Message(TEST_SUBJECT, f"{text}\n\n{_base_url[0]}/settings/alerts", payload)


def _title(about: About, found: Sequence[Finding], total: int) -> str:
    """`Nightly report failed`, `5 failures of Nightly report`, `100 failures of 12 jobs`."""
    if total == 1:
        return _what(about, found[0])
    if not about.event.is_of_jobs:
        return f"{_what(about, found[-1])} ({total} {about.event.many})"
    jobs = {finding.job_id for finding in found}
    whose = (
        f"{len(jobs)}{'' if len(found) == total else ' or more'} jobs" if len(jobs) > 1 else _job(found[0])
    )
    return f"{total} {about.event.many} of {whose}"


def _what(about: About, finding: Finding) -> str:
    if not about.event.is_of_jobs:
        is_over = bool(finding.facts.get("is_over"))
        return f"{finding.facts['name']} is {'alive again' if is_over else 'silent'}"
    if about.event is AlertOn.FAILED_IN_A_ROW:
        return f"{_job(finding)} failed {finding.facts.get('count')} times in a row"
    return f"{_job(finding)} {about.event.one}"


def _job(finding: Finding) -> str:
    return str(finding.facts.get("job") or "a job")


def _paragraph(about: About, finding: Finding) -> str:
    lines = [f"{_what(about, finding)}: {_when(finding.happened_at, about.zone)}", *_whys(about, finding)]
    lines += [f"{name}: {url}" for name, url in _links(finding).items()]
    return "\n".join(lines)


def _whys(about: About, finding: Finding) -> list[str]:
    """The reason in its own words, and what to do."""
    facts, lines = finding.facts, []
    if about.event is AlertOn.LATE:
        lines.append(f"It was due {_when(_due(finding), about.zone)} and has not begun.")
    if about.event is AlertOn.RECOVERED and facts.get("since"):
        lines.append(f"It had been amiss since {_when(datetime.fromisoformat(facts['since']), about.zone)}.")
    reason = _reason(facts)
    if reason is not None and not facts.get("is_over"):
        lines.append(f"{reason}: {_said(facts, reason)}")
        lines.append(f"What to do: {reason.advice}")
    error = masked_text(str(facts.get("error") or ""))
    if error and not any(error in line for line in lines):
        lines.append(f"Error: {error}")
    return lines


def _due(finding: Finding) -> datetime:
    return finding.happened_at - timedelta(minutes=int(finding.facts.get("minutes") or 0))


def _reason(facts: Mapping[str, Any]) -> Reason | None:
    code = facts.get("reason_code")
    return Reason(code) if code in set(Reason) else None


def _said(facts: Mapping[str, Any], reason: Reason) -> str:
    """The reason as it was recorded, without secrets: what is sent leaves the house."""
    return masked_text(str(facts.get("reason") or reason.text))


def _links(finding: Finding) -> dict[str, str]:
    base, links = _base_url[0], {}
    if finding.run_id:
        links["Run"] = f"{base}/runs/{finding.run_id}"
    if finding.job_id:
        at = str(finding.facts.get("slot") or finding.happened_at.isoformat())
        links["Why"] = f"{base}/jobs/{finding.job_id}/explain?at={quote(at)}"
    if not finding.job_id:
        links["Workers"] = f"{base}/workers"
    return links


def _more(about: About) -> str:
    states = {
        AlertOn.FAILED: "failed",
        AlertOn.MISSED: "missed",
        AlertOn.UNKNOWN: "unknown",
        AlertOn.LATE: "queued",
    }
    return f"/runs?state={states[about.event]}" if about.event in states else "/runs"


def _when(at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y %H:%M:%S} ({zone})"


def _entry(about: About, finding: Finding) -> dict[str, Any]:
    reason, links = _reason(finding.facts), _links(finding)
    return {
        "what": _what(about, finding),
        "at": finding.happened_at.isoformat(),
        "job": _named_job(finding),
        "run": {"id": str(finding.run_id), "url": links["Run"]} if finding.run_id else None,
        "slot": finding.facts.get("slot"),
        "reason_code": reason.value if reason else None,
        "reason": _said(finding.facts, reason) if reason else None,
        "advice": reason.advice if reason else None,
        "explain_url": links.get("Why"),
    }


def _named_job(finding: Finding) -> dict[str, str] | None:
    if finding.job_id is None:
        return None
    facts = finding.facts
    return {"id": str(finding.job_id), "key": str(facts.get("job_key", "")), "name": _job(finding)}


def span(minutes: int) -> str:
    """`15 min`, `2 h`."""
    return span_text(timedelta(minutes=minutes))
