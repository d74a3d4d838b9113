"""What became of the planned messages after a save, in one sentence."""

from console.plugins.messages.planner import Planned

WORDS = {
    "created": "planned",
    "moved": "moved",
    "withdrawn": "withdrawn",
    "opened": "opened again",
    "closed": "closed as skipped",
}


def became(planned: Planned) -> str:
    """`2 messages planned, 1 moved.`; that no time has changed when nothing else was done."""
    numbers = {word: getattr(planned, name) for name, word in WORDS.items()}
    said = [f"{number:,} {word}" for word, number in numbers.items() if number]
    if not said:
        return "Its messages keep their times."
    first, _, rest = said[0].partition(" ")
    noun = "message" if first == "1" else "messages"
    return f"{', '.join([f'{first} {noun} {rest}', *said[1:]])}."
