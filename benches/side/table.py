"""The results as Markdown and as JSON."""

import json
import statistics
import time

from .apps import APPS
from .host import machine
from .journeys import JOURNEYS

HEAD = ("journey", "deployer", "runs", "live after", "push ends", "own share", "npm / pip / python", "all programs", "written",
        "own memory", "failed requests", "p50 / p99 / max")  # fmt: skip


def values(samples, key):
    return [sample[key] for sample in samples if sample.get(key) is not None]


def seconds(samples, key):
    found = values(samples, key)
    if not found:
        return "-"
    middle = f"{statistics.median(found):.2f} s"
    return middle if len(found) == 1 else f"{middle} ({min(found):.2f} to {max(found):.2f})"


def middle(samples, key, form):
    found = values(samples, key)
    return form(statistics.median(found)) if found else "-"


def size(count):
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"


def row(journey, name, samples, failures):
    runs = str(len(samples)) + (f", {len(failures)} failed" if failures else "")
    started = [sample["started"] for sample in samples]
    kinds = " / ".join(str(round(statistics.median(count[kind] for count in started))) for kind in ("npm", "pip", "python")) if started else "-"
    every = str(round(statistics.median(sum(count.values()) for count in started))) if started else "-"
    loads = [sample["load"] for sample in samples if sample["load"]]
    if loads:
        failed = [load["failed"] for load in loads]
        lost = f"{min(failed)}-{round(statistics.median(failed))}-{max(failed)} of {round(statistics.median(load['requests'] for load in loads))}"
        latency = (f"{statistics.median(load['p50'] for load in loads):.0f} / {statistics.median(load['p99'] for load in loads):.0f} / "
                   f"{max(load['worst'] for load in loads):.0f} ms")  # fmt: skip
    else:
        lost = latency = "-"
    return (journey, name, runs, seconds(samples, "live"), seconds(samples, "end"), middle(samples, "own", lambda v: f"{v:.0f} ms"), kinds,
            every, middle(samples, "written", size), middle(samples, "memory", lambda v: f"{v:.1f} MB" if v else "-"), lost, latency)  # fmt: skip


def markdown(results, about):
    """`results`: {app: {journey: {deployer: {"samples": [], "failures": []}}}}"""
    lines = [f"{about['date']}; {about['machine']}; {about['landfall']}. Load of the machine at the start {about['load']}, at the end "
             f"{about['load_end']}.", ""]  # fmt: skip
    for app, journeys in results.items():
        lines += [f"### {title(app)}", "", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
        for journey, deployers in journeys.items():
            for name, found in deployers.items():
                lines.append("| " + " | ".join(row(journey, name, found["samples"], found["failures"])) + " |")
        lines.append("")
    lines += reasons(results)
    lines += notes(about)
    return "\n".join(lines) + "\n"


def title(app):
    return "The example app" if app == "example" else f"{APPS[app]:,} files"


def reasons(results):
    found = [f"- {title(app)}, {journey}, {name}: {failure.splitlines()[0]}" for app, journeys in results.items()
             for journey, deployers in journeys.items() for name, one in deployers.items() for failure in one["failures"]]  # fmt: skip
    return ["Failed:", "", *found, ""] if found else []


def notes(about):
    text = [f"Medians of the runs in the third column (with the least and the most), {about['warm_up']}; {about['runs']} were asked for"
            + (f", {about['stopped']}" if about["stopped"] else "") + "."]  # fmt: skip
    text.append("Failed requests: least-median-most of a run; p50 and p99: medians of the runs; max: of all runs.")
    if not about["exact"]:
        text.append("Programs were counted by looking every 20 ms, for the kernel would not tell (it tells root, outside containers): at least so many.")
    return text


BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def put(text, file):
    """Into a page between its marks, or as the whole file."""
    page = file.read_text() if file.exists() else ""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n{text}{END}{after}" if begin and end else text)


def save(results, about, file):
    part = file.with_name(file.name + ".part")
    part.write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")
    part.rename(file)


def load_average():
    with open("/proc/loadavg") as file:
        return file.read().split()[0]


def about(landfall, options, exact):
    warm_up = "without a warm-up" if options.quick else "after one warm-up"
    return {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "landfall": landfall, "runs": options.runs, "warm_up": warm_up, "load": load_average(),
            "load_end": "-", "exact": exact, "stopped": "", "journeys": list(JOURNEYS)}  # fmt: skip
