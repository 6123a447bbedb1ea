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

measure(1, 1 + warmUp);
const figures = measure(1_000, 1_000 + runs);
const perSecond = (count: number, ms: number): string => Math.round((count / ms) * 1_000).toLocaleString("en");
process.stdout.write(
  [
    `${scenario.name}: ${figures.runs} runs, ${figures.events} events, ${figures.operations} operations`,
    `            per wall s   per cpu s`,
    `events    ${perSecond(figures.events, figures.wallMs).padStart(12)} ${perSecond(figures.events, figures.cpuMs).padStart(11)}`,
    `sim s     ${perSecond(figures.simulatedMs / 1_000, figures.wallMs).padStart(12)} ${perSecond(figures.simulatedMs / 1_000, figures.cpuMs).padStart(11)}`,
    `runs      ${((figures.runs / figures.wallMs) * 1_000).toFixed(1).padStart(12)} ${((figures.runs / figures.cpuMs) * 1_000).toFixed(1).padStart(11)}`,
    `drawing the plans took ${figures.planMs.toFixed(0)} ms of ${figures.wallMs.toFixed(0)} ms`,
    "",
  ].join("\n"),
);
