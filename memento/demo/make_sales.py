"""Writes sales.csv, the small table of orders that the demo's questions are about.

Run `python -m memento.demo.make_sales` to write it again; the same rows come out every time.
"""

import csv
import io
import random
from datetime import date, timedelta
from pathlib import Path

SALES_CSV = Path(__file__).with_name("sales.csv")
COLUMNS = ("order_id", "date", "region", "product", "units", "unit_price", "revenue", "salesperson")

_ROWS = 400
_SEED = 2024
_FIRST_ORDER = 1001
_CENTS = {
    "Lamp": 3490,
    "Chair": 8950,
    "Desk": 24900,
    "Shelf": 6475,
    "Sofa": 59900,
    "Rug": 11925,
    "Mirror": 4780,
    "Clock": 2260,
}
_SALESPEOPLE = {
    "North": ("Anna", "Boris"),
    "South": ("Carla", "David"),
    "East": ("Emma", "Felix"),
    "West": ("Grace", "Henry"),
}
_PRICE_LEVELS = (90, 95, 100, 100, 100, 105)  # percent of the list price
_DEAR = 20000  # from this price on, in cents, people buy only a few
_MOST_UNITS, _MOST_DEAR_UNITS = 20, 5


def sales_text() -> str:
    """The whole file as text."""
    rng = random.Random(_SEED)
    days = sorted(rng.randrange(366) for _ in range(_ROWS))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, day in enumerate(days):
        writer.writerow([_FIRST_ORDER + number, date(2024, 1, 1) + timedelta(day), *_order(rng)])
    return out.getvalue()


def _order(rng: random.Random) -> tuple[str, str, int, str, str, str]:
    region = rng.choice(list(_SALESPEOPLE))
    product = rng.choice(list(_CENTS))
    price = _CENTS[product] * rng.choice(_PRICE_LEVELS) // 100
    units = rng.randint(1, _MOST_DEAR_UNITS if price >= _DEAR else _MOST_UNITS)
    return region, product, units, _money(price), _money(price * units), rng.choice(_SALESPEOPLE[region])


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


if __name__ == "__main__":
    SALES_CSV.write_text(sales_text(), encoding="utf-8")
