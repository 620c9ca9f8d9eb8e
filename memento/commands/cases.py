"""memento cases: what is remembered, and its correction."""

import typer

from memento.commands import cases_correct, cases_exchange, cases_look
from memento.commands.repair import repair
from memento.commands.why import why

app = typer.Typer(no_args_is_help=True, help="Look at the case bank, and correct it.")
app.command("list")(cases_look.list_cases)
app.command("search")(cases_look.search)
app.command("show")(cases_look.show)
app.command("why")(why)
app.command("stats")(cases_look.stats)
app.command("edit")(cases_correct.edit)
app.command("note")(cases_correct.note)
app.command("pin")(cases_correct.pin)
app.command("quarantine")(cases_correct.quarantine)
app.command("restore")(cases_correct.restore)
app.command("delete")(cases_correct.delete)
app.command("undo")(cases_correct.undo)
app.command("changes")(cases_look.list_changes)
app.command("export")(cases_exchange.export)
app.command("import")(cases_exchange.import_)
app.command("repair")(repair)
