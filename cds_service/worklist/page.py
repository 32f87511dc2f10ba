"""The summary of a worklist as one page for people, without anything to load: counts, and a histogram as SVG."""

from __future__ import annotations

from collections import defaultdict
from html import escape

from ..fhir_elements import Json

_LAST_MONTH = 24
"""Whatever is overdue for longer shares the last bar."""
_HEIGHT, _BAR, _LEFT, _TOP = 240, 28, 70, 20
_COLOURS = ("#1d4e89", "#b3541e", "#3c7a57", "#7a3c6e", "#8a7a1f", "#4a4a4a", "#9c2f3b", "#2f7f8c")
"""One for each step, told apart by lightness too; every bar also says its numbers in a title."""


def page(summary: Json) -> str:
    """The page, as HTML that stands alone. It names no patient."""
    steps = summary["steps"]
    rows = "".join(
        f"<tr><th scope=row>{escape(each['label'])}</th><td>{each['open']:,}</td><td>{each['overdue']:,}</td>"
        f"<td>{each['urgent']:,}</td></tr>"
        for each in steps.values()
    )
    facts = {
        "Patients": summary["patients"],
        "Patients on the list": summary["patients_listed"],
        "Not decided for lack of data": summary["patients_not_decided"],
        "Resources read": sum(summary["resources"].values()),
        "Lines with a problem": summary["problem_lines"],
    }
    counted = "".join(f"<dt>{escape(name)}</dt><dd>{count:,}</dd>" for name, count in facts.items())
    missing = ", ".join(summary["not_exported"])
    problems = "".join(f"<li>{escape(what)}: {count:,}</li>" for what, count in summary["problems"].items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Worklist of {escape(summary["today"])}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem }} dd {{ margin: 0 }}
table {{ border-collapse: collapse }} th, td {{ padding: .2rem 1rem .2rem 0; text-align: right }}
th {{ text-align: left; font-weight: normal }} thead th {{ border-bottom: 1px solid #767676 }}
svg {{ max-width: 100%; height: auto }}
</style>
</head>
<body>
<main>
<h1>Open steps on {escape(summary["today"])}</h1>
<p>Decided by protocol {escape(summary["protocol"])} {escape(summary["version"])}.</p>
<dl>{counted}</dl>
{f"<p>Not in the export, so not checked: {escape(missing)}.</p>" if missing else ""}
{f"<h2>Problems of the export</h2><ul>{problems}</ul><p>File and line of each: problems.csv.</p>" if problems else ""}
<h2>Steps</h2>
<table><thead><tr><th scope=col>step</th><th scope=col>open</th><th scope=col>overdue</th><th scope=col>urgent</th></tr>
</thead><tbody>{rows}</tbody></table>
<h2>Overdue, by whole months since the step was due</h2>
{_histogram(summary)}
</main>
</body>
</html>
"""


def _histogram(summary: Json) -> str:
    bars: dict[int, dict[str, int]] = defaultdict(dict)
    for step, by_month in summary["overdue_by_months"].items():
        for month, count in by_month.items():
            at = bars[min(int(month), _LAST_MONTH)]
            at[step] = at.get(step, 0) + count
    if not bars:
        return "<p>Nothing is overdue.</p>"
    labels = {step: each["label"] for step, each in summary["steps"].items()}
    colours = dict(zip(labels, _COLOURS, strict=False))
    highest = max(sum(at.values()) for at in bars.values())
    drawn = []
    for share in (0, 0.5, 1):
        y = _TOP + _HEIGHT * (1 - share)
        drawn.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{round(highest * share):,}</text>')
        drawn.append(f'<line x1="{_LEFT}" x2="{_LEFT + (_LAST_MONTH + 1) * _BAR}" y1="{y}" y2="{y}" stroke="#ccc"/>')
    drawn += [_bar(month, bars[month], highest, labels, colours) for month in sorted(bars)]
    for month in range(0, _LAST_MONTH + 1, 3):
        label = f"{month}+" if month == _LAST_MONTH else str(month)
        drawn.append(
            f'<text x="{_LEFT + month * _BAR + _BAR / 2}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{label}</text>'
        )
    shown = [step for step in labels if any(step in at for at in bars.values())]
    for place, step in enumerate(shown):
        y = _TOP + _HEIGHT + 44 + 20 * place
        drawn.append(f'<rect x="{_LEFT}" y="{y - 11}" width="12" height="12" fill="{colours[step]}"/>')
        drawn.append(f'<text x="{_LEFT + 20}" y="{y}">{escape(labels[step])}</text>')
    width, height = _LEFT + (_LAST_MONTH + 1) * _BAR + 10, _TOP + _HEIGHT + 50 + 20 * len(shown)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" font-size="13" '
        f'aria-label="Histogram of overdue steps by months">{"".join(drawn)}</svg>'
    )


def _bar(month: int, at: dict[str, int], highest: int, labels: dict[str, str], colours: dict[str, str]) -> str:
    drawn, y = [], float(_TOP + _HEIGHT)
    for step in labels:
        if count := at.get(step):
            height = _HEIGHT * count / highest
            y -= height
            drawn.append(
                f'<rect x="{_LEFT + month * _BAR + 3}" y="{y:.1f}" width="{_BAR - 6}" height="{height:.1f}" '
                f'fill="{colours[step]}"><title>{escape(labels[step])}, {month} months: {count:,}</title></rect>'
            )
    return "".join(drawn)
