"""Whether a home is whole, and making it so: the ledger is the truth, Chroma is filled from it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memento.memory import journal
from memento.memory.chroma_index import ChromaIndex, chroma_failed, collection_name
from memento.memory.home import CHROMA, Home
from memento.memory.index_check import Difference, broken, compare, unopenable

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection


@dataclass(frozen=True)
class Health:
    """What is wrong with a home: with its ledger, with Chroma as a whole, and by namespace. Empty texts and
    differences of nothing mean that it is whole.
    """

    ledger: str
    chroma: str
    namespaces: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.ledger or self.chroma) and all(difference.none for difference in self.namespaces)


def look(home: Home) -> Health:
    """Read the ledger and Chroma whole. Nothing is changed.

    Raises:
        HomeInUseError: another process has the case bank open.
    """
    home.claim()
    with home.reader.connect() as connection:
        (said,) = connection.exec_driver_sql("PRAGMA quick_check(1)").one()
        spaces = [] if said != "ok" else journal.namespaces(connection)
    if said != "ok":
        return Health(f"it is damaged: {said}", "")
    gone = spaces and not (home.path / CHROMA).is_dir()
    unfit = "its folder is not there" if gone else unopenable(home)
    if unfit:
        return Health("", unfit)
    try:
        return _compared(home, spaces) if spaces else Health("", "")
    except BaseException as error:
        why = chroma_failed(error)
        if why is None:
            raise
        return Health("", why)


def repair(home: Home, *, anew: bool = False) -> Health:
    """Make Chroma equal to the ledger, and return what was wrong; `anew` fills it from the start in any case.

    Raises:
        HomeInUseError: another process has the case bank open.
    """
    found = look(home)
    if found.ledger:
        return found
    index = ChromaIndex(home, None)
    if anew or found.chroma:
        index.fill_anew(found.chroma or "as was asked")
    with home.reader.connect() as connection:
        spaces = journal.namespaces(connection)
    for namespace in spaces:
        index.follow(namespace)
    return found


def _compared(home: Home, namespaces: list[str]) -> Health:
    with home.chroma_mark.opening():
        there = {collection.name: collection for collection in home.chroma.list_collections()}
        found = [_difference(home, space, there.get(collection_name(space))) for space in namespaces]
        return Health("", broken(home), found)


def _difference(home: Home, namespace: str, collection: "Collection | None") -> Difference:
    if collection is not None:
        return compare(home, namespace, collection)
    with home.reader.connect() as connection:
        wanted = sorted(journal.live_ids(connection, namespace))
        return Difference(namespace, len(wanted), wanted, [], journal.count_behind(connection, namespace))
