"""The demo's tasks: families of short questions whose wording and numbers vary.

Every task comes with its reference answer and a correct worked solution. References are computed here with
plain arithmetic, dates and the csv module, never with the agent's own tools.

Inside a family the values always stand in the same order, in the task as in its solution, so that a very
small model can solve a task by copying the pattern of an earlier one.
"""

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

SALES_CSV = Path(__file__).with_name("sales.csv")


@dataclass(frozen=True)
class DemoStep:
    """One subtask and the tool call that solves it."""

    subtask: str
    tool: str
    args: dict[str, Any]


@dataclass(frozen=True)
class DemoTask:
    """A task, its reference answer and a worked solution (for the seed demonstration and the tests)."""

    family: str
    task: str
    reference: str
    steps: tuple[DemoStep, ...]


@dataclass(frozen=True)
class Family:
    """A kind of task; `kind` is a wider one, such as arithmetic, units or dates."""

    name: str
    kind: str
    two_step: bool
    make: Callable[[random.Random], DemoTask]


def seed_task(family: Family) -> DemoTask:
    """The one task of a family that is demonstrated with its solution; draw_tasks never returns it."""
    return family.make(random.Random(f"seed demonstration of {family.name}"))


def draw_tasks(n: int, seed: int) -> list[DemoTask]:
    """Draw n tasks in random order, the families in equal shares (give or take one), no two solved alike."""
    rng = random.Random(seed)
    share, extra = divmod(n, len(FAMILIES))
    counts = dict.fromkeys((family.name for family in FAMILIES), share)
    for family in rng.sample(FAMILIES, extra):
        counts[family.name] += 1
    tasks = [task for family in FAMILIES for task in _draw_family(family, counts[family.name], rng)]
    rng.shuffle(tasks)
    return tasks


_MOST_TRIES = 200  # in a row without a new task, before a family counts as used up


def _draw_family(family: Family, count: int, rng: random.Random) -> list[DemoTask]:
    seen = {solution(seed_task(family))}
    return [new_task(family, rng, seen) for _ in range(count)]


def new_task(family: Family, rng: random.Random, seen: set[str]) -> DemoTask:
    """A task of the family that is solved unlike those in `seen`, which it joins.

    Raises:
        ValueError: the family seems to have no other.
    """
    for _ in range(_MOST_TRIES):
        task = family.make(rng)
        if solution(task) not in seen:
            seen.add(solution(task))
            return task
    raise ValueError(f"The family {family.name!r} has no more different tasks.")


def solution(task: DemoTask) -> str:
    """What makes two tasks the same even if they are worded differently."""
    return repr([(step.tool, sorted(step.args.items())) for step in task.steps])


# --- what the families share -------------------------------------------------------------------------------


def number_text(value: Fraction) -> str:
    """A number with at most six decimals, without trailing zeros or an exponent."""
    text = f"{Decimal(round(value * 10**6)).scaleb(-6):f}"
    return text.rstrip("0").rstrip(".")


def _pick(rng: random.Random, wordings: tuple[str, ...], **values: object) -> str:
    return rng.choice(wordings).format(**values)


def _calculate(subtask: str, expression: str) -> DemoStep:
    return DemoStep(subtask, "calculate", {"expression": expression})


def _percent_step(percent: int, whole: str, called: str) -> DemoStep:
    return _calculate(f"Take {percent}% of {called}.", f"{percent}% of {whole}")


def _convert(value: int, source: str, target: str) -> DemoStep:
    args = {"value": value, "from_unit": source, "to_unit": target}
    return DemoStep(f"Convert {value} {source} to {target}.", "convert_units", args)


def _add_to_date(start: date, amount: int, unit: str) -> DemoStep:
    args = {"date": start.isoformat(), "amount": amount, "unit": unit}
    return DemoStep(f"Start at {start} and add {amount} {unit}.", "add_to_date", args)


def _measure(subtask: str, text: str, measure: str) -> DemoStep:
    return DemoStep(subtask, "text_measure", {"text": text, "measure": measure})


def _query(subtask: str, sql: str) -> DemoStep:
    return DemoStep(subtask, "query_tables", {"sql": sql})


def words_of(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _date(rng: random.Random) -> date:
    return date(2023, 1, 1) + timedelta(rng.randrange(3 * 365))


# --- arithmetic --------------------------------------------------------------------------------------------

_CONTAINERS = (
    ("crate", "crates", "bottles"),
    ("box", "boxes", "pencils"),
    ("bag", "bags", "apples"),
    ("shelf", "shelves", "books"),
    ("tray", "trays", "cups"),
    ("basket", "baskets", "eggs"),
)
_CONTAINER_WORDINGS = (
    "A {one} holds {each} {things}. How many {things} are in {count} {many}?",
    "Each {one} holds {each} {things}. How many {things} do {count} {many} hold?",
)


def _containers(rng: random.Random) -> DemoTask:
    one, many, things = rng.choice(_CONTAINERS)
    each, count = rng.randint(6, 60), rng.randint(7, 95)
    task = _pick(rng, _CONTAINER_WORDINGS, one=one, many=many, things=things, each=each, count=count)
    step = _calculate(f"Multiply {each} by {count}.", f"{each} * {count}")
    return DemoTask("containers", task, str(each * count), (step,))


_GOODS = ("notebooks", "pens", "sandwiches", "tickets", "mugs", "candles", "postcards")
_CHANGE_WORDINGS = (
    "You pay with ${paid} for {count} {goods} at ${price} each. How much change do you get?",
    "A customer pays ${paid} for {count} {goods} that cost ${price} each. What is the change?",
)


def _change(rng: random.Random) -> DemoTask:
    paid, count, price = rng.choice((50, 100, 150, 200)), rng.randint(2, 6), rng.randint(2, 8)
    task = _pick(rng, _CHANGE_WORDINGS, paid=paid, count=count, price=price, goods=rng.choice(_GOODS))
    step = _calculate(f"From {paid} subtract {count} times {price}.", f"{paid} - {count} * {price}")
    return DemoTask("change", task, str(paid - count * price), (step,))


# --- percentages -------------------------------------------------------------------------------------------

_PERCENT_WORDINGS = (
    "What is {percent}% of {whole}?",
    "How much is {percent}% of {whole}?",
)


def _percent_of(rng: random.Random) -> DemoTask:
    percent, whole = rng.randint(3, 95), rng.randint(20, 500) * 10
    task = _pick(rng, _PERCENT_WORDINGS, percent=percent, whole=whole)
    step = _percent_step(percent, str(whole), str(whole))
    return DemoTask("percent_of", task, number_text(Fraction(percent * whole, 100)), (step,))


_CLOTHES = ("jacket", "coat", "dress", "sweater", "hat", "scarf", "shirt")
_DISCOUNT_WORDINGS = (
    "A ${price} {item} is {percent}% off. What does it cost?",
    "A {item} priced at ${price} is {percent}% off. What is the sale price?",
)


def _discount(rng: random.Random) -> DemoTask:
    price, percent = rng.randint(20, 240), rng.randrange(5, 65, 5)
    task = _pick(rng, _DISCOUNT_WORDINGS, price=price, percent=percent, item=rng.choice(_CLOTHES))
    step = _calculate(f"Take {percent}% off {price}.", f"{percent}% off {price}")
    return DemoTask("discount", task, number_text(Fraction(price * (100 - percent), 100)), (step,))


# --- units -------------------------------------------------------------------------------------------------

_TEMPERATURE_WORDINGS = (
    "What is {degrees} degrees celsius in fahrenheit?",
    "The thermometer shows {degrees} celsius. What is this temperature in fahrenheit?",
)


def _temperature(rng: random.Random) -> DemoTask:
    degrees = rng.randint(5, 260)
    task = _pick(rng, _TEMPERATURE_WORDINGS, degrees=degrees)
    step = _convert(degrees, "celsius", "fahrenheit")
    return DemoTask("temperature", task, number_text(Fraction(degrees * 9, 5) + 32), (step,))


_KILOGRAMS_PER_POUND = Fraction("0.45359237")
_WEIGHTS = {
    ("pounds", "kilograms"): _KILOGRAMS_PER_POUND,
    ("ounces", "grams"): _KILOGRAMS_PER_POUND * 1000 / 16,
}
_WEIGHT_WORDINGS = (
    "A parcel weighs {value} {source}. What is its weight in {target}?",
    "What is a weight of {value} {source} in {target}?",
)


def _weight(rng: random.Random) -> DemoTask:
    (source, target), factor = rng.choice(list(_WEIGHTS.items()))
    value = rng.randint(3, 180)
    task = _pick(rng, _WEIGHT_WORDINGS, value=value, source=source, target=target)
    return DemoTask("weight", task, number_text(value * factor), (_convert(value, source, target),))


_LENGTHS = {
    ("miles", "kilometers"): Fraction("1.609344"),
    ("feet", "meters"): Fraction("0.3048"),
    ("inches", "centimeters"): Fraction("2.54"),
}
_LENGTH_SHARE_WORDINGS = (
    "Convert {value} {source} to {target}, then take {percent}% of the result.",
    "Change {value} {source} into {target}. What is {percent}% of that length?",
)


def _length_share(rng: random.Random) -> DemoTask:
    (source, target), factor = rng.choice(list(_LENGTHS.items()))
    value, percent = rng.randint(4, 120), rng.randrange(5, 95, 5)
    length = value * factor
    task = _pick(rng, _LENGTH_SHARE_WORDINGS, value=value, source=source, target=target, percent=percent)
    steps = (_convert(value, source, target), _percent_step(percent, number_text(length), "the result"))
    return DemoTask("length_share", task, number_text(length * percent / 100), steps)


# --- dates -------------------------------------------------------------------------------------------------

_DAYS_BETWEEN_WORDINGS = (
    "How many days are there between {start} and {end}?",
    "How many days pass from {start} to {end}?",
)


def _days_between(rng: random.Random) -> DemoTask:
    start, days = _date(rng), rng.randint(10, 300)
    end = start + timedelta(days)
    task = _pick(rng, _DAYS_BETWEEN_WORDINGS, start=start, end=end)
    args = {"start": start.isoformat(), "end": end.isoformat()}
    step = DemoStep(f"Count the days from {start} to {end}.", "days_between", args)
    return DemoTask("days_between", task, str((end - start).days), (step,))


_LOAN_WORDINGS = (
    "A library book is borrowed on {start} for {weeks} weeks. On what date is it due?",
    "A library lends a book on {start} for {weeks} weeks. What is the due date?",
)


def _loan(rng: random.Random) -> DemoTask:
    start, weeks = _date(rng), rng.randint(2, 15)
    task = _pick(rng, _LOAN_WORDINGS, start=start, weeks=weeks)
    due = start + timedelta(weeks=weeks)
    return DemoTask("loan", task, due.isoformat(), (_add_to_date(start, weeks, "weeks"),))


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEKDAY_WORDINGS = (
    "Counting from {start}, which weekday comes {days} days later?",
    "From {start}, which day of the week is it after {days} days?",
)


def _weekday_after(rng: random.Random) -> DemoTask:
    start, days = _date(rng), rng.randint(5, 120)
    task = _pick(rng, _WEEKDAY_WORDINGS, start=start, days=days)
    end = start + timedelta(days)
    name_it = DemoStep("Name the weekday of the result.", "weekday", {"date": end.isoformat()})
    steps = (_add_to_date(start, days, "days"), name_it)
    return DemoTask("weekday_after", task, _WEEKDAYS[end.weekday()], steps)


# --- text --------------------------------------------------------------------------------------------------

_SHORT_WORDS = words_of(
    "the old cat sat near a red barn and saw two owls fly over our pond at dawn "
    "they like warm soup with some bread my dog can run far when rain falls"
)
_LONG_WORDS = words_of(
    "adventure afternoon astronomer avalanche blackbird blueberry butterfly calendar carpenter cathedral "
    "champion chocolate cinnamon classroom companion crocodile cucumber daffodil dandelion detective "
    "diamonds dolphins elephant envelope fireplace fisherman fountain furniture gardener grapefruit "
    "hamburger harmonica highland honeycomb hurricane invention jellyfish kangaroo keyboard lavender "
    "lemonade lighthouse magazine marmalade mechanic meadowlark moonlight mountain mushroom musician "
    "navigator notebook orchestra ornament painting paintbrush pineapple porcelain postcard princess "
    "raspberry rectangle reindeer sandstone saxophone scientist seashell snowflake spaceship squirrel "
    "starfish strawberry submarine sunflower telescope tortoise treasure umbrella universe vegetable "
    "volcano waterfall windmill woodpecker xylophone yesterday"
)
_REVERSE_WORDINGS = (
    "Spell the word '{word}' backwards.",
    "Write the word '{word}' in reverse.",
)


def _reverse(rng: random.Random) -> DemoTask:
    word = rng.choice(_LONG_WORDS)
    task = _pick(rng, _REVERSE_WORDINGS, word=word)
    step = _measure(f"Reverse the word '{word}'.", word, "reversed")
    return DemoTask("reverse", task, word[::-1], (step,))


_LONGEST_WORDINGS = (
    "How many letters are in the longest word of '{text}'?",
    "Look at '{text}'. How many letters does the longest word have?",
)


def _longest_word(rng: random.Random) -> DemoTask:
    words = [*rng.sample(_SHORT_WORDS, rng.randint(3, 5)), rng.choice(_LONG_WORDS)]
    rng.shuffle(words)
    text, longest = " ".join(words), max(words, key=len)
    task = _pick(rng, _LONGEST_WORDINGS, text=text)
    steps = (
        _measure(f"Find the longest word in '{text}'.", text, "longest_word"),
        _measure("Count the letters of the result.", longest, "letters"),
    )
    return DemoTask("longest_word", task, str(len(longest)), steps)


# --- sales -------------------------------------------------------------------------------------------------


@cache
def _sales() -> tuple[dict[str, str], ...]:
    with SALES_CSV.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


_UNITS_SOLD_WORDINGS = (
    "How many units of the product {product} did {person} sell?",
    "In the sales table, how many units of {product} did {person} sell?",
)


def _units_sold(rng: random.Random) -> DemoTask:
    order = rng.choice(_sales())
    product, person = order["product"], order["salesperson"]
    task = _pick(rng, _UNITS_SOLD_WORDINGS, product=product, person=person)
    sql = f"SELECT SUM(units) FROM sales WHERE product = '{product}' AND salesperson = '{person}'"  # noqa: S608
    sold = (
        int(row["units"]) for row in _sales() if (row["product"], row["salesperson"]) == (product, person)
    )
    step = _query(f"Count the units of {product} sold by {person}.", sql)
    return DemoTask("units_sold", task, str(sum(sold)), (step,))


_COMMISSION_WORDINGS = (
    "What is a commission of {percent}% on the total sales of the {region} region?",
    "An agent earns a {percent}% commission on all sales in the {region} region. How much is it?",
)


def _commission(rng: random.Random) -> DemoTask:
    region, percent = rng.choice(_sales())["region"], rng.randint(2, 30)
    task = _pick(rng, _COMMISSION_WORDINGS, region=region, percent=percent)
    sql = f"SELECT ROUND(SUM(revenue), 2) FROM sales WHERE region = '{region}'"  # noqa: S608
    total = sum((Fraction(row["revenue"]) for row in _sales() if row["region"] == region), Fraction())
    steps = (
        _query(f"Find the total revenue of the {region} region.", sql),
        _percent_step(percent, number_text(total), "the result"),
    )
    return DemoTask("commission", task, number_text(total * percent / 100), steps)


FAMILIES: tuple[Family, ...] = (
    Family("containers", "arithmetic", two_step=False, make=_containers),
    Family("change", "arithmetic", two_step=False, make=_change),
    Family("percent_of", "percentages", two_step=False, make=_percent_of),
    Family("discount", "percentages", two_step=False, make=_discount),
    Family("temperature", "units", two_step=False, make=_temperature),
    Family("weight", "units", two_step=False, make=_weight),
    Family("length_share", "units", two_step=True, make=_length_share),
    Family("days_between", "dates", two_step=False, make=_days_between),
    Family("loan", "dates", two_step=False, make=_loan),
    Family("weekday_after", "dates", two_step=True, make=_weekday_after),
    Family("reverse", "text", two_step=False, make=_reverse),
    Family("longest_word", "text", two_step=True, make=_longest_word),
    Family("units_sold", "sales", two_step=False, make=_units_sold),
    Family("commission", "sales", two_step=True, make=_commission),
)
