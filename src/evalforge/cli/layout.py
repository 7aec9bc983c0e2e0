"""Tables that fit the terminal without losing anything: what is too wide for one gets lines of its own."""

from collections.abc import Iterable

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalforge.cli import terminal

WIDEST = 1_000
NARROWEST_FOLD = 30
"""Characters that a column which may take several lines keeps, if its cells have as many."""
GAP, INDENT = "  ", 2


def grid(title: str | None, *columns: str, folds: str | None = None) -> Table:
    """An empty table with these headings. Ids and times never wrap; the cells of `folds` may take several lines."""
    table = Table(
        title=title, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        justify = "right" if column in ("Traces", "Signals") else "left"
        table.add_column(column, no_wrap=column != folds, overflow="fold", justify=justify)  # type: ignore[arg-type]
    return table


def show_list(table: Table) -> None:
    """The table if it fits the terminal, or if this is a pipe; else each row as lines of names and values."""
    screen = terminal.console()
    needed = _width(table)
    if not terminal.out_is_terminal():
        screen.width = max(screen.width, needed.maximum)
    elif needed.minimum > screen.width:
        _show_records(table, screen)
        return
    screen.print(table)


def fits(table: Table) -> bool:
    """Whether the table fits the terminal as a table."""
    return not terminal.out_is_terminal() or _width(table).minimum <= terminal.width()


def hanging(pieces: Iterable[Text], width: int, indent: int = 0, *, hang: int = INDENT) -> list[Padding]:
    """Lines of as many pieces as fit, from the second on `hang` further in. No piece is broken that fits a line."""
    lines: list[Text] = []
    for piece in pieces:
        room = width - indent - (hang if len(lines) > 1 else 0)
        if lines and lines[-1].cell_len + len(GAP) + piece.cell_len <= room:
            lines[-1] = Text(GAP).join([lines[-1], piece])
        else:
            lines.append(piece)
    return [
        Padding(Text(overflow="fold").append_text(line), (0, 0, 0, indent + (hang if number else 0)), expand=False)
        for number, line in enumerate(lines)
    ]


def _width(table: Table) -> Measurement:
    """The narrowest and the widest that the table can be without breaking what must not wrap."""
    for column in table.columns:
        longest = max(_text(cell).cell_len for cell in (column.header, *column.cells))
        column.min_width = longest if column.no_wrap else min(NARROWEST_FOLD, longest)
    wide = Console(width=WIDEST)
    return Measurement.get(wide, wide.options, table)


def _show_records(table: Table, screen: Console) -> None:
    if table.title is not None:
        screen.print(Text(str(table.title), style="italic"))
    names = [Text(str(column.header), style="bold") for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        told = [Text(" ").join([name, _text(cell)]) for name, cell in zip(names, cells, strict=True) if cell]
        for line in hanging(told, screen.width):
            screen.print(line)


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell))
