"""Which jobs a caller means by a filter."""

from console.api.schemas import common
from console.api.schemas.bulk import BulkFilter
from console.api.schemas.jobs import JobChoice
from console.services.views import JobFilter


def filter_of(wanted: JobChoice | BulkFilter, zone: str) -> JobFilter:
    """What services take; dates count in the zone."""
    return JobFilter(
        q=wanted.q,
        status=wanted.status,
        kind=wanted.kind,
        category=wanted.category,
        since=common.since(wanted.since, zone),
        until=common.until(wanted.until, zone),
        message_type=wanted.message_type,
        subject_id=wanted.event,
        recipient=wanted.recipient,
        with_settled=wanted.settled,
    )
