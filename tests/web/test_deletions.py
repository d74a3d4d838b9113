"""Delete all on the pages: counted, confirmed by its number, told, and taken back."""

import re

import pytest

from tests import factories
from tests.factories import OrgOf, one, rows

from .conftest import Visitor

AT = {"type": "once", "at": "2099-01-01T00:00:00+00:00"}


@pytest.fixture(autouse=True)
def _three(org: OrgOf) -> None:
    factories.job(org, name="A", schedule=AT)
    factories.job(org, name="B", schedule=AT, paused=True)
    factories.job(org, name="C")


def alive() -> list[str]:
    return [name for (name,) in rows("SELECT name FROM jobs WHERE deleted_at IS NULL ORDER BY name")]


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_dialog_counts_what_will_go_as_its_filters_are_chosen(operator: Visitor) -> None:
    dialog = operator.get("/fragments/deletions/new").text
    assert "3 jobs will be deleted" in words(dialog)
    assert "1 job will be deleted" in words(operator.get("/fragments/deletions/count?status=paused").text)
    assert "Nothing matches" in operator.get("/fragments/deletions/count?type=INIT").text
    narrowed = words(operator.get("/fragments/deletions/new?q=a&kind=once").text)
    assert "The table's other filters hold too: q a, kind once" in narrowed


def test_the_typed_number_deletes_and_the_notice_takes_it_back(operator: Visitor) -> None:
    answer = operator.post("/deletions", {"status": "scheduled", "number": "2"}, htmx=True)
    assert answer.status_code == 200
    assert answer.headers["HX-Retarget"] == "#notices"
    assert answer.headers["HX-Trigger-After-Settle"] == "jobs-changed"
    assert "2 jobs deleted." in words(answer.text)
    assert alive() == ["B"]
    (address,) = re.findall(r'action="(/deletions/[^"]+/undo)"', answer.text)
    back = operator.post(address, htmx=True)
    assert "2 jobs are back." in words(back.text)
    assert alive() == ["A", "B", "C"]


@pytest.mark.parametrize("number", ["", "2", "all", "-3", "3.0", "³", "3" * 5000])
def test_any_other_number_deletes_nothing_and_keeps_the_form(operator: Visitor, number: str) -> None:
    answer = operator.post("/deletions", {"number": number}, htmx=True)
    assert answer.status_code == 422
    assert "Type 3 to confirm. Nothing was deleted." in words(answer.text)
    assert f'value="{number}"' in answer.text
    assert alive() == ["A", "B", "C"]


def test_without_a_script_the_list_of_deletions_tells_and_takes_back(operator: Visitor) -> None:
    answer = operator.post("/deletions", {"number": "3"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/deletions")
    page = operator.get("/deletions").text
    assert "3 jobs deleted." in words(page)
    assert "all jobs " + operator.actor.name.replace("@", " @") in words(page)
    (address,) = re.findall(r'action="(/deletions/[^"]+/undo)"', page)
    assert operator.post(address).headers["Location"] == "/deletions"
    page = operator.get("/deletions").text
    assert "3 jobs are back." in words(page) and "/undo" not in page
    assert alive() == ["A", "B", "C"]


def test_viewers_see_what_was_deleted_and_strangers_do_not(
    operator: Visitor, viewer: Visitor, stranger: Visitor
) -> None:
    operator.post("/deletions", {"number": "3"})
    page = viewer.get("/deletions").text
    assert "3 jobs deleted." in words(page) and "/undo" not in page
    assert "Nothing was deleted" in stranger.get("/deletions").text
    deletion = one("SELECT id FROM deletions")
    address = f"/deletions/{deletion}/undo"
    assert viewer.post(address).status_code == 403
    assert stranger.post(address).status_code == 404
    assert viewer.get("/deletions/new").status_code == 403
    assert alive() == []
