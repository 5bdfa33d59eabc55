"""Plots of results, as SVG that comes out the same each time.

Their background is clear, and text and lines are of a lightness in the middle, which can be read
on white and on black alike: a forge shows one image in both.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bench.reporting.results import BadResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

    from bench.reporting.results import Result, Row

GREY = "#7b7f86"
"""4 to 1 against white, and against a forge's black."""
BLUE, ORANGE, GREEN, RED, VIOLET = "#3f84e5", "#d9712b", "#2f9e58", "#d9534f", "#9a6fe0"

STYLE: dict[Any, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "voice-server",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "grid.alpha": 0.35,
    "axes.grid": True,
    "axes.axisbelow": True,
    **dict.fromkeys(
        [
            "text.color",
            "axes.labelcolor",
            "axes.edgecolor",
            "xtick.color",
            "ytick.color",
            "grid.color",
        ],
        GREY,
    ),
}
WIDTH_IN, HEIGHT_IN = 8.6, 3.8

TARGET_MS = 100
"""Of a hundred listeners, at p95."""

PARTS: Mapping[str, str] = {
    "wait": RED, "queue": ORANGE, "tts": BLUE, "rvc": VIOLET, "send": GREEN, "wire": GREY,
}  # fmt: skip


class Plot(NamedTuple):
    """What is drawn of a run's result."""

    alt: str
    """For who does not see it: what it shows, without figures."""
    draw_on: Callable[[Result, Sequence[Axes]], None]
    n_axes: int = 2

    def draw(self, result: Result) -> str:
        """As SVG; BadResult if the result lacks what it shows."""
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
            FigureCanvasSVG(figure)
            axes = [figure.add_subplot(1, self.n_axes, n + 1) for n in range(self.n_axes)]
            try:
                self.draw_on(result, axes)
            except KeyError as error:
                raise BadResult(f"{result.name}.json has no {error}, which is plotted") from error
            drawn = io.StringIO()
            figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
        return "\n".join(line.rstrip() for line in drawn.getvalue().splitlines()) + "\n"


def listeners(result: Result, axes: Sequence[Axes]) -> None:
    """First sound and processor, over how many listen."""
    first, cores = axes
    for shift, color, name in ((0.0, BLUE, "plain"), (4.0, ORANGE, "4 semitones up")):
        rows = sorted(
            (row for row in result.rows if row["pitch_shift"] == shift),
            key=lambda row: int(row["listeners"]),
        )
        for percent, line in ((50, ":"), (95, "-"), (99, "--")):
            if shift and percent != 95:
                continue
            key = f"first_audio_ms_p{percent}"
            _line(first, rows, ("listeners", key), f"{name}, p{percent}", color, style=line)
        broken = [row for row in rows if row["gaps"]]
        first.plot(
            [row["listeners"] for row in broken],
            [row["first_audio_ms_p95"] for row in broken],
            "x", color=RED, markersize=9, markeredgewidth=2,
            label=None if shift else "with gaps",
        )  # fmt: skip
        _line(cores, rows, ("listeners", "server_cpu"), name, color)
    first.axhline(TARGET_MS, color=GREY, linewidth=1, label="target for 100")
    first.set(yscale="log", xlabel="listeners", ylabel="ms", title="First sound")
    first.yaxis.set_major_formatter("{x:g}")
    cores.set(
        xlabel="listeners", ylabel="cores", title="Processor that the server uses", ylim=(0, None)
    )
    for each in axes:
        _legend_below(each)


def parts(result: Result, axes: Sequence[Axes]) -> None:
    """Medians, one on the other."""
    (bars,) = axes
    names = [row["case"] for row in result.rows]
    left = [0.0] * len(names)
    for part, color in PARTS.items():
        widths = [float(row[f"{part}_ms_p50"]) for row in result.rows]
        bars.barh(names, widths, left=left, color=color, label=part, height=0.65)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    bars.invert_yaxis()
    bars.grid(axis="y", visible=False)
    bars.set(xlabel="ms, medians", title="From the text's end to the first sound")
    _legend_below(bars)


def soprano(result: Result, axes: Sequence[Axes]) -> None:
    """Speech made, and first sound, over how many listen."""
    made, first = axes
    rows = [row for row in result.rows if row["case"] == "listeners"]
    _line(made, rows, ("rows", "sound_s_per_s"), "here", BLUE)
    _line(first, rows, ("rows", "first_audio_ms"), "here", BLUE)
    most = max(int(row["rows"]) for row in rows)
    made.plot([1, most], [1, most], color=GREY, linewidth=1, label="needed for real time")
    for case, color, line in (("infer_stream", ORANGE, "-"), ("infer", VIOLET, "--")):
        row = result.row({"case": f"package: {case}"})
        made.axhline(row["sound_s_per_s"], color=color, linestyle=line, label=f"{case}, in turns")
        first.axhline(row["first_audio_ms"], color=color, linestyle=line, label=f"{case}, for one")
    for each in axes:
        each.set_xticks([row["rows"] for row in rows])
    made.set(xlabel="listeners", ylabel="s", title="Speech made in a second", ylim=(0, None))
    first.set(xlabel="listeners at once", ylabel="ms", title="First sound", ylim=(0, None))
    for each in axes:
        _legend_below(each)


def rvc(result: Result, axes: Sequence[Axes]) -> None:
    """Parts of a block beside their floors."""
    for each, block_ms in zip(axes, (320, 640), strict=True):
        rows = [
            row
            for row in result.rows
            if row.get("block_ms") == block_ms and row.get("ms") is not None
        ]
        places = range(len(rows))
        each.barh(places, [row["ms"] for row in rows], color=BLUE, height=0.6, label="measured")
        each.barh(
            places,
            [row.get("floor_ms") or 0 for row in rows],
            color=ORANGE,
            height=0.25,
            label="floor",
        )
        each.set_yticks(places, [row["case"] for row in rows])
        each.invert_yaxis()
        each.grid(axis="y", visible=False)
        each.set(xlabel="ms", title=f"Blocks of {block_ms} ms")
        _legend_below(each)


def soak(result: Result, axes: Sequence[Axes]) -> None:
    """Memory over time, and what of it the slope is taken of."""
    (memory,) = axes
    row = result.row({})
    memory.plot(row["minutes"], row["rss_mb"], color=BLUE)
    memory.axvspan(0, row["minutes"][len(row["minutes"]) // 3], color=GREY, alpha=0.15, linewidth=0)
    memory.set(xlabel="minutes", ylabel="MB", title="Memory; what is shaded does not count")
    memory.set_ylim(0, 1.1 * max(row["rss_mb"]))


def _legend_below(axes: Axes) -> None:
    """Where it hides nothing."""
    n_columns = 6 if len(axes.figure.axes) == 1 else 2
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=n_columns)


def _line(
    axes: Axes,
    rows: Sequence[Row],
    keys: tuple[str, str],
    label: str,
    color: str,
    *,
    style: str = "-",
) -> None:
    along, up = ([row[key] for row in rows] for key in keys)
    axes.plot(along, up, style, color=color, label=label, marker="o", markersize=3)


PLOTS = {
    "sessions": Plot(
        "First sound and the server's use of the processor, over the number of listeners", listeners
    ),
    "stage_cost": Plot(
        "Bars of what each part of the way to the first sound takes, by how many ask at once",
        parts,
        n_axes=1,
    ),
    "soprano": Plot(
        "Speech made in a second and first sound, over the listeners, beside the package's",
        soprano,
    ),
    "rvc": Plot("Bars of what each part of a block takes, beside its floor", rvc),
    "soak": Plot("The server's memory over the time of the soak", soak, n_axes=1),
}
"""By the name of the run."""
