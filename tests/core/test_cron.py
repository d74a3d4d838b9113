"""Where a cron expression goes wrong, and that what is accepted is searched as cronsim means it."""

import re
from datetime import UTC, datetime
from itertools import islice

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.core.cron import Regular, check_cron, mistake, regular, times
from console.core.cron_mistake import LONGEST
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.schedule import describe, parse

START = datetime(2024, 1, 1, tzinfo=UTC)

MISTAKES = [
    ("15 25 * * *", "hour “25” at character 4: must lie between 0 and 23"),
    ("61 * * * *", "minute “61” at character 1: must lie between 0 and 59"),
    ("  61   *  * * *", "minute “61” at character 1: must lie between 0 and 59"),
    ("0 0 0 * *", "day of month “0” at character 5: must lie between 1 and 31"),
    ("0 0 * 13 *", "month “13” at character 7: must lie between 1 and 12"),
    ("0 0 * * 8", "weekday “8” at character 9: must lie between 0 and 7"),
    ("0 0 * * 1-9", "weekday “9” at character 11: must lie between 0 and 7"),
    ("0 8,25,9 * * *", "hour “25” at character 5: must lie between 0 and 23"),
    ("0 9-5 * * *", "hour “9-5” at character 3: must run from the lower value to the higher one"),
    (
        "0 0 * * FRI-SUN",
        "weekday “FRI-SUN” at character 9: must run from the lower value to the higher one; "
        "Sunday at its end is 7",
    ),
    ("*/0 * * * *", "minute “0” at character 3: after / stands a whole number of 1 or more, such as */15"),
    ("*/ * * * *", "minute at character 3: after / stands a whole number of 1 or more, such as */15"),
    (
        "*/5/2 * * * *",
        "minute “5/2” at character 3: after / stands a whole number of 1 or more, such as */15",
    ),
    ("1,,2 * * * *", "minute at character 3: must be a number from 0 to 59"),
    ("-5 * * * *", "minute at character 1: must be a number from 0 to 59"),
    ("a * * * *", "minute “a” at character 1: must be a number from 0 to 59"),
    ("\uff11 * * * *", "minute “\uff11” at character 1: must be a number from 0 to 59"),
    ("0 0 * MON *", "month “MON” at character 7: must be a number from 1 to 12 or a name such as FEB"),
    ("0 0 * * JAN", "weekday “JAN” at character 9: must be a number from 0 to 7 or a name such as MON"),
    ("0 0 L-3 * *", "day of month “L” at character 5: must be a number from 1 to 31"),
    ("0 L * * *", "hour “L” at character 3: must be a number from 0 to 23"),
    (
        "0 0 * * MON#6",
        "weekday “6” at character 13: after # stands a number from 1 to 5, "
        "such as MON#2 for the second Monday",
    ),
    (
        "0 0 * * L",
        "weekday “L” at character 9: before L stands the number of the weekday, "
        "such as 5L for the last Friday",
    ),
    ("0 0 * *", "weekday at character 8: is missing; the five fields are {fields}"),
    ("*", "hour at character 2: is missing; the five fields are {fields}"),
    ("", "minute at character 1: is missing; the five fields are {fields}"),
    ("0 15 9 * * *", "“*” at character 12: is too much; the five fields are {fields}"),
    ("15 9 * * * root run", "“root run” at character 12: is too much; the five fields are {fields}"),
    (f"{'1,' * 98}1 * * * *", "“* * *” at character 201: is too much; 200 characters are enough"),
    (f"{'9' * 202}", "“99” at character 201: is too much; 200 characters are enough"),
    ("@daily", "minute “@daily” at character 1: must be a number from 0 to 59"),
]
FIELDS = "minute, hour, day of month, month, weekday"


@pytest.mark.parametrize(("expression", "words"), MISTAKES)
def test_a_mistake_is_refused_with_its_place(expression: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_cron(expression)
    wanted = words.format(fields=FIELDS)
    assert caught.value.fields == {"cron": [wanted]}
    assert (caught.value.reason, caught.value.detail) == (Reason.INVALID_SCHEDULE, f"cron: {wanted}")


@pytest.mark.parametrize(("expression", "_"), MISTAKES)
def test_the_place_cuts_the_wrong_piece_out_of_the_normalised_expression(expression: str, _: str) -> None:
    found = mistake(expression)
    assert found is not None
    piece = " ".join(expression.split())[found.start : found.end]
    with pytest.raises(Invalid, match=f"at character {found.start + 1}: ") as caught:
        check_cron(expression)
    assert (f"“{piece}”" if piece else found.field) in caught.value.detail


TAKEN = """
    * * * * * | 5/15 * * * * | 0 0 L * * | 0 0 LW * * | 0 0 1-7,L */3 * | 0 0 31 2 1 | 0 0 29 2 * | 0 0 * * 5L
    0 0 * jan-mar MON-FRI | 0 0 * * mon#2 | 0 0 * * 0-7 | 0 0 * * 6-7/2 | 0 0 L/2 * * | 0 0 * * SAT-7
"""


@pytest.mark.parametrize("expression", TAKEN.replace("\n", "|").strip("| ").split("|"))
def test_what_cron_takes_is_taken(expression: str) -> None:
    check_cron(expression)
    assert mistake(expression) is None


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 31 2 *",
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "0 0 30,31 2 */2",
        "0 0 */31 * MON#5",
        "* * */31 * 5L,MON#5",
    ],
)
def test_a_date_that_never_comes_is_refused_with_what_to_do_instead(expression: str) -> None:
    assert mistake(expression) is None
    with pytest.raises(Invalid) as caught:
        check_cron(expression)
    assert caught.value.reason is Reason.NEVER_FIRES
    assert caught.value.fields == {"cron": ["this never fires; make the job manual"]}


NUMBERS = st.one_of(st.integers(0, 61).map(str), st.sampled_from(["00", "07", "99999999999999999999", "²"]))
VALUES = st.one_of(
    NUMBERS, NUMBERS, st.sampled_from(["*", "*", "MON", "sun", "JAN", "\u017fun", "L", "LW", "5L", ""])
)
TERMS = st.one_of(
    VALUES,
    st.builds("{}-{}".format, VALUES, VALUES),
    st.builds("{}/{}".format, VALUES, NUMBERS),
    st.builds("{}-{}/{}".format, VALUES, VALUES, NUMBERS),
    st.builds("{}#{}".format, VALUES, NUMBERS),
    st.text("0123456789*/-,#LWMONJA ", max_size=6),
    st.text(max_size=3),
)
TEXTS = st.lists(st.lists(TERMS, min_size=1, max_size=3).map(",".join), min_size=4, max_size=6).map(" ".join)


@st.composite
def likely(draw: st.DrawFn) -> str:
    """Mostly right, so that the search is reached as well as the refusal."""
    ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    return " ".join(draw(st.one_of(st.just("*"), _field(*span), _field(*span))) for span in ranges)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    steps = st.builds("{}/{}".format, st.one_of(st.just("*"), span, number), st.integers(1, high))
    nth = st.builds("{}#{}".format, number, st.integers(1, 5)) if high == 7 else st.just("L")
    return st.lists(st.one_of(number.map(str), span, steps, nth), min_size=1, max_size=3).map(",".join)


def is_read(expression: str) -> bool:
    """Whether cronsim takes the expression, or would if a month of its had more days."""
    parts = expression.split()
    if len(parts) != 5:
        return False
    minute, hour, day, month, weekday = parts
    try:
        CronSim(f"{minute} {hour} * {month} {weekday}", START)
        CronSim(f"{minute} {hour} {day} * {weekday}", START)
    except CronSimError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(expression=st.one_of(TEXTS, likely()))
@example("0 0 * * 5-7L")
@example("0 0 * * L#1")
@example("0 0 L/2 * *")
@example("0 0 * * */2L")
@example("0 0 * * 1#2/3")
def test_a_mistake_is_found_exactly_where_cronsim_refuses(expression: str) -> None:
    is_short = len(" ".join(expression.split())) <= LONGEST
    assert (mistake(expression) is None) == (is_short and is_read(expression))


@settings(max_examples=100, deadline=None)
@given(expression=st.text(max_size=300))
def test_any_text_is_either_taken_or_refused(expression: str) -> None:
    found = mistake(expression)
    length = len(" ".join(expression.split()))
    assert found is None or 0 <= found.start <= found.end <= length


@settings(max_examples=60, deadline=None)
@given(expression=likely())
def test_the_walls_are_those_that_cronsim_finds_where_clocks_never_jump(expression: str) -> None:
    try:
        theirs = list(islice(CronSim(expression, START), 5)) if is_read(expression) else []
    except CronSimError:
        theirs = []
    if not theirs:
        return
    wall, ours = START, []
    for _ in theirs:
        following = times(expression).after(wall)
        assert following is not None
        wall = following
        ours.append(wall)
    assert ours == theirs
    assert all(times(expression).has(wall) for wall in ours)


@settings(max_examples=60, deadline=None)
@given(expression=likely())
def test_whatever_is_taken_has_words_with_proper_ordinals(expression: str) -> None:
    try:
        words = describe(parse({"type": "cron", "cron": expression}))
    except Invalid:
        return
    assert words
    assert not re.search(r"(?<!1)[123]th", words)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("15 9 * * *", Regular(9, 15)),
        ("05 09 * * *", Regular(9, 5)),
        ("0 8 * * 1", Regular(8, 0, weekday=0)),
        ("0 8 * * sun", Regular(8, 0, weekday=6)),
        ("0 8 * * 7", Regular(8, 0, weekday=6)),
        ("0 8 3 * *", Regular(8, 0, day=3)),
        ("0 8 3 * 1", None),
        ("0 8 3 1 *", None),
        ("0 8 * * 1-5", None),
        ("0,30 8 * * *", None),
        ("* 8 * * *", None),
        ("0 8 L * *", None),
        ("0 8 * * MON#1", None),
    ],
)
def test_one_time_a_day_a_week_or_a_month_is_recognised(expression: str, found: Regular | None) -> None:
    assert regular(expression) == found
