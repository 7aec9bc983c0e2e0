"""`evalforge probe`: the shape of what Datadog answers, without any of its content."""

from typing import TYPE_CHECKING, Annotated

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalforge.ingestion.inquiry.probe import ProbeReport
    from evalforge.ingestion.inquiry.shapes import Field


def probe(
    calls: Annotated[str, typer.Option(metavar="N", help="Make at most so many calls, 1 to 10.")] = "10",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, also on a terminal.")] = False,
) -> int:
    """Show the names, types and units of the fields that Datadog answers with, and no content: safe to paste in public.

    Makes at most ten small calls over the last hours. Only names that Datadog documents are shown; all other keys are
    counted. Compares with what EvalForge expects, and answers what no document of Datadog's settles.

    Needs both keys and nothing else. Exit codes: 0 one page was read at least, 3 none was, 4 keys rejected.
    """
    from evalforge import wiring
    from evalforge.common.clock import SystemClock
    from evalforge.common.config import read_settings
    from evalforge.ingestion.inquiry.probe import MOST_CALLS

    most = terminal.whole(calls, "--calls", 1, MOST_CALLS) or MOST_CALLS
    settings = read_settings()

    def told(number: int) -> None:
        if terminal.err_is_terminal() and not as_json:
            terminal.note(f"call {number} of at most {most}")

    report = wiring.probe(settings, SystemClock(), most, told)
    if as_json or not terminal.out_is_terminal():
        terminal.print_json(report)
    else:
        _show(report)
    return 0


def _show(report: "ProbeReport") -> None:
    from evalforge.cli import layout

    print(f"EvalForge {report.version}, {report.site}: {terminal.counted(report.calls, 'call')}, ", end="")
    print(f"{terminal.counted(report.spans, 'span')} ({report.undecodable} undecodable)\n")
    questions = layout.grid(None, "Question", "Seen", folds="Seen")
    for one in report.questions:
        questions.add_row(one.name, f"{one.question} {one.answer}")
    layout.show_list(questions)
    print("\nDifferences from what EvalForge expects:")
    for found in report.differences:
        print(f"- {found.field}: {found.difference} x {found.count}")
    if not report.differences:
        print("- none")
    for title, fields in (("Answers", report.answer), ("Spans", report.fields), ("Failing spans", report.failing)):
        print(f"\n{title}:")
        _show_fields(fields)


def _show_fields(fields: "Sequence[Field]") -> None:
    for field in fields:
        parts = (field.types, field.units, field.words, field.unnamed)
        told = "; ".join(
            ", ".join(f"{name} x {number}" for name, number in sorted(part.items())) for part in parts if part
        )
        missing = f"; missing x {field.missing}" if field.missing else ""
        print(f"  {field.path}: {told}{missing}")


def _counted(counts: "Mapping[str, int]") -> str:
    return ", ".join(f"{name} x {number}" for name, number in sorted(counts.items()))
