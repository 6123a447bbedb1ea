/*
 * How fast the simulator is on one thread, with all checks on: events and runs a second. Wall time is what a user
 * waits; processor time is what to compare on a machine that does other work beside.
 *
 *     npx tsx test/bench/sim.ts [SCENARIO] [RUNS]
 */
import { scenarioNamed } from "../../scenarios/index.ts";
import { planOf, runPlan } from "../../sim/runner.ts";

const scenario = scenarioNamed(process.argv[2] ?? "steady");
if (scenario === undefined) throw new Error("no such scenario");
const runs = Number(process.argv[3] ?? "40");
const warmUp = Math.max(4, runs >> 2);

interface Figures {
  runs: number;
  events: number;
  simulatedMs: number;
  operations: number;
  wallMs: number;
  cpuMs: number;
  planMs: number;
}

function measure(from: number, to: number): Figures {
  const figures: Figures = { runs: 0, events: 0, simulatedMs: 0, operations: 0, wallMs: 0, cpuMs: 0, planMs: 0 };
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  for (let seed = from; seed < to; seed++) {
    const planStartedMs = performance.now();
    const plan = planOf(scenario as NonNullable<typeof scenario>, seed);
    figures.planMs += performance.now() - planStartedMs;
    const result = runPlan(plan);
    if (result.verdict !== "holds") process.stdout.write(`seed ${seed} is ${result.verdict}\n`);
    figures.runs += 1;
    figures.events += result.events ?? 0;
    figures.simulatedMs += result.simulatedMs ?? 0;
    figures.operations += result.operations;
  }
  const used = process.cpuUsage(cpu);
  figures.wallMs = performance.now() - startedMs;
  figures.cpuMs = (used.user + used.system) / 1_000;
  return figures;
}

/** A fixed amount of arithmetic: how much of a processor this process really gets. About 1,000 ms on an idle core. */
function calibrate(): number {
  const cpu = process.cpuUsage();
  let value = 1;
  for (let round = 0; round < 700_000_000; round++) value = (Math.imul(value, 31) + round) | 0;
  const used = process.cpuUsage(cpu);
  return value === 0 ? 0 : (used.user + used.system) / 1_000;
}

measure(1, 1 + warmUp);
const before = calibrate();
const figures = measure(1_000, 1_000 + runs);
const slowness = (before + calibrate()) / 2 / 1_000;

function row(name: string, count: number): string {
  const perSecond = (ms: number): string => {
    const rate = (count / ms) * 1_000;
    return rate < 100 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
  };
  const { wallMs, cpuMs } = figures;
  return [
    name.padEnd(10),
    perSecond(wallMs).padStart(12),
    perSecond(cpuMs).padStart(11),
    perSecond(cpuMs / slowness).padStart(15),
  ].join(" ");
}

process.stdout.write(
  [
    `${scenario.name}: ${figures.runs} runs, ${figures.events} events, ${figures.operations} operations`,
    "            per wall s   per cpu s  per idle cpu s",
    row("events", figures.events),
    row("sim s", figures.simulatedMs / 1_000),
    row("runs", figures.runs),
    `the processor is ${slowness.toFixed(2)} times slower than an idle one; ` +
      `drawing the plans took ${figures.planMs.toFixed(0)} ms of ${figures.wallMs.toFixed(0)} ms`,
    "",
  ].join("\n"),
);
