"""The comparison as CSV, Markdown and LaTeX."""

import csv
import io

from keras_balance.reports.comparison.baseline import beside_joint
from keras_balance.reports.comparison.published import paper_table
from keras_balance.reports.comparison.text import group_ranks
from keras_balance.reports.comparison.text import text_tables

_FIELDS = (
    "recipe",
    "backend",
    "demo",
    "data_checksum",
    "split",
    "origin",
    "method",
    "variant",
    "setting",
    "metric",
    "value",
    "std",
    "std_folds",
    "n",
    "low",
    "high",
    "p",
    "p_holm",
    "protocol",
)
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\(<\)",
    ">": r"\(>\)",
    "±": r"\(\pm\)",
    "×": r"\(\times\)",
    "–": "--",
}


def to_csv(comparison):
    """One line a number: tidy, so that a published one has its protocol.

    Args:
        comparison: `Comparison`.

    Returns:
        str. Values are shares in [0, 1], not percent; `origin` is `measured`
        or `published`.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, _FIELDS, lineterminator="\n")
    writer.writeheader()
    for group in comparison.groups:
        shared = {
            "recipe": group.recipe,
            "backend": group.backend,
            "demo": str(group.demo).lower(),
            "data_checksum": group.checksum,
            "split": group.split,
        }
        for line in (*_measured(group), *_published(group)):
            writer.writerow({**shared, **line})
    return file.getvalue()


def _measured(group):
    for row, rank in zip(group.rows, group_ranks(group), strict=True):
        for metric in group.metrics:
            found = row.statistics(metric)
            if found["n"]:
                value = found.pop("mean")
                yield {**_key(row), "metric": metric, "value": value, **found}
        if rank is not None:
            yield {**_key(row), "metric": "mean_rank", "value": rank}
    for one in beside_joint(group):
        difference = one.difference
        yield {
            **_key(one.row),
            "metric": "accuracy_less_joint",
            "value": difference.mean,
            "n": len(difference.seeds),
            "low": difference.low,
            "high": difference.high,
            "p": difference.p,
            "p_holm": one.p_holm,
        }
        if one.time is not None:
            yield {
                **_key(one.row),
                "metric": "time_relative_to_joint",
                "value": one.time,
            }


def _key(row):
    pairs = [f"{key}={value}" for key, value in row.settings.items()]
    selection = row.runs[0].evaluation.get("selection")
    return {
        "origin": "measured",
        "method": row.method,
        "variant": row.variant,
        "setting": "; ".join(pairs),
        "protocol": f"test split; {selection}" if selection else "test split",
    }


def _published(group):
    paper = paper_table(group)
    for line in paper.lines if paper else ():
        for metric, printed in line.numbers.items():
            yield {
                "origin": "published",
                "method": printed.entry["method"],
                "setting": " ".join(printed.entry["settings"]),
                "metric": metric,
                "value": round(printed.value, 10),
                "protocol": paper.protocols[printed.mark],
            }


def to_markdown(comparison):
    """The tables of a `Comparison` as GitHub's Markdown."""
    parts = list(map(_md, comparison.notes))
    for group in comparison.groups:
        for text in text_tables(group):
            numbers = len(text.headings) - text.names
            rule = ["---"] * text.names + ["---:"] * numbers
            lines = [text.headings, rule, *text.rows]
            table = "\n".join(f"| {' | '.join(map(_md, r))} |" for r in lines)
            notes = "\n".join(f"- {_md(note)}" for note in text.notes)
            parts += [f"## {_md(text.title)}", table, notes]
    return "\n\n".join(parts) + "\n"


def _md(text):
    for letter in "\\|<*_":
        text = text.replace(letter, f"\\{letter}")
    return text


def to_latex(comparison):
    """The tables of a `Comparison`, in a paper's style.

    Returns:
        str: `table` environments that need `\\usepackage{booktabs}`.
    """
    lines = ["Needs \\usepackage{booktabs}.", *comparison.notes]
    head = "".join(f"% {line}\n" for line in lines)
    groups = comparison.groups
    tables = [text for group in groups for text in text_tables(group)]
    return head + "\n".join(map(_latex_table, tables))


def _latex_table(text):
    columns = "l" * text.names + "r" * (len(text.headings) - text.names)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_tex(text.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_row(text.headings),
        r"\midrule",
        *map(_latex_row, text.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    lines += [rf"\par\footnotesize {_tex(note)}" for note in text.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_row(cells):
    # In braces: a "[" after "\\" would be its argument.
    first, *others = map(_tex, cells)
    return " & ".join([f"{{{first}}}", *others]) + r" \\"


def _tex(text):
    return "".join(_TEX.get(letter, letter) for letter in text)
