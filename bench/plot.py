#!/usr/bin/env python3
"""Draws what bench/scaling measured: four pictures, docs/images/scaling-*.svg.

    python bench/plot.py gpt2.jsonl gpt2-xl.jsonl [--output docs/images] [--png FOLDER]

    scaling-threads.svg     how much faster on several threads
    scaling-rows.svg        GFLOP/s of a product over its rows, beside the roofline
    scaling-tokens.svg      milliseconds a token over the length of a text
    scaling-templates.svg   a step of the value optimisation, and the keys, over the number of templates

The files are JSON lines, as `scaling --json` appends them; of points measured twice the last counts. A topic of which
there are no points is left out. Same points, same versions: same bytes. Needs matplotlib (tools/requirements.txt).
"""
import argparse
import json
import pathlib
import re

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

Point = dict

# Told apart by colour-blind readers, too, and in print by the marker.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#aa4499"]
MARKERS = ["o", "s", "^", "D"]
GREY = "#666666"

STYLE = {
    "svg.fonttype": "none",  # text as text: smaller, and found by a search
    "svg.hashsalt": "aedile",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "legend.frameon": False,
    "figure.facecolor": "white",  # the page behind may be dark
}


def read_points(paths: list[pathlib.Path]) -> list[Point]:
    """Points in the files' order; a later one replaces an earlier one of the same place."""
    points: dict[tuple, Point] = {}
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                point = json.loads(line)
                place = tuple(point[name] for name in ("model", "topic", "threads", "what"))
            except (ValueError, KeyError) as error:
                raise SystemExit(f"{path}, line {number}: not a point of bench/scaling ({error!r})") from None
            place += tuple(point.get(name) for name in ("matrix", "rows", "tokens", "templates"))
            points[place] = point
    return list(points.values())


def names_in(points: list[Point], name: str) -> list:
    """The different values of a field, in the order of their first appearance."""
    return list(dict.fromkeys(point[name] for point in points))


def columns(points: list[Point], x: str, y: str) -> tuple[list, list]:
    """Two fields as two lists, by ascending x."""
    pairs = sorted((point[x], point[y]) for point in points)
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def choose(points: list[Point], **fields) -> list[Point]:
    return [point for point in points if all(point[name] == value for name, value in fields.items())]


def number(value: float) -> str:
    """1024 as 1,024; 0.5 as 0.5."""
    return f"{value:,.0f}" if value >= 1 and value == round(value) else f"{value:g}"


def mark(axis, ticks: list[float]) -> None:
    """Exactly these ticks, as plain numbers."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def mark_log(axis, least: float, most: float) -> None:
    """A logarithmic axis with a little room, ticks at 1, 2 and 5 times the powers of ten."""
    low, high = least / 1.25, most * 1.25
    axis.axes.set_yscale("log")
    axis.axes.set_ylim(low, high)
    ticks = [float(f"{digit}e{power}") for power in range(-6, 7) for digit in (1, 2, 5)]
    mark(axis, [tick for tick in ticks if low <= tick <= high])


def line(axes: Axes, index: int, x: list, y: list, label: str) -> None:
    axes.plot(x, y, color=COLOURS[index % len(COLOURS)], marker=MARKERS[index % len(MARKERS)], label=label)


def threads_of(points: list[Point]) -> str:
    counts = sorted({point["threads"] for point in points})
    return f"{' and '.join(str(count) for count in counts)} thread{'s' if counts != [1] else ''}"


def squeeze(svg: str) -> str:
    """Two decimals of a point are enough to draw by; and no comments, no indentation: half the size."""
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(\.\d\d)\d+", r"\1", svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


# ---- the four pictures --------------------------------------------------------------------------------------------


def draw_threads(points: list[Point]) -> Figure:
    whats = {"step": "a step of the value optimisation", "keys": "keys of an edit",
             "score": "scoring a long text", "generate": "generating 20 tokens"}
    counts = sorted({point["threads"] for point in points})
    figure, all_axes = plt.subplots(1, 4, figsize=(10, 3), sharey=True, layout="constrained")
    for axes, (what, title) in zip(all_axes, whats.items()):
        axes.plot(counts, counts, color=GREY, linestyle="--", linewidth=1, label="in proportion")
        for index, model in enumerate(names_in(points, "model")):
            x, seconds = columns(choose(points, model=model, what=what), "threads", "seconds")
            if not x or x[0] != 1:  # nothing to compare with
                continue
            line(axes, index, x, [seconds[0] / s for s in seconds], model)
        axes.set_title(title)
        axes.set_xlabel("threads")
        mark(axes.xaxis, counts)
        mark(axes.yaxis, list(range(counts[-1] + 1)))
        axes.set_ylim(0, counts[-1] + 0.1)
    all_axes[0].set_ylabel("times faster than on one thread")
    all_axes[0].legend(loc="upper left")
    return figure


def draw_rows(points: list[Point]) -> Figure:
    models, whats = names_in(points, "model"), names_in(points, "what")
    titles = {"linear": "forward (linear)", "linear_backward": "backward (linear_backward)"}
    rows = sorted({point["rows"] for point in points})
    figure, grid = plt.subplots(len(models), len(whats), figsize=(9, 3.2 * len(models)), sharex=True, sharey=True,
                                squeeze=False, layout="constrained")
    least = min(point["gflops"] for point in points)
    most = max(max(point["gflops"], point["roof_gflops"]) for point in points)
    for model, row in zip(models, grid):
        for what, axes in zip(whats, row):
            here = choose(points, model=model, what=what)
            x, roof = columns(choose(here, matrix=here[0]["matrix"]), "rows", "roof_gflops")
            axes.plot(x, roof, color=GREY, linestyle="--", linewidth=1.2, label="roofline")
            for index, matrix in enumerate(names_in(here, "matrix")):
                of_matrix = choose(here, matrix=matrix)
                x, rate = columns(of_matrix, "rows", "gflops")
                line(axes, index, x, rate, f"{matrix}, {of_matrix[0]['n_in']} × {of_matrix[0]['n_out']}")
            axes.set_title(f"{model}: {titles.get(what, what)}, {threads_of(here)}")
            axes.set_xscale("log", base=2)
            mark(axes.xaxis, rows[::2])
            mark_log(axes.yaxis, least, most)
        row[0].set_ylabel("GFLOP/s")
        row[0].legend(loc="lower right")
    for axes in grid[-1]:
        axes.set_xlabel("rows")
    return figure


def draw_tokens(points: list[Point]) -> Figure:
    whats = {"pass": "one pass, logits at the end", "score": "every token scored"}
    lengths = sorted({point["tokens"] for point in points})
    per_token = [1e3 * point["seconds"] / point["tokens"] for point in points]
    figure, all_axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
    for axes, (what, title) in zip(all_axes, whats.items()):
        for index, model in enumerate(names_in(points, "model")):
            x, seconds = columns(choose(points, model=model, what=what), "tokens", "seconds")
            line(axes, index, x, [1e3 * s / n for n, s in zip(x, seconds)], model)
        axes.set_title(f"{title}, {threads_of(points)}")
        axes.set_xlabel("tokens of the text")
        axes.set_xscale("log", base=2)
        mark(axes.xaxis, lengths)
        mark_log(axes.yaxis, min(per_token), max(per_token))
    all_axes[0].set_ylabel("milliseconds a token")
    all_axes[0].legend(loc="best")
    return figure


def draw_templates(points: list[Point]) -> Figure:
    whats = {"step": "a step of the value optimisation", "keys": "keys of an edit, once"}
    counts = sorted({point["templates"] for point in points})
    rows = [{point["rows"] for point in choose(points, templates=count)} for count in counts]
    seconds = [point["seconds"] for point in points]
    figure, all_axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
    for axes, (what, title) in zip(all_axes, whats.items()):
        for index, model in enumerate(names_in(points, "model")):
            x, y = columns(choose(points, model=model, what=what), "templates", "seconds")
            line(axes, index, x, y, model)
        axes.set_xlabel("context templates")
        axes.set_xscale("log")
        mark(axes.xaxis, counts)
        mark_log(axes.yaxis, min(seconds), max(seconds))
        axes.set_title(f"{title}, {threads_of(points)}")
    if all(len(different) == 1 for different in rows):  # one tokenizer: the same for all models
        all_axes[0].set_xticks(counts, [f"{count}\n({min(different)})" for count, different in zip(counts, rows)])
        all_axes[0].set_xlabel("context templates (rows that change)")
    all_axes[0].set_ylabel("seconds")
    all_axes[0].legend(loc="upper left")
    return figure


PICTURES = {"threads": draw_threads, "rows": draw_rows, "tokens": draw_tokens, "templates": draw_templates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("points", type=pathlib.Path, nargs="+", metavar="FILE.jsonl")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("docs/images"))
    parser.add_argument("--png", type=pathlib.Path, help="a folder for the same pictures in pixels")
    arguments = parser.parse_args()
    points = read_points(arguments.points)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.png:
        arguments.png.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update(STYLE)
    for topic, draw in PICTURES.items():
        chosen = choose(points, topic=topic)
        if not chosen:
            print(f"no points of {topic}")
            continue
        figure = draw(chosen)
        path = arguments.output / f"scaling-{topic}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        path.write_text(squeeze(path.read_text()))
        if arguments.png:
            figure.savefig(arguments.png / f"scaling-{topic}.png", dpi=110)
        plt.close(figure)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
