"""What the planner wants: from an event, an org's preferences and what stands already to a list of steps.

Pure. Each seat (a type and a recipient) is matched with the row that stands for it, and each pair answers
at most one step:

1. A hand edit survives: a time other than `planned_at`, a pause, a status that a person gave, a deletion,
   a name, subject, recipient or timezone other than the planner wrote.
2. What is sent, may have been sent or is on its way is left alone.
3. Nothing is planned for a time that has passed: it is closed as skipped, so that it shows and can be sent
   by hand.
4. What stands as it is wanted answers no step, so that planning twice changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType
from console.plugins.messages import naming
from console.plugins.messages.plan_views import Does, Place, Seat, SeatRole, Standing, Step, Wording
from console.plugins.messages.timing import timing
from console.plugins.messages.views import PLANNED, EventView, Preferences


def plan(
    event: EventView | None, preferences: Preferences, places: Sequence[Place], *, now: datetime
) -> list[Step]:
    """The steps to what the event wants, in the order of its seats; `event` is None when it is deleted.

    The switches don't change what is planned: the task's rules ask them when it is due, so that to
    switch back on is enough.
    """
    if event is None:
        return list(_withdrawn(places))
    pairs = _matched(seats(event), places)
    taken = {place.id for _, place in pairs if place}
    steps = [_Plan(event, preferences, now).step(seat, place) for seat, place in pairs]
    gone = _withdrawn([place for place in places if place.id not in taken])
    return [*gone, *(step for step in steps if step)]


def seats(event: EventView) -> list[Seat]:
    """Init and follow-up for the contact; the reminder for the crew too, and once for each address."""
    contact = [Seat(kind, SeatRole.CONTACT, event.contact_email or None) for kind in PLANNED]
    crew = [Seat(MessageType.REMINDER, SeatRole.CREW, address) for address in event.crew]
    found: dict[tuple[MessageType, str], Seat] = {}
    for seat in (*contact, *crew):
        found.setdefault((seat.message_type, seat.address), seat)
    return list(found.values())


# Which row stands for which seat ------------------------------------------------------------------


def _matched(wanted: Sequence[Seat], places: Sequence[Place]) -> list[tuple[Seat, Place | None]]:
    """Each seat with the row of its address, or else the contact's with the row of the contact before."""
    by_address = {(place.message_type, place.address): place for place in places}
    exact = [by_address.get((seat.message_type, seat.address)) for seat in wanted]
    taken = {place.id for place in exact if place}
    return [
        (seat, place or _former(seat, [item for item in places if item.id not in taken]))
        for seat, place in zip(wanted, exact, strict=True)
    ]


def _former(seat: Seat, free: Sequence[Place]) -> Place | None:
    """The row that is handed on when the contact becomes somebody else, so that hand edits survive.

    What is final or withdrawn is not: that was a message to the one before. A deleted one is: it is
    the contact's message that a person did not want.
    """
    if seat.role is not SeatRole.CONTACT:
        return None
    same = [item for item in free if (item.message_type, item.role) == (seat.message_type, seat.role)]
    heirs = [item for item in same if not item.is_withdrawn and not (item.job and item.job.is_final)]
    return min(reversed(heirs), key=lambda item: item.is_gone, default=None)


def _withdrawn(places: Sequence[Place]) -> Iterator[Step]:
    """What nobody wants any more; what has ended or was closed by hand stays as history."""
    for place in places:
        job = place.job
        if job is None or job.is_deleted or job.is_final or job.is_closed_by_hand:
            continue
        if job.is_waiting or job.is_closed or job.status is JobStatus.BLOCKED:
            yield Step(Does.WITHDRAW, place, planned_at=place.planned_at)


# What becomes of one pair -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    event: EventView
    preferences: Preferences
    now: datetime

    def step(self, seat: Seat, place: Place | None) -> Step | None:
        if place is None or (place.is_withdrawn and place.job is None):
            return self._new(seat, place)
        job = place.job
        if place.is_gone or job is None or (job.is_final and not job.is_deleted):
            return None
        if job.is_deleted and self._is_settled(seat):
            return None
        return self._finished(seat, place, job, self._decided(seat, place, job))

    def _new(self, seat: Seat, place: Place | None) -> Step | None:
        """One whose time has passed is made as long as the event is ahead: it can still be sent by hand."""
        at = self._at(seat)
        is_past = at <= self.now
        if self._is_settled(seat) or (is_past and self.event.starts_at <= self.now):
            return None
        return Step(
            Does.CREATE,
            place,
            seat,
            planned_at=at,
            written=self._wording(seat),
            at=at,
            closed=Reason.IN_THE_PAST if is_past else None,
            wording=self._wording(seat),
        )

    def _decided(self, seat: Seat, place: Place, job: Standing) -> Step:
        """What is done to time and status; names and addresses come after that."""
        stays = Step(Does.FOLLOW, place, seat, planned_at=place.planned_at)
        if job.at is None or job.is_final or job.is_closed_by_hand:
            return stays
        if self._is_settled(seat):
            return self._settled(stays, place, job)
        if job.is_closed_by_planner:
            return self._opened(stays, place, job)
        if not job.is_waiting:
            return self._again(stays, place, seat)
        return self._moved(stays, place, job, seat)

    def _settled(self, stays: Step, place: Place, job: Standing) -> Step:
        """There is nothing left to ask for; a job that ended by a run keeps its end."""
        is_closed = job.reason == Reason.HAS_LOAD_IN_TIME and not job.is_waiting
        has_ended = not (job.is_waiting or job.is_closed or job.status is JobStatus.BLOCKED)
        if is_closed or has_ended:
            return stays
        return _closed(stays, place, job, Reason.HAS_LOAD_IN_TIME)

    def _opened(self, stays: Step, place: Place, job: Standing) -> Step:
        """What the planner closed opens as soon as its time is to come: a hand-set one if it had one."""
        wanted = self._at(stays.seat)
        has_own = job.reason == Reason.HAS_LOAD_IN_TIME and place.is_moved and _is_after(job.at, self.now)
        at, planned_at = (job.at, place.planned_at) if has_own else (wanted, wanted)
        if _is_after(at, self.now):
            return replace(
                stays, does=Does.OPEN, at=at, planned_at=planned_at, is_paused=place.resumes_paused
            )
        if job.reason == Reason.IN_THE_PAST:
            return stays
        return _closed(replace(stays, at=wanted), place, job, Reason.IN_THE_PAST)

    def _again(self, stays: Step, place: Place, seat: Seat) -> Step:
        """What ended otherwise than sent stays, unless the event is moved to a time to come."""
        wanted = self._at(seat)
        if wanted == place.planned_at or wanted <= self.now:
            return stays
        return replace(stays, does=Does.OPEN, at=wanted, planned_at=wanted)

    def _moved(self, stays: Step, place: Place, job: Standing, seat: Seat) -> Step:
        wanted = self._at(seat)
        # The time that a person gave is over if it passed while the job was withdrawn.
        if place.is_moved and (not job.is_deleted or _is_after(job.at, self.now)):
            return stays
        if wanted > self.now:
            is_there = wanted == job.at
            return stays if is_there else replace(stays, does=Does.MOVE, at=wanted, planned_at=wanted)
        if wanted == place.planned_at and not job.is_deleted:
            return stays
        return _closed(replace(stays, at=wanted), place, job, Reason.IN_THE_PAST)

    def _finished(self, seat: Seat, place: Place, job: Standing, step: Step) -> Step | None:
        """The step with the names and addresses that follow; None when nothing at all is to change."""
        new = self._wording(seat)
        wording, written = _followed(new, place.written, job.wording), _given(new, place.written, job.wording)
        step = replace(
            step,
            written=written,
            revives=job.is_deleted,
            wording=wording if wording != job.wording else None,
            readdresses=not place.is_readdressed and (job.recipient or None) != seat.recipient,
        )
        is_same = (place.address, place.role, place.written) == (seat.address, seat.role, written)
        is_idle = step.does is Does.FOLLOW and step.wording is None and not step.readdresses
        return None if is_idle and is_same and not step.revives else step

    def _wording(self, seat: Seat) -> Wording:
        name = naming.job_name(self.event, seat.message_type)
        return Wording(name, naming.subject_of(self.event), self.event.timezone)

    def _at(self, seat: Seat | None) -> datetime:
        preference = self.preferences.types[seat.message_type if seat else MessageType.INIT]
        return timing(self.event, preference, self.preferences.weekend_rule).at

    def _is_settled(self, seat: Seat) -> bool:
        return seat.message_type is MessageType.INIT and self.event.load_in_at is not None


def _closed(stays: Step, place: Place, job: Standing, reason: Reason) -> Step:
    """Its time stays what it was, so that one which a person gave can still be told from the planner's."""
    is_paused = job.status is JobStatus.PAUSED or (job.is_closed and place.resumes_paused)
    return replace(stays, does=Does.CLOSE, closed=reason, is_paused=is_paused)


def _followed(new: Wording, written: Wording, stands: Wording) -> Wording:
    """Each part of the wording follows the event unless a person has changed it."""
    return Wording(
        name=new.name if stands.name == written.name else stands.name,
        subject=new.subject if stands.subject == written.subject else stands.subject,
        timezone=new.timezone if stands.timezone == written.timezone else stands.timezone,
    )


def _given(new: Wording, written: Wording, stands: Wording) -> Wording:
    """What the planner has given last: a part that a person has changed was not given anew."""
    return Wording(
        name=new.name if stands.name == written.name else written.name,
        subject=new.subject if stands.subject == written.subject else written.subject,
        timezone=new.timezone if stands.timezone == written.timezone else written.timezone,
    )


def _is_after(at: datetime | None, now: datetime) -> bool:
    return at is not None and at > now
