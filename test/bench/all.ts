/*
 * The figures of `npm run bench`: each bench in a short form and a process of its own, one after the other. Beside our
 * figure stands that of a stock etcd, measured in the same run by turns; where there is no such thing to measure, the
 * goal on an idle machine of two cores. One run of one machine: compare two only when both were made in the same
 * minutes. About fifteen minutes; --only NAME[,NAME…] runs some.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly other: number;
  /** 1 or more: ours is not worse. */
  readonly ratio: number;
}

/** What a bench printed: one JSON object a line. */
function linesOf(bench: string, args: readonly string[]): { readonly [field: string]: unknown }[] {
  const path = join(import.meta.dirname, bench);
  process.stderr.write(`${bench} ${args.join(" ")} …\n`);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", path, ...args], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${bench} ended with ${status}:\n${stderr}`);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function numberOf(fields: { readonly [field: string]: unknown }, field: string): number {
  const value = fields[field];
  if (typeof value !== "number") throw new Error(`the bench gave no ${field}`);
  return value;
}

/** Benches that print what they compared. */
const compared = (bench: string, ...args: string[]): Row[] =>
  linesOf(bench, args).map((line) => ({
    what: String(line["what"]),
    unit: String(line["unit"]),
    ours: numberOf(line, "ours"),
    other: numberOf(line, "etcd"),
    ratio: numberOf(line, "ratio"),
  }));

function pair(members: number, clients: string): Row[] {
  const args = ["--members", String(members), "--clients", clients, "--rounds", "2", "--seconds", "2"];
  return linesOf("pair.ts", args).flatMap((line) => {
    const { ours, other, call } = line as { ours: Fields; other: Fields; call: string };
    const what = `${call}, ${members === 1 ? "one member" : "three members"}, ${line["clients"]} clients`;
    const row = (unit: string, field: string, better: "more" | "less"): Row => {
      const own = numberOf(ours, field);
      const anchor = numberOf(other, field);
      return { what, unit, ours: own, other: anchor, ratio: better === "more" ? own / anchor : anchor / own };
    };
    return [
      row("calls/s", "callsPerSecond", "more"),
      row("ms, p99", "p99Ms", "less"),
      row("µs of CPU a call", "cpuMicroseconds", "less"),
    ];
  });
}
type Fields = { readonly [field: string]: unknown };

function simulator(): Row[] {
  const [figures = {}] = linesOf("sim.ts", ["steady", "20", "--json"]);
  const seconds = numberOf(figures, "wallMs") / 1_000;
  const what = "simulator, 3 members, all checks, one thread (goal)";
  const row = (unit: string, count: number, goal: number): Row => {
    return { what, unit, ours: count / seconds, other: goal, ratio: count / seconds / goal };
  };
  return [
    row("events/s", numberOf(figures, "events"), 1_500_000),
    row("simulated s/s", numberOf(figures, "simulatedMs") / 1_000, 2_500),
    row("runs/s", numberOf(figures, "runs"), 37),
  ];
}

function checking(): Row[] {
  const [figures = {}] = linesOf("checking.ts", ["100000", "--json"]);
  const ours = numberOf(figures, "checkMs");
  const what = "linearizability of 100,000 operations with revisions (goal)";
  return [{ what, unit: "ms", ours, other: 40, ratio: 40 / ours }];
}

const benches: { readonly [name: string]: () => Row[] } = {
  pair: () => pair(1, "1,64,256"),
  pair3: () => pair(3, "1,64,256"),
  watchers: () => compared("watchers.ts"),
  "late-watch": () => compared("late-watch.ts", "--revisions", "50000", "--rounds", "1"),
  large: () => compared("large.ts", "--revisions", "100000"),
  "large-1m": () => compared("large.ts"),
  recovery: () => compared("recovery.ts"),
  "catch-up": () => compared("catch-up.ts"),
  failover: () => compared("failover.ts"),
  snapshot: () => compared("snapshot.ts"),
  simulator,
  checking,
};

const { values } = parseArgs({ options: { only: { type: "string", default: Object.keys(benches).join(",") } } });
const shown = (value: number): string => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));

process.stdout.write(
  `${"".padEnd(84)} ${"ours".padStart(10)} ${"etcd, goal".padStart(10)}   ratio (1 or more: not worse)\n`,
);
for (const name of values.only.split(",")) {
  const bench = benches[name];
  if (bench === undefined) throw new Error(`no bench is named ${name}; there are ${Object.keys(benches).join(", ")}`);
  for (const { what, unit, ours, other, ratio } of bench()) {
    const row = `${what}, ${unit}`.padEnd(84);
    process.stdout.write(`${row} ${shown(ours).padStart(10)} ${shown(other).padStart(10)}   ${ratio.toFixed(2)}\n`);
  }
}
