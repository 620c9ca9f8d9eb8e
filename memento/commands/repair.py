"""memento cases repair: whether the case bank is what the ledger says, and making it so."""

from typing import Annotated, Any

import typer

from memento.commands.common import HomeOption, JsonOption, console, print_json, printable, settings_for
from memento.errors import MementoError


def repair(
    home: HomeOption = None,
    check: Annotated[bool, typer.Option("--check", help="Only look; change nothing.")] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Fill the case bank anew from the ledger, whatever is found.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the case bank with the ledger, and put right what differs; vectors are kept in the ledger, so
    that no text is embedded again.

    Example: memento cases repair --check
    """
    from memento.memory import Home
    from memento.memory import repair as repairing

    with Home.open(settings_for(home).home, create=False) as opened:
        found = repairing.look(opened) if check else repairing.repair(opened, anew=anew)
    if found.ledger:
        raise MementoError(
            f"the ledger in {opened.path} cannot be repaired, {found.ledger}: `memento backup restore FILE`"
        )
    row: dict[str, Any] = {
        "ok": found.ok,
        "repaired": not check and (anew or not found.ok),
        "chroma": found.chroma or "ok",
        "namespaces": [
            {
                "namespace": one.namespace,
                "cases": one.cases,
                "missing": len(one.missing),
                "stray": len(one.stray),
                "behind": one.behind,
            }
            for one in found.namespaces
        ],
    }
    if as_json:
        print_json(row)
        return
    for one in row["namespaces"]:
        told = ", ".join(f"{one[key]} {key}" for key in ("cases", "missing", "stray", "behind"))
        console().print(f"[bold]{printable(one['namespace'])}[/] {told}")
    if found.chroma:
        console().print(f"[bold]chroma[/] {printable(found.chroma)}")
    after = "repaired" if row["repaired"] else "run `memento cases repair`"
    console().print("nothing is wrong" if found.ok and not anew else after)
