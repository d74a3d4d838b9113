"""What is documented is what there is."""

import re
from pathlib import Path

import click
import pytest

from console.cli import _console
from console.core.reasons import Reason
from console.core.settings import Environment

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
README = DOCS.parent / "README.md"


def test_every_setting_is_documented_and_no_other() -> None:
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", (DOCS / "reference/settings.md").read_text(), re.M))
    assert named == {str(field.validation_alias) for field in Environment.model_fields.values()}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_documented_in_its_own_words(reason: Reason) -> None:
    text = (DOCS / "reference/reasons.md").read_text()
    assert f"| `{reason}` | {reason.text} | {reason.advice} |" in text


def commands(of: click.Command, path: str = "") -> list[str]:
    if isinstance(of, click.Group):
        return [name for key, item in of.commands.items() for name in commands(item, f"{path} {key}")]
    return [] if of.hidden else [path.strip()]


def test_every_command_is_documented() -> None:
    text = (DOCS / "reference/cli.md").read_text()
    assert [name for name in commands(_console()) if f"`{name}" not in text] == []


@pytest.mark.parametrize("page", [README, *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.name)
def test_every_link_within_the_docs_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
