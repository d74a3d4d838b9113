"""How jitter spreads what is due at one instant."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from console.core.jitter import start_of

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(seconds=60)


@given(st.uuids(), st.integers(0, 86400))
def test_a_start_lies_between_the_slot_and_the_most_that_is_allowed(job: object, seconds: int) -> None:
    start = start_of(job, NOW, timedelta(seconds=seconds))  # type: ignore[arg-type]
    assert NOW <= start <= NOW + timedelta(seconds=seconds)
    assert start == start_of(job, NOW, timedelta(seconds=seconds))  # type: ignore[arg-type]


def test_a_thousand_jobs_of_one_slot_are_spread_over_the_whole_span() -> None:
    jobs = [UUID(int=number) for number in range(1000)]
    offsets = [(start_of(job, NOW, MINUTE) - NOW).total_seconds() for job in jobs]
    by_tenth = [sum(6 * tenth <= offset < 6 * (tenth + 1) for offset in offsets) for tenth in range(10)]
    assert all(50 <= count <= 160 for count in by_tenth), by_tenth


def test_the_slots_of_one_job_have_offsets_of_their_own() -> None:
    job = UUID(int=1)
    slots = [NOW + timedelta(hours=number) for number in range(24)]
    assert len({start_of(job, slot, MINUTE) - slot for slot in slots}) > 20


def test_the_zone_in_which_a_slot_is_written_changes_nothing() -> None:
    job = uuid4()
    assert start_of(job, NOW, MINUTE) == start_of(job, NOW.astimezone(ZoneInfo("Asia/Tokyo")), MINUTE)


def test_without_jitter_a_run_starts_at_its_slot() -> None:
    assert start_of(uuid4(), NOW, None) == start_of(uuid4(), NOW, timedelta(0)) == NOW
