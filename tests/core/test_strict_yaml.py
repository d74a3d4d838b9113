"""YAML is read alike by everyone, or not at all."""

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from console.core.strict_yaml import Inline, Node, Unreadable, dump, parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def plain(node: Node) -> Any:
    assert node.doubt is None, node
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {name: plain(item) for name, item in node.value.items()}
    return node.value


@given(VALUES)
def test_what_is_written_is_read_again_without_a_doubt(value: Any) -> None:
    assert plain(parse(dump(value))) == value


@given(TEXTS)
def test_what_is_written_is_read_by_others_too(text: str) -> None:
    assert yaml.safe_load(dump({"text": text, "inline": Inline(text=text)})) == {
        "text": text,
        "inline": {"text": text},
    }


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except Unreadable as error:
        assert error.mistakes


@pytest.mark.parametrize(
    "word", "on Off yes NO 9:15 010 08 0x1F 0o17 1e5 1_000 +5 .5 .inf .nan 2030-01-31 = <<".split()
)
def test_a_word_that_could_be_two_things_is_doubtful_and_in_quotes_a_text(word: str) -> None:
    node = parse(f"a: {word}").value["a"]  # type: ignore[index, call-overload]
    assert node.value == word
    assert "in quotes" in node.doubt
    assert parse(f"a: '{word}'").value["a"] == Node(word, 1)  # type: ignore[index, call-overload]
    assert yaml.safe_load(dump(word)) == word


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("-3", -3),
        ("1.5", 1.5),
        ("5 4 * * 1", "5 4 * * 1"),
    ],
)
def test_what_all_agree_on_is_taken(word: str, value: object) -> None:
    assert parse(word) == Node(value, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["line 1, column 1: the file is empty"]),
        (
            "a: [1\nb: 2",
            ["line 2, column 2: did not find expected ',' or ']' while parsing a flow sequence that begins"],
        ),
        ("a: b: c", ["line 1, column 5: mapping values are not allowed in this context"]),
        ("a: 1\na: 2\nb: 1\nb: 2", ["line 2, column 1: a stands twice", "line 4, column 1: b stands twice"]),
        ("a: &x 1\nb: *x", ["line 1, column 4: anchors", "line 2, column 4: aliases"]),
        ("a: !!python/object/apply:os.system [ls]", ["line 1, column 4: tags"]),
        ("--- 1\n--- 2", ["line 2, column 1: a second document"]),
        ("? [1]\n: 2", ["line 1, column 3: a name must be one word or text"]),
        ("x: 1\ny: \x07", ["line 2, column 4: holds U+0007"]),
        ("x: \ud800", ["half a character"]),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, mistakes: list[str]) -> None:
    with pytest.raises(Unreadable) as error:
        parse(text)
    assert [said for said in mistakes if said not in str(error.value)] == []
    assert len(error.value.mistakes) == len(mistakes)


def test_an_escaped_nul_is_doubtful() -> None:
    assert "NUL" in str(parse('a: "\\0"').value["a"].doubt)  # type: ignore[index, call-overload]


@pytest.mark.parametrize("text", ["[" * 200_000, "{" * 200_000, "- " * 100_000, "? " * 100_000])
def test_a_deep_nest_is_refused_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(Unreadable, match="more than 50 levels"):
        parse(text)
    assert time.process_time() - begun < 2


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(Unreadable, match="anchors"):
        parse("\n".join(lines))
