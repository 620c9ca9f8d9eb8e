"""A second set of tasks, none of whose tools the product knows: six families of one-step questions, on six
small LangChain tools that reach the agent as a user's own would.

As in the first set, references are computed from the drawn values and never with the tools, and the values
stand in the same order in the task as in its solution.
"""

import random
from typing import Any

from langchain_core.tools import BaseTool, ToolException, tool

from memento.demo.families import DemoStep, DemoTask, Family, words_of

_ELEMENTS = words_of(
    "hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminium "
    "silicon phosphorus sulfur chlorine argon potassium calcium scandium titanium vanadium chromium "
    "manganese iron cobalt nickel copper zinc gallium germanium arsenic selenium bromine krypton rubidium "
    "strontium yttrium zirconium niobium molybdenum technetium ruthenium rhodium palladium silver cadmium "
    "indium tin antimony tellurium iodine xenon caesium barium lanthanum cerium praseodymium neodymium "
    "promethium samarium europium gadolinium terbium dysprosium holmium erbium thulium ytterbium lutetium "
    "hafnium tantalum tungsten rhenium osmium iridium platinum gold mercury thallium lead bismuth"
)  # in the order of the periodic table
_FIRST = words_of(
    "Anna Boris Carol David Elena Frank Greta Hugo Irene Jonas Karin Louis Maria Nils Olga Peter"
)
_LAST = words_of("Adler Baker Cohen Duarte Evans Fischer Garcia Hansen")
_WORDS = words_of(
    "angle apple badge basin beach berry blade board brick bride bunch cabin camel candy chain chalk cliff "
    "cloud coast coral crane cream crown daisy diary dress eagle fence ferry field flame flute fruit ghost "
    "glass glove grape grass guide habit hazel honey horse hotel ivory jelly judge juice koala lemon lever "
    "lilac linen maple medal melon metal money mouse music novel ocean olive onion opera otter panda paper "
    "pearl piano pilot plant queen radio raven river robin salad scarf shark sheep shirt skirt snail spoon"
)
_POINTS = {
    letter: points
    for points, letters in {
        1: "aeilnorstu", 2: "dg", 3: "bcmp", 4: "fhvwy", 5: "k", 8: "jx", 10: "qz"
    }.items()
    for letter in letters
}  # fmt: skip
_DAY = 24 * 60


@tool
def atomic_number(element: str) -> str:
    """The atomic number of a chemical element.

    Example: atomic_number(element="iron")
    """
    return _found(element, {name: str(number) for number, name in enumerate(_ELEMENTS, start=1)}, "element")


@tool
def room_of(person: str) -> str:
    """The room in which a person works.

    Example: room_of(person="Anna Cohen")
    """
    return _found(person, {name.lower(): room for name, room in _rooms().items()}, "person")


@tool
def letter_points(word: str) -> str:
    """The points that a word makes in the letter game.

    Example: letter_points(word="quiz")
    """
    return str(sum(_POINTS.get(letter, 0) for letter in word.lower()))


@tool
def shift_letters(word: str, places: int) -> str:
    """Move each letter of a word on in the alphabet.

    Example: shift_letters(word="abc", places=2)
    """
    return "".join(
        chr((ord(letter) - ord("a") + places) % 26 + ord("a")) if "a" <= letter <= "z" else letter
        for letter in word.lower()
    )


@tool
def floor_area(length: int, width: int) -> str:
    """The area of a floor.

    Example: floor_area(length=4, width=3)
    """
    return str(length * width)


@tool
def clock_plus(time: str, minutes: int) -> str:
    """The time so many minutes later.

    Example: clock_plus(time="08:50", minutes=25)
    """
    hours, colon, rest = time.strip().partition(":")
    if not colon or not (hours + rest).isdecimal():
        raise ToolException("clock_plus: time is no time of day: write it as 08:50")
    later = (60 * int(hours) + int(rest) + minutes) % _DAY
    return f"{later // 60:02}:{later % 60:02}"


TOOLS: tuple[BaseTool, ...] = (atomic_number, room_of, letter_points, shift_letters, floor_area, clock_plus)


def _found(name: str, table: dict[str, str], kind: str) -> str:
    return table.get(name.strip().lower(), f"unknown {kind}")


def _rooms() -> dict[str, str]:
    """Who works where: no two in the same room."""
    people = [f"{first} {last}" for first in _FIRST for last in _LAST]
    return {name: f"{'ABCD'[place % 4]}{101 + 7 * place}" for place, name in enumerate(people)}


def _task(family: str, text: str, reference: str, subtask: str, name: str, **args: Any) -> DemoTask:
    return DemoTask(family, text, reference, (DemoStep(subtask, name, args),))


def _element(rng: random.Random) -> DemoTask:
    element = rng.choice(_ELEMENTS)
    text = rng.choice(("What is the atomic number of {}?", "Which atomic number does {} have?"))
    number = str(_ELEMENTS.index(element) + 1)
    subtask = f"Look up the element {element}."
    return _task("element", text.format(element), number, subtask, "atomic_number", element=element)


def _room(rng: random.Random) -> DemoTask:
    person, room = rng.choice(list(_rooms().items()))
    text = rng.choice(("In which room does {} work?", "Where is the office of {}?"))
    return _task("room", text.format(person), room, f"Find the room of {person}.", "room_of", person=person)


def _points(rng: random.Random) -> DemoTask:
    word = rng.choice(_WORDS)
    text = rng.choice(("How many points does '{}' make?", "What is the word '{}' worth in points?"))
    points = str(sum(_POINTS[letter] for letter in word))
    return _task(
        "points", text.format(word), points, f"Count the points of '{word}'.", "letter_points", word=word
    )


def _cipher(rng: random.Random) -> DemoTask:
    word, places = rng.choice(_WORDS), rng.randint(2, 9)
    text = rng.choice(("Encode '{}' with a shift of {}.", "Write '{}' in code, each letter moved by {}."))
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    moved = word.translate(str.maketrans(alphabet, alphabet[places:] + alphabet[:places]))
    subtask = f"Shift the letters of '{word}' by {places}."
    return _task(
        "cipher", text.format(word, places), moved, subtask, "shift_letters", word=word, places=places
    )


def _floor(rng: random.Random) -> DemoTask:
    length, width = rng.randint(11, 40), rng.randint(3, 9)
    text = rng.choice(
        ("A room is {} m long and {} m wide. How large is it?", "What is the area of {} by {} m?")
    )
    subtask, area = f"Multiply {length} by {width}.", str(length * width)
    args = {"length": length, "width": width}
    return _task("floor", text.format(length, width), area, subtask, "floor_area", **args)


def _arrival(rng: random.Random) -> DemoTask:
    hour, minute, minutes = rng.randint(6, 21), rng.randint(0, 59), rng.randint(12, 95)
    start = f"{hour:02}:{minute:02}"
    text = rng.choice((
        "A bus leaves at {} and drives for {} minutes. When does it arrive?",
        "A film starts at {} and lasts {} minutes. When does it end?",
    ))  # fmt: skip
    hours, rest = divmod(60 * hour + minute + minutes, 60)
    end, subtask = f"{hours:02}:{rest:02}", f"Add {minutes} minutes to {start}."
    args = {"time": start, "minutes": minutes}
    return _task("arrival", text.format(start, minutes), end, subtask, "clock_plus", **args)


FAMILIES: tuple[Family, ...] = (
    Family("element", "lookup", two_step=False, make=_element),
    Family("room", "lookup", two_step=False, make=_room),
    Family("points", "words", two_step=False, make=_points),
    Family("cipher", "words", two_step=False, make=_cipher),
    Family("floor", "geometry", two_step=False, make=_floor),
    Family("arrival", "clock", two_step=False, make=_arrival),
)
