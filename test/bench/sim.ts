/*
 * How fast the simulator is on one thread, with all checks on: events and runs a second. Wall time is what a user
 * waits; processor time is what to compare on a machine that does other work beside, though neighbours on one core slow
 * it too. Only two measurements of one minute compare well.
 *
 *     npx tsx test/bench/sim.ts [SCENARIO] [RUNS] [--json]
 */
import { parseArgs } from "node:util";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Scenario } from "../../scenarios/scenario.ts";
import { planOf, runPlan } from "../../sim/runner.ts";

/** Runs before the clock starts: the engine has compiled what is hot by then. */
const warmUpRuns = 20;
const firstMeasuredSeed = 1_000;

interface Figures {
  readonly runs: number;
  readonly events: number;
  readonly operations: number;
  readonly simulatedMs: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

function measure(scenario: Scenario, seeds: { readonly from: number; readonly runs: number }): Figures {
  let events = 0;
  let operations = 0;
  let simulatedMs = 0;
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  for (let seed = seeds.from; seed < seeds.from + seeds.runs; seed++) {
    const result = runPlan(planOf(scenario, seed));
    if (result.verdict !== "holds") process.stderr.write(`seed ${seed} is ${result.verdict}\n`);
    events += result.events ?? 0;
    operations += result.operations;
    simulatedMs += result.simulatedMs ?? 0;
  }
  const { user, system } = process.cpuUsage(cpu);
  const wallMs = performance.now() - startedMs;
  return { runs: seeds.runs, events, operations, simulatedMs, wallMs, cpuMs: (user + system) / 1_000 };
}

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false } },
  allowPositionals: true,
});
const scenario = scenarioNamed(positionals[0] ?? "steady");
if (scenario === undefined) throw new Error(`no scenario is named ${positionals[0]}`);
measure(scenario, { from: 1, runs: warmUpRuns });
const figures = measure(scenario, { from: firstMeasuredSeed, runs: Number(positionals[1] ?? "40") });
const { runs, events, operations, simulatedMs, wallMs, cpuMs } = figures;

function row(name: string, count: number): string {
  const perSecond = (ms: number): string => {
    const rate = (count / ms) * 1_000;
    return rate < 100 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
  };
  return [name.padEnd(10), perSecond(wallMs).padStart(12), perSecond(cpuMs).padStart(12)].join(" ");
}

if (values.json) process.stdout.write(`${JSON.stringify({ scenario: scenario.name, ...figures })}\n`);
else {
  const lines = [
    `${scenario.name}: ${runs} runs, ${events} events, ${operations} operations`,
    `${"".padEnd(10)} ${"per wall s".padStart(12)} ${"per cpu s".padStart(12)}`,
    row("events", events),
    row("sim s", simulatedMs / 1_000),
    row("runs", runs),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
