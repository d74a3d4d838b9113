"""A store in memory that does with the planner's steps what the services do, and lets persons in between."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from itertools import count
from uuid import UUID

from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType
from console.plugins.messages.plan import plan
from console.plugins.messages.plan_views import Does, Place, Standing, Step, address_of
from console.plugins.messages.views import EventView, Preferences, TypePreference, WeekendRule

MONDAY = datetime(2030, 6, 3, 12, 0, tzinfo=UTC)
"""A Monday at noon."""
INIT, REMINDER, FOLLOW_UP = MessageType.INIT, MessageType.REMINDER, MessageType.FOLLOW_UP
ENDED = (JobStatus.SENT, JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.BLOCKED)


def event(**fields: object) -> EventView:
    """Hamlet on the Wednesday of the fourth week, with a contact and nobody else."""
    hamlet = EventView(
        id=UUID(int=1),
        name="Hamlet",
        venue="Main Stage",
        starts_at=datetime(2030, 6, 26, 17, 30, tzinfo=UTC),
        load_in_at=None,
        timezone="Europe/Berlin",
        contact_name="Ana",
        contact_email="ana@x.example",
        crew=(),
        revision=1,
        changed_at=MONDAY,
    )
    return replace(hamlet, **fields)  # type: ignore[arg-type]


def preferences(
    rule: WeekendRule = WeekendRule.NONE,
    leads: Mapping[MessageType, int] | None = None,
    at: time = time(10, 0),
) -> Preferences:
    days = {INIT: -14, REMINDER: -1, FOLLOW_UP: 1, **(leads or {})}
    types = {kind: TypePreference(kind, True, lead, at) for kind, lead in days.items()}
    return Preferences(True, rule, types)


@dataclass
class Desk:
    """The places of one event by id; `event` is None when it is deleted. Persons go by the job's id."""

    event: EventView | None
    preferences: Preferences = field(default_factory=preferences)
    now: datetime = MONDAY
    places: dict[UUID, Place] = field(default_factory=dict)
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    def plan(self) -> list[Step]:
        """Plans and does it; answers what was done."""
        steps = plan(self.event, self.preferences, list(self.places.values()), now=self.now)
        for step in steps:
            self._do(step)
        return steps

    @property
    def alive(self) -> list[Place]:
        return [place for place in self.places.values() if place.job and not place.job.is_deleted]

    @property
    def open(self) -> list[Place]:
        return [place for place in self.alive if place.job and place.job.is_waiting]

    def of(self, kind: MessageType, address: str = "ana@x.example") -> Standing:
        """The only job of this type and recipient that is not deleted."""
        (found,) = [
            place.job
            for place in self.alive
            if place.job and place.message_type is kind and address_of(place.job.recipient) == address
        ]
        return found

    def change(self, job: Standing, **fields: object) -> None:
        """What a person, a scheduler or a worker does to a job; it blocks or unblocks as jobs do."""
        (place,) = [place for place in self.places.values() if place.job and place.job.id == job.id]
        changed = _settled(replace(place.job, **fields))  # type: ignore[type-var]
        self.places[place.id] = replace(place, job=changed)

    def pass_time(self, until: datetime, outcome: JobStatus = JobStatus.SENT) -> None:
        """What is due meanwhile ends so; what is paused stays, and what is blocked is over."""
        self.now = until
        for place in self.open:
            job = place.job
            if job and job.at and job.at <= until and job.status is not JobStatus.PAUSED:
                is_blocked = job.recipient is None
                status = JobStatus.BLOCKED if is_blocked else outcome
                final = not is_blocked and outcome is JobStatus.SENT
                self.change(job, status=status, is_waiting=False, is_final=final, reason=None)

    # What the services make of a step ------------------------------------------------------------

    def _do(self, step: Step) -> None:
        if step.does is Does.CREATE:
            self._create(step)
            return
        place = step.place
        assert place is not None and place.job is not None
        if step.does is Does.WITHDRAW:
            gone = replace(place.job, is_deleted=True)
            self.places[place.id] = replace(place, job=gone, is_withdrawn=True)
            return
        job = _changed(place.job, step)
        assert step.seat is not None and step.planned_at is not None and step.written is not None
        is_sealed = step.does in (Does.CLOSE, Does.OPEN)
        self.places[place.id] = replace(
            place,
            job=job,
            role=step.seat.role,
            address=step.seat.address,
            planned_at=step.planned_at,
            written=step.written,
            is_withdrawn=False,
            resumes_paused=step.does is Does.CLOSE and step.is_paused if is_sealed else place.resumes_paused,
        )

    def _create(self, step: Step) -> None:
        assert step.seat is not None and step.at is not None and step.written is not None
        assert step.closed is None or step.at <= self.now
        number = next(self._ids)
        id_ = step.place.id if step.place else UUID(int=number)
        job = _settled(
            Standing(
                id=UUID(int=1000 + number),
                at=step.at,
                status=JobStatus.SKIPPED if step.closed else JobStatus.SCHEDULED,
                reason=step.closed,
                is_waiting=step.closed is None,
                is_closed=step.closed is not None,
                is_final=False,
                is_deleted=False,
                recipient=step.seat.recipient,
                wording=step.wording or step.written,
            )
        )
        key = (step.seat.message_type, step.seat.address)
        others = [(place.message_type, place.address) for place in self.places.values() if place.id != id_]
        assert key not in others, "a row for each type and address"
        self.places[id_] = Place(
            id=id_,
            message_type=step.seat.message_type,
            role=step.seat.role,
            address=step.seat.address,
            planned_at=step.at,
            resumes_paused=False,
            is_withdrawn=False,
            written=step.written,
            job=job,
        )


def _changed(job: Standing, step: Step) -> Standing:
    if step.wording:
        job = replace(job, wording=step.wording)
    if step.readdresses and step.seat:
        job = replace(job, recipient=step.seat.recipient)
    if step.does is Does.MOVE:
        status = JobStatus.SCHEDULED if job.status in ENDED else job.status
        job = replace(job, at=step.at, status=status, is_waiting=True, is_closed=False)
    if step.does is Does.OPEN:
        status = JobStatus.PAUSED if step.is_paused else JobStatus.SCHEDULED
        job = replace(job, at=step.at, status=status, reason=None, is_waiting=True, is_closed=False)
    if step.does is Does.CLOSE:
        job = replace(job, status=JobStatus.SKIPPED, reason=step.closed, is_waiting=False, is_closed=True)
    return _settled(replace(job, is_deleted=False))


def _settled(job: Standing) -> Standing:
    if job.status not in (JobStatus.SCHEDULED, JobStatus.BLOCKED):
        return job
    if job.recipient is None:
        return replace(job, status=JobStatus.BLOCKED, reason=Reason.MISSING_RECIPIENT)
    if job.status is JobStatus.BLOCKED and not job.is_waiting:
        return replace(job, status=JobStatus.SKIPPED)
    return replace(job, status=JobStatus.SCHEDULED, reason=None)
