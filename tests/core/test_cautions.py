"""What is said before saving, and never refused."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.core.cautions import CautionCode, same_minute, too_often
from console.core.schedule import parse
from console.core.slots import Slot, slots

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2027, 3, 13, 12, tzinfo=UTC)


def often(shape: dict[str, object]) -> str | None:
    caution = too_often(parse(shape), NEW_YORK, NOW)
    assert caution is None or caution.code is CautionCode.TOO_OFTEN
    return caution.text if caution else None


@pytest.mark.parametrize(
    ("shape", "gap"),
    [
        ({"type": "interval", "every_seconds": 1}, "1 s"),
        ({"type": "interval", "every_seconds": 299}, "4 min 59 s"),
        ({"type": "cron", "cron": "* * * * *"}, "1 min"),
        ({"type": "cron", "cron": "*/4 * * * *"}, "4 min"),
        ({"type": "cron", "cron": "0,2 9 1 1 *"}, "2 min"),
        ({"type": "cron", "cron": "0,58 * * * *"}, "2 min"),
        ({"type": "cron", "cron": "0,59 0,23 * * 6,0"}, "1 min"),
    ],
)
def test_slots_less_than_five_minutes_apart_are_pointed_out(shape: dict[str, object], gap: str) -> None:
    assert (often(shape) or "").startswith(f"Slots come as little as {gap} apart;")


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "interval", "every_seconds": 300},
        {"type": "cron", "cron": "*/5 * * * *"},
        {"type": "daily", "hour": 9, "minute": 0},
        # Two minutes apart on the day on which clocks go forward, and on that day alone.
        {"type": "cron", "cron": "58 1,2 * * *"},
        {"type": "once", "at": NOW},
        {"type": "manual"},
    ],
)
def test_five_minutes_are_enough(shape: dict[str, object]) -> None:
    assert often(shape) is None


def nine_o_clock() -> list[Slot]:
    daily = parse({"type": "daily", "hour": 9, "minute": 0})
    return slots(daily, NEW_YORK, datetime(2027, 3, 13, 14, tzinfo=UTC), 5)


def test_other_jobs_due_in_the_same_minute_are_named_with_the_first_meeting() -> None:
    second = datetime(2027, 3, 14, 13, 0, 59, tzinfo=UTC)
    others = [("Digest", [second + timedelta(days=1), second]), ("Report", [second + timedelta(minutes=1)])]
    caution = same_minute(nine_o_clock(), others)
    assert caution is not None
    assert caution.code is CautionCode.SAME_MINUTE
    assert caution.text == "Due in the same minute, of the same task: “Digest” on 14 March 2027 at 09:00."


def test_more_than_three_others_are_counted() -> None:
    at = nine_o_clock()[0].at
    caution = same_minute(nine_o_clock(), [(name, [at]) for name in "ABCDE"])
    assert caution is not None
    assert caution.text.endswith("“C” on 13 March 2027 at 09:00 and 2 more.")


def test_nothing_is_said_when_no_minute_is_shared() -> None:
    assert same_minute(nine_o_clock(), [("Digest", [NOW])]) is None
    assert same_minute([], [("Digest", [NOW])]) is None
