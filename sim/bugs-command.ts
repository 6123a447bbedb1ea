/*
 * `faultline bugs`: how good is the harness? Each planted bug is a patch against core, applied to a copy of the sources,
 * never a switch in the product. The copy is simulated until a check is violated or the budget is spent; a patch may
 * name a small scenario besides, and then everything that may happen in it is tried. Found is good.
 */
import { join } from "node:path";
import { Option } from "commander";
import { Progress, runVerb, wholeNumber } from "../reports/command.ts";
import { exitCodes, UsageError } from "../reports/exit-code.ts";
import { type PlantedBug, PlantedCopy, patchesFolder, plantedBugs } from "./planted-copy.ts";
import { namesNear } from "./selection.ts";

interface Flags {
  readonly budgetS: number;
  readonly jobs?: number;
  readonly by?: "seeds" | "exhaustive";
  readonly withoutInvariants?: true;
  readonly json?: true;
}

interface BugReport {
  readonly bug: string;
  readonly found: boolean;
  /** Seeds simulated, the one that found it included; 0 when none were asked for. */
  readonly seeds: number;
  readonly wallMs: number;
  /** The check that turned red first, and what it said; null when no seed found it. */
  readonly check: string | null;
  readonly detail: string | null;
  /** null: the patch names no small scenario, or it was not asked for. */
  readonly exhaustive: ExhaustiveHunt | null;
}

interface ExhaustiveHunt {
  readonly scenario: string;
  readonly found: boolean;
  readonly states: number;
  /** Steps of the shortest path to it; when it was missed, steps within which everything was tried. */
  readonly depth: number;
  readonly wallMs: number;
  readonly rule: string | null;
  readonly text: string | null;
}

const seedsMax = 1_000_000;

export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline bugs", argv, (program, setExit) => {
    program
      .description(
        "Plants known bugs, one at a time, in a copy of the sources, and simulates until one is found. Where the patch\n" +
          "names a small scenario, everything that may happen in it is tried too.",
      )
      .argument("[name...]", "names, as listed below; none: all")
      .option("--budget-s <S>", "seconds for each bug and way", wholeNumber({ min: 1, max: 86_400 }), 60)
      .option("--jobs <J>", "threads for seeds", wholeNumber({ min: 1, max: 1_024 }))
      .addOption(new Option("--by <WAY>", "only one way (default: both)").choices(["seeds", "exhaustive"]))
      .option(
        "--without-invariants",
        "by what clients see alone: no invariants, and seeds only; a member that stops counts, as `crashes`",
      )
      .option("--json", "one JSON object a bug on standard output")
      .addHelpText("after", () => `\nBugs:\n${plantedBugs().map(helpOf).join("")}`)
      .action(async (names: readonly string[], flags: Flags) => setExit(await hunt(names, flags)));
  });
}

const helpOf = ({ name, meaning, smallScenario, isSimulated }: PlantedBug): string => {
  const note = smallScenario ?? (isSimulated ? undefined : "real members only");
  return `  ${name.padEnd(42)} ${meaning}${note === undefined ? "" : ` [${note}]`}\n`;
};

async function hunt(names: readonly string[], given: Flags): Promise<number> {
  if (given.withoutInvariants && given.by === "exhaustive") {
    throw new UsageError("trying everything has no clients: leave out --without-invariants, or hunt --by seeds");
  }
  const flags: Flags = given.withoutInvariants ? { ...given, by: "seeds" } : given;
  let missed = 0;
  for (const bug of bugsNamed(names)) {
    const report = await huntOne(bug, flags);
    if (!report.found) missed += 1;
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    process.stderr.write(`${textOf(report, flags)}\n`);
  }
  return missed > 0 ? exitCodes.failed : exitCodes.passed;
}

function textOf(report: BugReport, flags: Flags): string {
  const parts: string[] = [];
  if (flags.by !== "exhaustive") {
    const counted = `${report.seeds} seeds, ${secondsOf(report.wallMs)}`;
    parts.push(report.check === null ? `${counted}, all held` : `${counted}, ${report.check}: ${report.detail}`);
  }
  const { exhaustive } = report;
  if (exhaustive !== null) {
    const { scenario, found, states, depth, wallMs, rule, text } = exhaustive;
    const counted = `${states} states of ${scenario}, ${secondsOf(wallMs)}`;
    parts.push(found ? `${counted}, ${depth} steps, ${rule}: ${text}` : `${counted}, all held to depth ${depth}`);
  }
  return `${report.found ? "found " : "missed"}   ${report.bug}: ${parts.join("; ")}`;
}

const secondsOf = (wallMs: number): string => `${(wallMs / 1_000).toFixed(1)} s`;

/** Those that can be simulated; bugs of a real member's own have only their witness. */
function bugsNamed(names: readonly string[]): readonly PlantedBug[] {
  const known = plantedBugs();
  if (known.length === 0)
    throw new UsageError(`${patchesFolder} holds no bugs; they are planted in a source checkout only`);
  if (names.length === 0) return known.filter(({ isSimulated }) => isSimulated);
  return names.map((name) => {
    const bug = known.find((one) => one.name === name);
    if (bug?.isSimulated === false) {
      throw new UsageError(
        `bug ${name} is in a real member, which is not simulated; its witness shows it: npx vitest run test/planted -t ${name}`,
      );
    }
    if (bug !== undefined) return bug;
    const near = namesNear(
      name,
      known.map((one) => one.name),
    );
    throw new UsageError(
      `no bug is named "${name}"; ${near.length === 0 ? "faultline bugs --help shows all" : `did you mean ${near.join(" or ")}?`}`,
    );
  });
}

async function huntOne(bug: PlantedBug, flags: Flags): Promise<BugReport> {
  if (flags.by === "exhaustive" && bug.smallScenario === undefined) {
    throw new UsageError(`bug ${bug.name} names no small scenario; hunt it by seeds, or add a line to its patch`);
  }
  const copy = planted(bug);
  try {
    const none = { seeds: 0, wallMs: 0, check: null, detail: null };
    const bySeeds = flags.by === "exhaustive" ? none : await simulate(bug, copy, flags);
    const exhaustive = flags.by === "seeds" ? null : await explore(bug, copy, flags);
    const found = bySeeds.check !== null || exhaustive?.found === true;
    return { bug: bug.name, found, ...bySeeds, exhaustive };
  } finally {
    copy.remove();
  }
}

function planted({ name }: PlantedBug): PlantedCopy {
  try {
    return new PlantedCopy(name);
  } catch (error) {
    throw new UsageError(`bug ${name} cannot be planted: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The fields of a run's JSON line that are looked at. */
interface RunLine {
  readonly verdict: string;
  readonly checks: readonly { readonly name: string; readonly verdict: string; readonly detail: string }[];
}

async function simulate(
  { name }: PlantedBug,
  copy: PlantedCopy,
  flags: Flags,
): Promise<Pick<BugReport, "seeds" | "wallMs" | "check" | "detail">> {
  const progress = new Progress();
  const jobs = flags.jobs === undefined ? [] : ["--jobs", `${flags.jobs}`];
  const more = flags.withoutInvariants ? [...jobs, "--without-invariants"] : jobs;
  const args = ["sim", "--seeds", `${seedsMax}`, "--json", "--out", join(copy.path, "out"), ...more];
  let seeds = 0;
  let red: RunLine | undefined;
  const { code, errors, wallMs, wasStopped } = await copy.run(args, flags.budgetS * 1_000, (line) => {
    const runLine = JSON.parse(line) as RunLine;
    seeds += 1;
    progress.show(`${name}: ${seeds} seeds`);
    if (runLine.verdict === "violated") red = runLine;
    return red === undefined;
  });
  progress.clear();
  // A slow machine may not come to the end of one run in that time.
  if (seeds === 0 && !wasStopped) throw new UsageError(`bug ${name} does not run (exit ${code}):\n${errors}`);
  const check = red?.checks.find(({ verdict }) => verdict === "violated");
  return { seeds, wallMs, check: check?.name ?? null, detail: check?.detail ?? null };
}

/** The fields of an exhaustive run's JSON line that are looked at. */
interface ExhaustiveLine {
  readonly scenario: string;
  readonly verdict: string;
  readonly states: number;
  readonly depth: number;
  readonly rule: string | null;
  readonly text: string | null;
}

/** Time to load the sources, for a copy that is not compiled. */
const startMs = 20_000;

async function explore(bug: PlantedBug, copy: PlantedCopy, flags: Flags): Promise<ExhaustiveHunt | null> {
  if (bug.smallScenario === undefined) return null;
  const progress = new Progress();
  progress.show(`${bug.name}: everything in ${bug.smallScenario}`, true);
  const args = ["sim", "--exhaustive", bug.smallScenario, "--budget-s", `${flags.budgetS}`, "--json"];
  let line: ExhaustiveLine | undefined;
  const limitMs = flags.budgetS * 1_000 + startMs;
  const { code, errors, wallMs } = await copy.run([...args, "--out", join(copy.path, "out")], limitMs, (text) => {
    line = JSON.parse(text) as ExhaustiveLine;
    return false;
  });
  progress.clear();
  if (line === undefined) {
    throw new UsageError(`bug ${bug.name} does not run in ${bug.smallScenario} (exit ${code}):\n${errors}`);
  }
  const { scenario, states, depth, rule, text } = line;
  return { scenario, found: line.verdict === "violated", states, depth, wallMs, rule, text };
}
