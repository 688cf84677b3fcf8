#!/usr/bin/env python3
"""Times meshscope on access logs against what else would be picked for the job.

    python3 benches/compare/compare.py [--size BYTES] [--runs N] [--folder DIR] [--pipe BYTES]

Installs Polars, DuckDB (pip, into an environment of their own), angle-grinder (cargo), mawk, jq and lnav (the
distribution's packages, where apt-get may be used), writes a log of 1 GB as text and as JSON, and has every tool read
every field of each line and count lines by upstream cluster, response code and response flags. The tools take turns
on the same file, on one core; the answers are compared before any time counts. A tool that cannot be had is named.
The rows are those of the goals: T1 to T7 for text, J1 for JSON, and the memory for an endless pipe.
"""

import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# The fields of Istio's default layout in another order, as the generator's layout `custom` has them.
CUSTOM_FORMAT = (
    '%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER% [%START_TIME%] "%REQ(:METHOD)% '
    '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% '
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
    '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% '
    '%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\\n'
)

POLARS = """
import sys, polars
names = [f"f{n}" for n in range(22)]
frame = polars.scan_csv(sys.argv[1], separator=" ", has_header=False, quote_char='"', infer_schema=False,
    schema={name: polars.String for name in names})
for row in frame.group_by("f16", "f2", "f3").agg(polars.len(), *[polars.col(n).last() for n in names
        if n not in ("f16", "f2", "f3")]).collect().iter_rows():
    print(row[0], row[1], row[2], row[3], sep="\\t")
"""
DUCKDB_TEXT = """
import sys, duckdb
names = [f"f{n}" for n in range(22)]
duckdb.sql("SET threads = 1")
columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
last = ", ".join(f"any_value({n})" for n in names if n not in ("f16", "f2", "f3"))
for row in duckdb.sql(f"SELECT f16, f2, f3, count(*), {last} FROM read_csv('{sys.argv[1]}', delim=' ', quote='\\"', "
        f"escape='\\"', header=false, auto_detect=false, columns={{{columns}}}) GROUP BY 1, 2, 3").fetchall():
    print(*row[:4], sep="\\t")
"""
DUCKDB_JSON = """
import sys, duckdb
duckdb.sql("SET threads = 1")
for row in duckdb.sql("SELECT coalesce(upstream_cluster, '-'), response_code, response_flags, count(*), "
        "any_value(COLUMNS(* EXCLUDE (upstream_cluster, response_code, response_flags))) "
        f"FROM read_json('{sys.argv[1]}', format='newline_delimited') GROUP BY 1, 2, 3").fetchall():
    print(*row[:4], sep="\\t")
"""
MAWK = r"""{ split($3, a, " "); split($5, b, " "); n = split($NF, c, " "); count[c[1] "\t" a[1] "\t" a[2]]++ }
END { for (key in count) print key "\t" count[key] }"""
GRINDER_TEXT = (
    '* | parse "[*] \\"* * *\\" * * * * \\"*\\" * * * * \\"*\\" \\"*\\" \\"*\\" \\"*\\" \\"*\\" * * * * * *" as '
    'time, method, path, protocol, code, flags, details, termination, reason, received, sent, duration, service, '
    'xff, agent, id, authority, host, cluster, local, downlocal, remote, sni, route | count by cluster, code, flags'
)
GRINDER_JSON = "* | json | count by upstream_cluster, response_code, response_flags"
JQ = (
    'reduce inputs as $line ({}; .[[$line.upstream_cluster // "-", $line.response_code, $line.response_flags] | '
    '@tsv] += 1) | to_entries[] | "\\(.key)\\t\\(.value)"'
)
LNAV = (
    ";SELECT upstream_cluster, response_code, response_flags, count(*) FROM istio_access_log "
    "GROUP BY 1, 2, 3"
)


def say(*words):
    print(*words, flush=True)


def run(command, **options):
    return subprocess.run(command, check=True, **options)


class Tools:
    """What is compared, installed where it can be."""

    def __init__(self, folder):
        self.folder = folder
        self.missing = []
        run(["cargo", "build", "--release", "--quiet"], cwd=ROOT)
        target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
        self.meshscope = os.path.join(target, "release", "meshscope")
        built = run(
            ["cargo", "bench", "--quiet", "--bench", "generate", "--no-run", "--message-format=json"],
            cwd=ROOT, capture_output=True, text=True,
        )
        messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
        # The program itself is among them.
        self.generate = next(
            m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "generate"
        )
        self.python = self.with_pip()
        self.grinder = self.with_cargo()
        for name in ("mawk", "jq", "lnav"):
            self.with_apt(name)

    def with_pip(self):
        home = os.path.join(self.folder, "python")
        python = os.path.join(home, "bin", "python")
        if not os.path.exists(python):
            run([sys.executable, "-m", "venv", home])
        try:
            run([python, "-m", "pip", "install", "--quiet", "polars", "duckdb", "pytz"])
        except subprocess.CalledProcessError:
            self.missing.append("polars and duckdb (pip)")
            return None
        return python

    def with_cargo(self):
        home = os.path.join(self.folder, "cargo")
        program = os.path.join(home, "bin", "agrind")
        try:
            if not os.path.exists(program):
                run(["cargo", "install", "--quiet", "--root", home, "ag"])
        except subprocess.CalledProcessError:
            self.missing.append("angle-grinder (cargo)")
            return None
        return program

    def with_apt(self, name):
        if shutil.which(name) is None and shutil.which("apt-get"):
            subprocess.run(["apt-get", "install", "--yes", name], capture_output=True, check=False)
        if shutil.which(name) is None:
            self.missing.append(name)


def timed(command, cores, environment=None, stdin=None):
    """Wall time in seconds, most memory in MB, and what was printed, of one process bound to these cores."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=stdin,
        env={**os.environ, **(environment or {})}, preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return took, usage.ru_maxrss / 1024, out.decode(errors="replace")


def from_tsv(text):
    counts = collections.Counter()
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 4 and fields[3].isdigit():
            counts[tuple(fields[:3])] += int(fields[3])
    return counts


def from_meshscope(text):
    counts = collections.Counter()
    for group in json.loads(text)["groups"]:
        # The order of flags is the proxy's; a report has them as a list.
        flags = ",".join(group["responseFlags"]) or "-"
        counts[(group["upstreamCluster"] or "-", str(group["responseCode"]), flags)] += group["count"]
    return counts


def from_grinder(text):
    counts = collections.Counter()
    for row in json.loads(text):
        key = (row.get("upstream_cluster"), row["response_code"], row["response_flags"])
        counts[tuple("-" if part in (None, "None") else str(part) for part in key)] += row["_count"]
    return counts


def from_lnav(text):
    counts = collections.Counter()
    for row in json.loads(text or "[]"):
        counts[(row["upstream_cluster"], str(row["response_code"]), row["response_flags"])] += row["count(*)"]
    return counts


def sorted_flags(counts):
    """The same with flags in one order, for comparison: a set has none."""
    found = collections.Counter()
    for (cluster, code, flags), count in counts.items():
        found[(cluster, code, ",".join(sorted(flags.split(","))))] += count
    return found


def take_turns(title, tools, runs):
    """Runs each tool `runs` times in turn; prints and returns the middle times. The first tool's answer is the one
    that the others have to give."""
    say(f"\n{title}")
    times, memory, answers = collections.defaultdict(list), {}, {}
    for turn in range(runs):
        for name, (command, environment, read) in tools.items():
            # Slow tools have their turn once.
            if turn and times[name][0] > 40:
                continue
            took, most, out = timed(command, {0}, environment)
            times[name].append(took)
            memory[name] = max(most, memory.get(name, 0))
            if turn == 0 and read is not None:
                answers[name] = sorted_flags(read(out))
    middle = {name: statistics.median(took) for name, took in times.items()}
    first = next(iter(tools))
    for name in tools:
        agrees = "" if name not in answers else ("agrees" if answers[name] == answers[first] else "OTHER ANSWER")
        say(f"  {name:<28} {middle[name]:8.2f} s  {memory[name]:7.0f} MB  x{middle[name] / middle[first]:<7.2f} {agrees}")
    return middle, answers


def goal(name, wanted, got):
    say(f"  {name}: {got:.2f} (goal {wanted}): {'reached' if got >= wanted else 'NOT reached'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=1_000_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", default=os.path.join(ROOT, "target", "compare"))
    parser.add_argument("--pipe", type=int, default=10_000_000_000, help="bytes for the endless pipe; 0 leaves it out")
    asked = parser.parse_args()
    os.makedirs(asked.folder, exist_ok=True)
    tools = Tools(asked.folder)
    files = {}
    for layout in ("text", "custom", "json", "quotes"):
        files[layout] = os.path.join(asked.folder, f"{layout}-{asked.size}.log")
        if not os.path.exists(files[layout]):
            run([tools.generate, layout, str(asked.size), files[layout]])
        # Into the page cache.
        with open(files[layout], "rb") as file:
            while file.read(1 << 24):
                pass
    if tools.missing:
        say("not to be had here:", ", ".join(tools.missing))
    one = {"RAYON_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "LC_ALL": "C"}
    ours = lambda file, *more: [tools.meshscope, "logs", "-f", file, "-o", "json", *more]

    text = {"meshscope": (ours(files["text"]), one, from_meshscope)}
    text["meshscope, custom format"] = (
        ours(files["custom"], "--log-format", CUSTOM_FORMAT), one, from_meshscope)
    if tools.python:
        text["polars"] = ([tools.python, "-c", POLARS, files["text"]], one, from_tsv)
        text["duckdb"] = ([tools.python, "-c", DUCKDB_TEXT, files["text"]], one, from_tsv)
    if shutil.which("mawk"):
        text["mawk"] = (["mawk", "-F", '"', MAWK, files["text"]], one, from_tsv)
    text["newlines alone"] = ([tools.generate, "newlines", files["text"]], one, None)
    text["newlines, counted only"] = ([tools.generate, "count", files["text"]], one, None)
    middle, _ = take_turns(f"text, {asked.size / 1e9:.2f} GB, one core", text, asked.runs)
    ratio = lambda name: middle[name] / middle["meshscope"]
    for name, label, wanted in (("polars", "T1 polars", 2), ("duckdb", "T1 duckdb", 2), ("mawk", "T2 mawk", 2.5)):
        if name in middle:
            goal(label, wanted, ratio(name))
    goal("T3 of a scan for newlines", 0.25, ratio("newlines alone"))
    say(f"   (of adding up newlines without finding any: {ratio('newlines, counted only'):.2f})")
    goal("T6 custom format, of the built-in one", 0.8, middle["meshscope"] / middle["meshscope, custom format"])

    slow = {"meshscope": text["meshscope"]}
    small = files["text"] + ".part"
    with open(files["text"], "rb") as file, open(small, "wb") as part:
        part.write(file.read(asked.size // 5).rpartition(b"\n")[0] + b"\n")
    slow["meshscope"] = (ours(small), one, from_meshscope)
    if tools.grinder:
        slow["angle-grinder"] = ([tools.grinder, "-f", small, GRINDER_TEXT, "-o", "json"], one, None)
    if shutil.which("lnav"):
        home = os.path.join(asked.folder, "lnav")
        os.makedirs(os.path.join(home, "lnav", "formats", "istio"), exist_ok=True)
        shutil.copy(os.path.join(HERE, "lnav-format.json"), os.path.join(home, "lnav", "formats", "istio"))
        command = ["lnav", "-n", "-c", LNAV, "-c", ":write-json-to -", small]
        slow["lnav"] = (command, {**one, "XDG_CONFIG_HOME": home}, from_lnav)
    middle, _ = take_turns(f"text, {asked.size / 5e9:.2f} GB, the slow ones", slow, 1)
    for name, label, wanted in (("angle-grinder", "T2 angle-grinder", 25), ("lnav", "T2 lnav", 8)):
        if name in middle:
            goal(label, wanted, middle[name] / middle["meshscope"])

    say("\ntwo threads (T4)")
    took = {}
    for threads in (1, 2):
        runs = [
            timed(ours(files["text"]), set(range(threads)), {"RAYON_NUM_THREADS": str(threads)})[0]
            for _ in range(max(asked.runs, 5))
        ]
        took[threads] = statistics.median(runs)
        say(f"  {threads} threads {took[threads]:8.2f} s")
    goal("T4", 1.7, took[1] / took[2])

    quotes = {"meshscope": (ours(files["quotes"]), one, from_meshscope)}
    for name in ("polars", "duckdb", "mawk"):
        if name in text:
            command, environment, read = text[name]
            quotes[name] = ([files["quotes"] if word == files["text"] else word for word in command], environment, read)
    say("\nraw quotes in a header (T7): lines that each counts as they are")
    wanted = truth(files["quotes"])
    for name, (command, environment, read) in quotes.items():
        try:
            answer = sorted_flags(read(timed(command, {0}, environment)[2]))
        except RuntimeError as error:
            say(f"  {name:<28} gives up: {error}")
            continue
        right = sum(min(count, answer.get(key, 0)) for key, count in wanted.items())
        say(f"  {name:<28} {right} of {sum(wanted.values())}")

    lines = {"meshscope": (ours(files["json"]), one, from_meshscope)}
    if tools.python:
        lines["duckdb"] = ([tools.python, "-c", DUCKDB_JSON, files["json"]], one, from_tsv)
    if shutil.which("jq"):
        lines["jq"] = (["jq", "-n", "-r", JQ, files["json"]], one, from_tsv)
    if tools.grinder:
        lines["angle-grinder"] = ([tools.grinder, "-f", files["json"], GRINDER_JSON, "-o", "json"], one, from_grinder)
    middle, _ = take_turns(f"JSON, {asked.size / 1e9:.2f} GB, one core (J1)", lines, asked.runs)
    for name, label, wanted in (("duckdb", "J1 duckdb", 1.2), ("angle-grinder", "J1 angle-grinder", 4), ("jq", "J1 jq", 9)):
        if name in middle:
            goal(label, wanted, middle[name] / middle["meshscope"])

    if asked.pipe:
        say(f"\n{asked.pipe / 1e9:.1f} GB from a pipe (T5)")
        times = max(1, asked.pipe // asked.size)
        feed = subprocess.Popen(["cat", *[files["text"]] * times], stdout=subprocess.PIPE)
        took, most, out = timed(ours("-"), set(range(os.cpu_count() or 1)), stdin=feed.stdout)
        feed.stdout.close()
        feed.wait()
        say(f"  {json.loads(out)['lines']['read']} lines in {took:.1f} s, at most {most:.0f} MB (goal 64 MB and group keys)")


def truth(file):
    """Read with the one thing that a caller cannot write: the layout from both ends."""
    counts = collections.Counter()
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            code, flags = line.split('" ', 1)[1].split(" ", 2)[:2]
            cluster = line.rsplit('" ', 1)[1].split(" ", 1)[0]
            counts[(cluster, code, flags)] += 1
    return sorted_flags(counts)


if __name__ == "__main__":
    main()
