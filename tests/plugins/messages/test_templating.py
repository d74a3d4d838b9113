"""What a template may hold, and that whoever writes one can write text and no program."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.plugins.messages import templating
from console.plugins.messages.default_templates import DEFAULTS
from console.plugins.messages.templating import FILTERS, LONGEST, LONGEST_RENDERED, Words, check, render
from console.plugins.messages.variables import EXAMPLES, VARIABLES, values_of
from console.plugins.messages.views import PLANNED, EventView

REFERENCE = Path(__file__).parents[3] / "docs/reference/templates.md"
FINE = Words("About {{ event_name }}", "Hello {{ recipient_name }}")
EVENT = EventView(
    id=uuid4(),
    name="Peer Gynt",
    venue="Main Stage",
    starts_at=datetime(2026, 11, 28, 19, 30, tzinfo=UTC),
    load_in_at=None,
    timezone="Asia/Tokyo",
    contact_name="Ana Marsh",
    contact_email="Ana@northside.example",
    crew=("crew@northside.example",),
    revision=1,
    changed_at=datetime(2026, 11, 1, tzinfo=UTC),
)


def refusal(source: str, field: str = "text") -> str:
    with pytest.raises(Invalid) as caught:
        check(replace(FINE, **{field: source}))
    assert set(caught.value.fields) == {field}
    return "; ".join(caught.value.fields[field])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Hi\n{{ event_nam }}", "line 2: there is no variable “event_nam”; did you mean event_name?"),
        ("{{ event.name }}", "line 1: event.name: a variable has no parts; write {{ event_name }}"),
        ("{{ venue.__class__.__mro__ }}", "a variable has no parts"),
        ("{{ ''.__class__ }}", "a variable has no parts"),
        ("{{ venue['__class__'] }}", "a variable has no parts"),
        ("{{ venue[0:3] }}", "a variable has no parts"),
        ("{{ venue|attr('__class__') }}", "there is no filter “attr”"),
        ("{{ venue|replace('a', 'aaaaaaaa') }}", "there is no filter “replace”"),
        ("{{ venue|uper }}", "there is no filter “uper”; did you mean upper?"),
        ("{{ venue|default }}", 'write |default("text")'),
        ("{{ venue|upper(3) }}", "write |upper without anything in brackets"),
        ("{% for x in venue %}{{ x }}{% endfor %}", "nothing can be repeated"),
        ("{{ range(9999999) }}", "nothing can be called"),
        ("{{ self._TemplateReference__context }}", "a variable has no parts"),
        ("{{ lipsum }}", "there is no variable “lipsum”"),
        ("{{ 'x' * 99999999 }}", "nothing can be computed"),
        ("{{ venue ~ venue }}", "nothing can be computed"),
        ("{{ -venue }}", "nothing can be computed"),
        ("{{ 5 }}", "5 can't stand here; put text in quotes"),
        ("{{ venue, venue }}", "can't be used here"),
        ("{{ [venue] }}", "can't be used here"),
        ("{{ venue if venue else 'x' }}", "choose with {% if venue %}"),
        ("{% if venue is defined %}x{% endif %}", "choose with {% if venue %}"),
        ("{% if venue < 'x' %}x{% endif %}", "compare two things with ==, !=, in or not in"),
        ("{% set x = venue %}", "nothing can be set"),
        ("{% with x = venue %}{% endwith %}", "nothing can be set"),
        ("{% macro x() %}{% endmacro %}", "no part can be named"),
        ("{% block x %}{% endblock %}", "no part can be named"),
        ("{% filter upper %}x{% endfilter %}", "put the filter behind a variable"),
        ("{% include 'base.html' %}", "write the other text here"),
        ("{% import 'base.html' as x %}", "write the other text here"),
        ("{% extends 'base.html' %}", "write the other text here"),
        ("{% autoescape false %}{{ venue }}{% endautoescape %}", "can't be used here"),
        ("one\ntwo\n{% if venue %}", "line 3: something is not closed"),
        ("{{ event name }}", "between {{ and }} stands one variable"),
        ("{% foo %}", "there are if, elif, else and endif"),
        ("{{ venue }", "line 1: can't be read"),
        ("a\nb\x00c", "line 2: has a control character"),
        ("  \n", "is missing; write it"),
        ("x" * (LONGEST["text"] + 1), "up to 20,000 characters; these are 20,001"),
        ("{{ " + "not " * 500 + "venue }}", "go deeper than 20 levels"),
        ("{{" + "(" * 5000 + "venue" + ")" * 5000 + "}}", "go deeper than 20 levels"),
        ("{% if venue %}" * 700 + "{% endif %}" * 700, "go deeper than 20 levels"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line_and_what_to_write_instead(source: str, said: str) -> None:
    """At once, that is, whatever else the machine does: this counts the time of this thread alone."""
    begun = time.thread_time()
    assert said in refusal(source)
    assert time.thread_time() - begun < 10


def test_each_part_is_refused_by_its_own_name_and_all_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        check(Words("{{ a_b }}", "{{ venu }}\n{{ 1 }}", "{% for %}"))
    assert set(caught.value.fields) == {"subject", "text", "html"}
    assert len(caught.value.fields["text"]) == 2
    assert refusal("one\ntwo", "subject") == "one line, please"
    assert "up to 200 characters" in refusal("x" * 201, "subject")


def test_text_variables_choices_and_filters_are_filled_in() -> None:
    words = Words(
        "{{ event_name|upper }}: {{ event_time }}",
        "{# for us #}At {{ contact_name|trim|default('nobody')|title }}\n"
        "{% if load_in_known %}\nknown\n{% elif 'Stage' in venue or venue != 'x' %}\nopen\n"
        "{% else %}\nno\n{% endif %}\n{% raw %}{{ as it is }}{% endraw %}\n",
    )
    check(words)
    made = render(words, values_of(EVENT, recipient="x@y.example", org_name="North"))
    assert made.subject == "PEER GYNT: 04:30"
    assert made.text == "At Ana Marsh\nopen\n{{ as it is }}"
    assert made.html is None
    nobody = replace(EVENT, contact_name=" ")
    assert render(words, values_of(nobody, recipient="", org_name="")).text.startswith("At Nobody\n")


def test_only_the_html_is_escaped() -> None:
    words = Words("{{ event_name }}", "{{ event_name }}", "<b>{{ event_name }}</b>{{ '<i>' }}")
    made = render(words, values_of(replace(EVENT, name="<a> & b"), recipient="", org_name=""))
    assert (made.subject, made.text) == ("<a> & b", "<a> & b")
    assert made.html == "<b>&lt;a&gt; &amp; b</b>&lt;i&gt;"


def test_values_are_of_the_events_zone_and_of_whom_it_goes_to() -> None:
    values = values_of(EVENT, recipient="ana@northside.example", org_name="North")
    assert set(values) == set(EXAMPLES) == {variable.name for variable in VARIABLES}
    assert (values["event_date"], values["event_time"]) == ("Sunday 29 November 2026", "04:30")
    assert (values["load_in_known"], values["load_in_time"]) == ("", "not known yet")
    assert values["recipient_name"] == "Ana Marsh"
    crew = values_of(EVENT, recipient="crew@northside.example", org_name="North")
    assert (crew["recipient_name"], crew["contact_name"]) == ("", "Ana Marsh")
    known = replace(EVENT, load_in_at=datetime(2026, 11, 28, 3, 0, tzinfo=UTC))
    values = values_of(known, recipient="", org_name="")
    assert (values["load_in_known"], values["load_in_time"]) == ("yes", "12:00")
    alone = values_of(None, recipient="a@b.example", org_name="North")
    assert (alone["event_known"], alone["event_name"], alone["recipient"]) == ("", "", "a@b.example")
    odd = values_of(replace(EVENT, name="Peer\r\nBcc: x@y.example"), recipient="", org_name="")
    assert odd["event_name"] == "Peer Bcc: x@y.example"


@pytest.mark.parametrize("message_type", PLANNED)
def test_the_built_in_templates_say_all_that_matters_whatever_is_known(message_type: str) -> None:
    words = DEFAULTS[message_type]  # type: ignore[index]
    check(words)
    assert words.tidied() == words
    bare = replace(EVENT, venue="", contact_name="", contact_email=None)
    for event in (EVENT, bare, replace(EVENT, load_in_at=EVENT.starts_at)):
        made = render(words, values_of(event, recipient="ana@northside.example", org_name="North"))
        assert "Peer Gynt" in made.subject and "29 November" in made.subject
        assert made.html is not None
        for part in (made.text, made.html):
            assert "Peer Gynt" in part and "North" in part
            assert "{{" not in part and "{%" not in part and " ," not in part and "\n\n\n" not in part


def test_a_message_that_is_left_without_words_or_becomes_far_too_long_is_refused() -> None:
    some = {**EXAMPLES, "load_in_known": "", "venue": "x" * 200}
    with pytest.raises(Invalid) as caught:
        render(replace(FINE, text="{% if load_in_known %}x{% endif %}"), some)
    assert caught.value.fields == {
        "text": ["nothing is left of it for this message; write words outside of {% if %}"]
    }
    with pytest.raises(Invalid) as caught:
        render(replace(FINE, html="{{ venue }}" * 5000), some)
    assert f"longer than {LONGEST_RENDERED['html']}" in caught.value.detail


def test_what_was_stored_in_another_time_is_checked_again_before_it_is_rendered() -> None:
    with pytest.raises(Invalid) as caught:
        render(replace(FINE, text="{{ former_name }}"), EXAMPLES)
    assert "there is no variable “former_name”" in caught.value.fields["text"][0]


@given(st.text(alphabet="{}%# venueif()[].'\"|~-\n1", max_size=60))
def test_whatever_is_typed_is_either_refused_by_name_or_rendered(source: str) -> None:
    words = Words("x", source).tidied()
    try:
        check(words)
    except Invalid as error:
        assert set(error.fields) == {"text"}
        return
    assert len(render(replace(words, text="x" + words.text), EXAMPLES).text) <= LONGEST_RENDERED["text"]


def test_every_variable_and_filter_is_documented_in_its_own_words_and_no_other() -> None:
    text = REFERENCE.read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", text, re.M)
    assert [row for row in rows if row[0] in EXAMPLES] == [
        (variable.name, variable.text, variable.example) for variable in VARIABLES
    ]
    assert {name for name, *_ in rows} - set(EXAMPLES) == set(FILTERS)
    for count in (*LONGEST.values(), templating.DEEPEST):
        assert f"{count:,}" in text
