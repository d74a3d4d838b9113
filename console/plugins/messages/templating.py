"""The words of a message: text with variables and conditions; nothing in it loops, calls or reaches further.

A template passes twice: the tree that Jinja reads must consist of the few kinds of nodes listed here, and
what is left runs in Jinja's sandbox. So whoever may write templates can write text, and no program.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from console.core.errors import Invalid
from console.core.names import suggest
from console.plugins.messages.variables import EXAMPLES, VARIABLES

LONGEST = {"subject": 200, "text": 20_000, "html": 60_000}
LONGEST_RENDERED = {"subject": 1_000, "text": 40_000, "html": 120_000}
"""Whatever the variables bring along, the run that keeps what it sent stays below its 1 MiB."""
DEEPEST = 20
SHOWN_FAULTS = 5
NAMES = tuple(variable.name for variable in VARIABLES)
FILTERS: dict[str, Callable[..., str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "trim": str.strip,
    "default": lambda value, instead: value or instead,
}
COMPARISONS = ("eq", "ne", "in", "notin")
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.If,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
)
CHOOSE = "choose with {% if venue %}…{% else %}…{% endif %}"
REFUSED: tuple[tuple[tuple[type[nodes.Node], ...], str], ...] = (
    ((nodes.For,), "nothing can be repeated; write each line as it shall stand"),
    ((nodes.Call, nodes.CallBlock), "nothing can be called; write a variable such as {{ event_name }}"),
    ((nodes.Getattr, nodes.Getitem, nodes.Slice), "a variable has no parts; write {{ event_name }}"),
    ((nodes.Concat, nodes.BinExpr, nodes.UnaryExpr), "nothing can be computed; write what shall stand there"),
    ((nodes.CondExpr, nodes.Test), CHOOSE),
    ((nodes.Assign, nodes.AssignBlock, nodes.With), "nothing can be set; use the variables as they are"),
    ((nodes.FilterBlock,), "put the filter behind a variable: {{ event_name|upper }}"),
    ((nodes.Macro, nodes.Block), "no part can be named; write the text here"),
    ((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends), "write the other text here"),
)


class HasWords(Protocol):
    """What has a subject, a text and HTML, which is empty when there is none."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str: ...


@dataclass(frozen=True)
class Words:
    """The three parts of a template as somebody wrote them."""

    subject: str
    text: str
    html: str = ""

    def tidied(self) -> "Words":
        """The same with plain line ends, and without blanks around the subject."""
        plain = replace(self, text=_plain(self.text), html=_plain(self.html) if self.html.strip() else "")
        return replace(plain, subject=self.subject.strip())


@dataclass(frozen=True)
class Rendered:
    """A message with its variables filled in; the subject is one line, `html` is None without any."""

    subject: str
    text: str
    html: str | None


@dataclass(frozen=True)
class Fault:
    """What is wrong with a template, in which line, counted from 1."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class BadTemplate(Exception):
    """A part of a template can't be used; `faults` say where and why."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


def check(words: HasWords) -> None:
    """Raises `Invalid` that names `subject`, `text` and `html`, each with what is wrong in which line."""
    wrong = {field: texts for field, source in _parts(words) if (texts := wrong_in(field, source))}
    if not wrong:
        return
    said = "; ".join(f"{field}: {'; '.join(texts)}" for field, texts in wrong.items())
    raise Invalid(said, fields=wrong)


def render(words: HasWords, values: Mapping[str, str]) -> Rendered:
    """The message with these values, of which each variable needs one.

    Raises `Invalid` that names the part, for a template that can't be used or a message without words.
    """
    made = {field: _rendered(field, source, values) for field, source in _parts(words)}
    subject = " ".join(made["subject"].split())
    for field, text in (("subject", subject), ("text", made["text"].strip())):
        if not text:
            raise _invalid(field, "nothing is left of it for this message; write words outside of {% if %}")
    return Rendered(subject, made["text"], made["html"] if words.html.strip() else None)


def _parts(words: HasWords) -> tuple[tuple[str, str], ...]:
    return ("subject", words.subject), ("text", words.text), ("html", words.html)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Rendering -----------------------------------------------------------------------------------------


def _environment(is_html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        autoescape=is_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters, made.tests, made.globals = dict(FILTERS), {}, {}
    return made


_ENVIRONMENTS = {is_html: _environment(is_html) for is_html in (False, True)}


def _rendered(field: str, source: str, values: Mapping[str, str]) -> str:
    try:
        text = _compiled(source, field == "html").render(values)
    except (BadTemplate, TemplateError) as error:
        raise _invalid(field, str(error)) from error
    if len(text) > LONGEST_RENDERED[field]:
        raise _invalid(field, f"with its variables filled in it is longer than {LONGEST_RENDERED[field]}")
    return text


def _invalid(field: str, word: str) -> Invalid:
    return Invalid(f"{field}: {word}", fields={field: [word]})


@lru_cache(maxsize=512)
def _compiled(source: str, is_html: bool) -> Template:
    """The template, once it is known to be harmless; raises `BadTemplate`."""
    environment = _ENVIRONMENTS[is_html]
    try:
        tree = environment.parse(source)
        faults = list(_faults(tree))
    except TemplateSyntaxError as error:
        raise BadTemplate([Fault(error.lineno, _said(error.message or ""))]) from error
    except RecursionError as error:
        raise BadTemplate([_too_deep(1)]) from error
    if faults:
        raise BadTemplate(faults)
    return environment.from_string(source)


# Checking ------------------------------------------------------------------------------------------


def wrong_in(field: str, source: str) -> list[str]:
    """What is wrong with the part that is called `field`; empty when it is fit to be used."""
    if field != "html" and not source.strip():
        return ["is missing; write it"]
    if len(source) > LONGEST[field]:
        return [f"up to {LONGEST[field]:,} characters; these are {len(source):,}"]
    if field == "subject" and len(source.splitlines()) > 1:
        return ["one line, please"]
    odd = [Fault(line, "has a control character") for line, text in _lines(source) if _is_odd(text)]
    if odd:
        return [str(fault) for fault in odd[:SHOWN_FAULTS]]
    try:
        _compiled(source, field == "html").render(EXAMPLES)
    except BadTemplate as error:
        return [str(fault) for fault in error.faults[:SHOWN_FAULTS]]
    return []


def _lines(source: str) -> Iterator[tuple[int, str]]:
    return enumerate(_plain(source).split("\n"), start=1)


def _is_odd(text: str) -> bool:
    return any(unicodedata.category(sign) in ("Cc", "Cs") and sign != "\t" for sign in text)


def _faults(node: nodes.Node, line: int = 1, depth: int = 0) -> Iterator[Fault]:
    """Everything in the tree that is not allowed; below a refused node nothing else is said."""
    line = node.lineno or line
    word = _refusal(node)
    if depth > DEEPEST:
        yield _too_deep(line)
    elif word is not None:
        yield Fault(line, word)
    else:
        for child in node.iter_child_nodes():
            yield from _faults(child, line, depth + 1)


def _refusal(node: nodes.Node) -> str | None:
    """Why the node can't stand in a template, and what can in its place."""
    if isinstance(node, nodes.Name):
        return None if node.name in NAMES else _unknown(node.name, NAMES, "variable")
    if isinstance(node, nodes.Const):
        return None if isinstance(node.value, str) else f"{node.value} can't stand here; put text in quotes"
    if isinstance(node, nodes.Filter):
        return _filter_refusal(node)
    if isinstance(node, nodes.Compare) and (len(node.ops) > 1 or node.ops[0].op not in COMPARISONS):
        return "compare two things with ==, !=, in or not in"
    if isinstance(node, ALLOWED):
        return None
    named = _parts_of(node)
    return named or next((word for kinds, word in REFUSED if isinstance(node, kinds)), "can't be used here")


def _parts_of(node: nodes.Node) -> str | None:
    """`event.name` is near to `event_name`, which is what there is."""
    if not isinstance(node, nodes.Getattr) or not isinstance(node.node, nodes.Name):
        return None
    near = suggest(f"{node.node.name}_{node.attr}", NAMES, count=1)
    return f"{node.node.name}.{node.attr}: a variable has no parts; write {{{{ {(near or NAMES)[0]} }}}}"


def _filter_refusal(node: nodes.Filter) -> str | None:
    if node.name not in FILTERS:
        return _unknown(node.name, FILTERS, "filter")
    wanted = 1 if node.name == "default" else 0
    if len(node.args) != wanted or node.kwargs or node.dyn_args or node.dyn_kwargs:
        return 'write |default("text")' if wanted else f"write |{node.name} without anything in brackets"
    return None


def _unknown(name: str, known: Mapping[str, object] | tuple[str, ...], noun: str) -> str:
    near = suggest(name, known, count=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"there is no {noun} “{name[:60]}”; {hint}"


def _too_deep(line: int) -> Fault:
    return Fault(line, f"conditions and brackets go deeper than {DEEPEST} levels; write it simpler")


def _said(message: str) -> str:
    """Jinja's message, in the words of somebody who writes a letter where it is a common one."""
    if "unknown tag" in message.lower() or "does not take part" in message:
        return f"{message.rstrip('.')}; there are if, elif, else and endif"
    if "end of print statement" in message:
        return "between {{ and }} stands one variable, such as {{ event_name }}"
    if "Unexpected end of template" in message or "unexpected 'end of template'" in message:
        return "something is not closed: each {{ needs its }}, and each {% if %} its {% endif %}"
    return f"can't be read: {message.rstrip('.')}"
