/*
 * faultline drill: scenarios on real processes, one after the other. Ctrl-C ends the run under way in order: its report
 * is written, its processes are gone. What this machine lets a drill break is tried and printed first.
 */
import { existsSync, readFileSync } from "node:fs";
import { runVerb, wholeNumber } from "../reports/command.ts";
import { exitCodes, UsageError } from "../reports/exit-code.ts";
import { exitCodeOfVerdict, jsonOfRun, linesOfRun } from "../reports/verdict.ts";
import { worstVerdict } from "../scenarios/check/verdict.ts";
import { scenarioNamed, scenarios } from "../scenarios/index.ts";
import type { Plan } from "../scenarios/plan.ts";
import { parsePlan } from "../scenarios/plan-format.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { capabilityLines, type NetworkKind } from "./capabilities.ts";
import { ClusterProblem } from "./cluster.ts";
import { type DrillOptions, drawDrill, drillPlans, OutputProblem, writeOverview } from "./drill-plan-command.ts";
import { findWay, isInside, runInside, whenOuterEnds } from "./enter-namespaces.ts";
import { Interruption } from "./interruption.ts";
import { probeMachine } from "./probe-machine.ts";
import { overTls, parseTarget, type Target, targetName } from "./target.ts";
import { ToolProblem } from "./tools.ts";

interface DrillFlags {
  readonly target: string;
  readonly seed?: number;
  readonly plan?: string;
  readonly network: string;
  readonly tls?: boolean;
  readonly probe?: boolean;
  readonly out: string;
  readonly json?: boolean;
}

/** @param argv after the verb @returns exit code: 0 all hold, 1 a check failed, 2 wrong usage, 3 the harness broke */
export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline drill", argv, (program, setExit) => {
    program
      .description("run scenarios on real processes and judge what their clients saw")
      .argument(
        "[SCENARIO...]",
        "names, as faultline list scenarios shows them (default: all that a real world can make)",
      )
      .option(
        "--target <target>",
        "faultline, etcd (a stock binary) or host:port,host:port of a cluster to leave running",
        "faultline",
      )
      .option("--seed <n>", "seed of plans (default: a new one)", wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }))
      .option("--plan <file>", "drill this plan.json, of a run or written by hand, instead of scenarios")
      .option(
        "--network <how>",
        "proxy (a hop before each member), netns (a network namespace for each: nft, tc) or auto (netns where it can be)",
        "proxy",
      )
      .option("--tls", "TLS with certificates on every port, made for this drill")
      .option("--probe", "say what can be broken on this machine, and run nothing")
      .option("--out <dir>", "where run directories go", "reports/out")
      .option("--json", "one JSON object a run on standard output")
      .addHelpText("after", help)
      .action(async (names: string[], flags: DrillFlags) => setExit(await drill(names, flags)));
  });
}

const help = `
Networks:
  proxy needs nothing. netns runs the drill in network and mount namespaces of its own, as root or in a user
  namespace: links break as packets do, a full disk is a small disk that is full, and nothing outside is touched.
  What cannot be broken here is skipped, with its reason in the report.

Examples:
  faultline drill leader-killed --target etcd --seed 7
  faultline drill leader-cut-off --network netns
  faultline drill leader-cut-off --tls
  faultline drill --probe --network netns --target etcd
  faultline drill --target 127.0.0.1:2379,127.0.0.1:22379 steady
`;

async function drill(names: readonly string[], flags: DrillFlags): Promise<number> {
  const parsed = parseTarget(flags.target);
  const target = flags.tls === true && !("problem" in parsed) ? overTls(parsed) : parsed;
  if ("problem" in target) throw new UsageError(target.problem);
  const seed = flags.seed ?? Math.floor(Date.now() / 1_000) % 1_000_000;
  const plans = flags.plan === undefined ? plansOf(names, target, seed) : [planIn(flags.plan, names)];
  const place = await placeOf(flags.network, target);
  if ("exitCode" in place) return place.exitCode;
  return drillHere(plans, { target, network: place.network, flags });
}

function plansOf(names: readonly string[], target: Target, seed: number): readonly Plan[] {
  const chosen =
    names.length === 0
      ? scenarios.filter((scenario) => whyNotDrilled(scenario, target) === undefined)
      : names.map((name) => drillable(name, target));
  return chosen.map((scenario) => drawDrill(scenario, seed));
}

function drillable(name: string, target: Target): Scenario {
  const scenario = scenarioNamed(name);
  if (scenario === undefined)
    throw new UsageError(`no scenario is called "${name}"; faultline list scenarios shows them`);
  const why = whyNotDrilled(scenario, target);
  if (why !== undefined) throw new UsageError(`scenario ${name} ${why}`);
  return scenario;
}

function whyNotDrilled({ worlds, worldsWhy, ownMembersWhy }: Scenario, target: Target): string | undefined {
  if (!worlds.includes("real")) return `is for the simulator only${worldsWhy === undefined ? "" : `: ${worldsWhy}`}`;
  if (ownMembersWhy === undefined || target.kind === "faultline") return undefined;
  return `is for --target faultline only: ${ownMembersWhy}`;
}

function planIn(path: string, names: readonly string[]): Plan {
  if (names.length > 0) throw new UsageError(`--plan ${path} and the scenario ${names[0]} cannot be drilled at once`);
  if (!existsSync(path)) throw new UsageError(`--plan ${path} does not exist; give the plan.json of a run`);
  const reading = parsePlan(readFileSync(path, "utf8"));
  if (!reading.ok) throw new UsageError(`--plan ${path}: ${reading.error}`);
  return reading.plan;
}

/** Which network this process drills on; or, when that is inside of namespaces, how the drill in there ended. */
async function placeOf(
  asked: string,
  target: Target,
): Promise<{ readonly network: NetworkKind } | { readonly exitCode: number }> {
  if (asked !== "proxy" && asked !== "netns" && asked !== "auto") {
    throw new UsageError(`--network "${asked}" is none of proxy, netns and auto`);
  }
  if (asked === "proxy") return { network: "proxy" };
  if (target.kind === "endpoints") {
    if (asked === "auto") return { network: "proxy" };
    throw new UsageError("--network netns: members that run already cannot be moved into a network of the drill's own");
  }
  if (isInside()) return { network: "netns" };
  const way = await findWay();
  if (!("problem" in way)) return { exitCode: await runInside(way) };
  if (asked === "netns") {
    throw new UsageError(`--network netns cannot be made here: ${way.problem}; --network proxy needs no privileges`);
  }
  process.stderr.write(`faultline: links by proxy, as network namespaces cannot be made: ${way.problem}\n`);
  return { network: "proxy" };
}

async function drillHere(
  plans: readonly Plan[],
  { target, network, flags }: { readonly target: Target; readonly network: NetworkKind; readonly flags: DrillFlags },
): Promise<number> {
  const interruption = new Interruption();
  whenOuterEnds(interruption.interrupt);
  try {
    const machine = await probeMachine(target, network);
    const lines = [`what can be broken here, with --target ${targetName(target)} --network ${network}:`];
    const text = [...lines, ...capabilityLines(machine.capabilities)].join("\n");
    if (flags.probe === true) {
      process.stdout.write(`${flags.json === true ? JSON.stringify(machine) : text}\n`);
      return exitCodes.passed;
    }
    process.stderr.write(`${text}\n`);
    return await judgeDrills(
      plans,
      { target, machine, out: flags.out, signal: interruption.signal },
      flags.json === true,
    );
  } catch (error) {
    const isOurs = error instanceof ClusterProblem || error instanceof OutputProblem || error instanceof ToolProblem;
    if (!isOurs) throw error;
    process.stderr.write(`faultline: ${error.message}\n`);
    return interruption.signal.aborted ? exitCodes.interrupted : exitCodes.broken;
  } finally {
    interruption.close();
  }
}

/** @returns the exit code of all runs together */
async function judgeDrills(
  plans: readonly Plan[],
  options: Omit<DrillOptions, "onRun">,
  json: boolean,
): Promise<number> {
  const results = await drillPlans(plans, {
    ...options,
    onRun: ({ run, directory }) => {
      const text = json ? JSON.stringify(jsonOfRun(run, directory)) : linesOfRun(run, directory).join("\n");
      process.stdout.write(`${text}\n`);
    },
  });
  writeOverview(options.out, results);
  const verdict = worstVerdict(results.map(({ run }) => run.verdict));
  return options.signal.aborted && verdict !== "violated" ? exitCodes.interrupted : exitCodeOfVerdict(verdict);
}
