/*
 * The figures of `npm run bench`: each bench in a short form and a process of its own, one after the other, and beside
 * each figure its goal on an idle machine of two cores. One run of one machine: compare two only when both were made in
 * the same minutes.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly goal: number;
  /** Which side of the goal is the good one. */
  readonly better: "more" | "less";
}

function figuresOf(bench: string, args: readonly string[]): { readonly [field: string]: number } {
  const path = join(import.meta.dirname, bench);
  process.stderr.write(`${bench} ${args.join(" ")} …\n`);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", path, ...args], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${bench} ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout);
}

const of = (figures: { readonly [field: string]: number }, field: string): number => {
  const figure = figures[field];
  if (figure === undefined) throw new Error(`the bench gave no ${field}`);
  return figure;
};

function simulator(): Figure[] {
  const figures = figuresOf("sim.ts", ["steady", "20", "--json"]);
  const seconds = of(figures, "wallMs") / 1_000;
  const of3 = "simulator, 3 members, all checks, one thread";
  return [
    { name: of3, unit: "events/s", ours: of(figures, "events") / seconds, goal: 1_500_000, better: "more" },
    {
      name: of3,
      unit: "simulated s/s",
      ours: of(figures, "simulatedMs") / 1_000 / seconds,
      goal: 2_500,
      better: "more",
    },
    { name: of3, unit: "runs/s", ours: of(figures, "runs") / seconds, goal: 37, better: "more" },
  ];
}

function checking(): Figure[] {
  const figures = figuresOf("checking.ts", ["100000", "--json"]);
  const name = "linearizability of 100,000 operations with revisions";
  return [{ name, unit: "ms", ours: of(figures, "checkMs"), goal: 40, better: "less" }];
}

function member(): Figure[] {
  const figures = figuresOf("member.ts", ["--clients", "64", "--seconds", "3", "--warmup", "3", "--keys", "20000"]);
  const name = "one member, 64 clients, every write synced";
  return [
    { name, unit: "puts/s", ours: of(figures, "putsPerSecond"), goal: 22_000, better: "more" },
    { name, unit: "µs cpu/put", ours: of(figures, "cpuMicrosecondsPerPut"), goal: 41, better: "less" },
    { name: "kill −9 to the first put", unit: "ms", ours: of(figures, "recoveryMs"), goal: 2_000, better: "less" },
  ];
}

const shown = (value: number): string => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));

process.stdout.write(`${"".padEnd(68)} ${"ours".padStart(10)} ${"goal".padStart(10)}   ratio (1 or more: reached)\n`);
for (const bench of [simulator, checking, member]) {
  for (const { name, unit, ours, goal, better } of bench()) {
    const ratio = better === "more" ? ours / goal : goal / ours;
    const what = `${name}, ${unit}`.padEnd(68);
    process.stdout.write(`${what} ${shown(ours).padStart(10)} ${shown(goal).padStart(10)}   ${ratio.toFixed(2)}\n`);
  }
}
