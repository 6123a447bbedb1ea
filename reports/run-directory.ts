/*
 * A run on disk: plan.json, history.jsonl, verdict.json, report.html, junit.xml, and members/*.log from drills. The
 * history is written line by line while the run goes on, so that a crash of the harness or a failing check never
 * costs it; everything else is written again from the result at any time.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Plan } from "../scenarios/plan.ts";
import type { RunResult, RunSummary } from "../scenarios/run.ts";
import { UsageError } from "./exit-code.ts";
import { junitOf } from "./junit.ts";
import { pageOf } from "./page.ts";

/** Written into verdict.json; blobs of different versions are not merged. */
export const toolVersion = "faultline 0.1.0";

export class RunDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes the directory and writes the plan. Logs of an older run in the same place go; its other files are overwritten. */
  static create(path: string, plan: Plan): RunDirectory {
    rmSync(join(path, "members"), { recursive: true, force: true });
    mkdirSync(join(path, "members"), { recursive: true });
    writeFileSync(join(path, "plan.json"), `${JSON.stringify(plan, undefined, 2)}\n`);
    return new RunDirectory(path);
  }

  /** Log file of a member's process. */
  memberLog(member: string): string {
    return join(this.path, "members", `${fileNameOf(member)}.log`);
  }

  openHistory(): HistoryWriter {
    return new HistoryWriter(join(this.path, "history.jsonl"));
  }

  /** The whole history at once, for worlds that hold it in memory. */
  writeHistory(history: readonly HistoryEvent[]): void {
    const writer = this.openHistory();
    for (const event of history) writer.append(event);
    writer.close();
  }

  /** verdict.json, report.html and junit.xml. The history is not written here. */
  writeVerdict(run: RunResult): void {
    writeFileSync(join(this.path, "verdict.json"), `${JSON.stringify(summaryOf(run), undefined, 2)}\n`);
    writeFileSync(join(this.path, "report.html"), pageOf(run));
    writeFileSync(join(this.path, "junit.xml"), junitOf([summaryOf(run)]));
  }
}

/** Appends events as lines; lines are handed to the system at latest after 64 KiB or at `flush`. */
export class HistoryWriter {
  readonly #file: number;
  #pending = "";
  #open = true;

  constructor(path: string) {
    this.#file = openSync(path, "w");
  }

  append(event: HistoryEvent): void {
    this.#pending += `${JSON.stringify(event)}\n`;
    if (this.#pending.length >= 65_536) this.flush();
  }

  flush(): void {
    if (this.#pending === "" || !this.#open) return;
    writeSync(this.#file, this.#pending);
    this.#pending = "";
  }

  close(): void {
    if (!this.#open) return;
    this.flush();
    this.#open = false;
    closeSync(this.#file);
  }
}

/** The result without plan and history, which have files of their own. */
export function summaryOf(run: RunResult): RunSummary {
  const { plan: _plan, history: _history, ...rest } = run;
  return { ...rest, tool: toolVersion };
}

/**
 * Reads a run back.
 *
 * @throws UsageError when a file is missing or is not what its name says
 */
export function readRunDirectory(path: string): RunResult {
  const { tool: _tool, ...summary } = readJson<RunSummary>(join(path, "verdict.json"));
  if (typeof summary.scenario !== "string" || !Array.isArray(summary.checks)) {
    throw new UsageError(`${join(path, "verdict.json")} is no verdict of a run; give the directory that --out made`);
  }
  return {
    ...summary,
    plan: readJson<Plan>(join(path, "plan.json")),
    history: readHistoryFile(join(path, "history.jsonl")),
  };
}

/** A last line cut short by a crash is left out; any other malformed line is refused with its number. */
function readHistoryFile(path: string): HistoryEvent[] {
  const lines = readText(path).split("\n");
  const history: HistoryEvent[] = [];
  for (const [position, line] of lines.entries()) {
    if (line === "") continue;
    try {
      history.push(JSON.parse(line) as HistoryEvent);
    } catch (error) {
      if (position === lines.length - 1) break;
      throw new UsageError(`${path}:${position + 1}: not a JSON line (${(error as Error).message})`);
    }
  }
  return history;
}

function readJson<Shape>(path: string): Shape {
  try {
    return JSON.parse(readText(path)) as Shape;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path}: not JSON (${(error as Error).message})`);
  }
}

function readText(path: string): string {
  if (!existsSync(path)) throw new UsageError(`${path} does not exist; give the directory of a run`);
  return readFileSync(path, "utf8");
}

/** Names of members and scenarios as file names: anything but letters, digits, dot and dash becomes a dash. */
export const fileNameOf = (name: string): string =>
  name.replace(/[^A-Za-z0-9.-]+/g, "-").replace(/^\.+/, "") || "unnamed";
