"""What is wrong with a data set, and how it is shown."""

import dataclasses
import json

from keras_balance import terminal
from keras_balance.data.decoding.files import printable
from keras_balance.errors import UsageError

SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth knowing.

    Attributes:
        kind: one word, such as `"truncated"`.
        path: the file, or the sample's name.
        message: one sentence.
        severity: `"error"`, or `"note"` for what the paper's own data has.
    """

    kind: str
    path: str
    message: str
    severity: str = "error"


@dataclasses.dataclass
class DoctorReport:
    """What `doctor` found.

    Attributes:
        name: the data set.
        folder: where it was looked for.
        problems: list of `Problem`.
        counts: JSON-able dict of counts.
    """

    name: str
    folder: str
    problems: list = dataclasses.field(default_factory=list)
    counts: dict = dataclasses.field(default_factory=dict)

    @property
    def ok(self):
        """Whether there is no problem of severity `"error"`."""
        return not any(p.severity == "error" for p in self.problems)

    def add(self, kind, path, message, severity="error"):
        """Adds a `Problem`."""
        problem = Problem(kind, printable(path), printable(message), severity)
        self.problems.append(problem)

    def to_json(self):
        """Returns the report as JSON text."""
        fields = dataclasses.asdict(self)
        return json.dumps({**fields, "ok": self.ok}, indent=2, sort_keys=True)

    def render(self):
        """Returns a `rich` renderable: problems by kind, then the counts."""
        from rich.console import Group

        title = printable(self.folder)
        table = terminal.table("problem", "where", "what", title=title)
        for kind in sorted({p.kind for p in self.problems}):
            found = [p for p in self.problems if p.kind == kind]
            for problem in found[:SHOWN]:
                colour = "red" if problem.severity == "error" else "yellow"
                terminal.add_row(
                    table,
                    [
                        terminal.text(kind, colour),
                        problem.path,
                        problem.message,
                    ],
                )
            if len(found) > SHOWN:
                more = f"... and {len(found) - SHOWN} more"
                terminal.add_row(table, [kind, more, ""])
        counts = terminal.table("count", "value")
        for name, value in self.counts.items():
            terminal.add_row(counts, [name, json.dumps(value)])
        return Group(
            *([table] if self.problems else []), counts, self._summary()
        )

    def _summary(self):
        errors = sum(p.severity == "error" for p in self.problems)
        notes = len(self.problems) - errors
        verdict, colour = (
            ("no errors", "green") if self.ok else ("broken", "red")
        )
        return (
            terminal.text(f"{self.name}: ")
            .append(verdict, colour)
            .append(f", {errors} errors, {notes} notes")
        )


def refuse(problems, what, hint):
    """Raises one `UsageError` that lists problems (the first 20).

    Args:
        problems: non-empty list of `Problem`.
        what: text before the count, such as `"preparing cremad"`.
        hint: what to do about it.
    """
    lines = [f"  {p.kind}: {p.message}" for p in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  ... and {len(problems) - SHOWN} more")
    raise UsageError(
        f"{what}: {len(problems)} broken or missing.\n" + "\n".join(lines),
        hint=hint,
    )


def listing(names):
    """Writes the first names, and how many there are."""
    names = list(names)
    more = f" ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
