"""Log lines: a sentence, an action, ids, and never a secret."""

import json
import subprocess
import sys

import pytest

from console.logs import mask_secrets

PROGRAM = """
import logging, structlog
from console import logs
logs.configure({format!r})
structlog.get_logger("here").info("A run has ended.", action="run.ended", run_id="r1", token="cb_abc")
logging.getLogger("there").warning("Connecting to %s", "postgresql://u:hunter2@h/db", extra={{"action": "x"}})
try:
    raise ValueError("password=hunter2")
except ValueError:
    logging.getLogger("there").exception("It failed")
"""


def lines(log_format: str) -> list[str]:
    program = PROGRAM.format(format=log_format)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_lines_are_objects_with_an_action_and_ids() -> None:
    found = [json.loads(line) for line in lines("json")]
    assert found[0] | {"timestamp": ""} == {
        "event": "A run has ended.",
        "action": "run.ended",
        "run_id": "r1",
        "token": "***",
        "level": "info",
        "logger": "here",
        "timestamp": "",
    }
    assert found[1]["action"] == "x"
    assert found[1]["event"] == "Connecting to postgresql://u:***@h/db"
    assert "ValueError" in found[2]["exception"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_is_written(log_format: str) -> None:
    text = "\n".join(lines(log_format))
    assert "A run has ended." in text
    assert "run.ended" in text
    assert "hunter2" not in text
    assert "cb_abc" not in text


@pytest.mark.parametrize(
    "name", ["authorization", "Password", "api_token", "client_secret", "Set-Cookie", "apikey"]
)
def test_a_value_with_a_secret_name_is_masked_at_any_depth(name: str) -> None:
    event = mask_secrets(None, "info", {"event": "Hello.", "headers": [{name: "abc", "host": "h"}]})
    assert event["headers"] == [{name: "***", "host": "h"}]


def test_a_bearer_token_in_a_sentence_is_masked() -> None:
    event = mask_secrets(None, "info", {"event": "Got Authorization: Bearer cb_a-b_c today."})
    assert "cb_a-b_c" not in event["event"]
    assert event["event"].endswith("today.")
