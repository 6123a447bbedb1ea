/*
 * Is this member well, for probes: /health, /livez, /readyz and a path for each check. Every check asks the member
 * through its own calls, so it sees what a client would see. Source: etcd v3 HTTP surface, health endpoints.
 */
import type { Request } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import type { CallTarget } from "./calls.ts";

export interface HealthOptions {
  readonly target: CallTarget;
  readonly hasLeader: () => boolean;
  /** What each /health found. */
  readonly noteHealth: (healthy: boolean) => void;
  /** What each check of /livez or /readyz found. */
  readonly noteCheck: (check: { readonly probe: Probe; readonly name: string; readonly passed: boolean }) => void;
}

export type Probe = "livez" | "readyz";

export interface HealthAnswer {
  readonly status: number;
  readonly text: string;
}

/** Alarms, then the leader, then a read, as far as the query wants them. */
export async function health(options: HealthOptions, query: URLSearchParams): Promise<HealthAnswer> {
  const reason = await illness(options, query);
  options.noteHealth(reason === "");
  const text = JSON.stringify({ health: reason === "" ? "true" : "false", reason });
  return reason === "" ? { status: 200, text } : { status: 503, text: `${text}\n` };
}

async function illness({ target, hasLeader }: HealthOptions, query: URLSearchParams): Promise<string> {
  const serializable = query.get("serializable") === "true";
  const excluded = query.getAll("exclude");
  const alarm = (await alarms(target)).find((name) => !excluded.includes(name));
  if (alarm !== undefined) return `ALARM ${alarm}`;
  if (!serializable && !hasLeader()) return "RAFT NO LEADER";
  const problem = await readProblem(target, serializable);
  return problem === undefined ? "" : `RANGE ERROR:${problem}`;
}

/** What is wrong; undefined: nothing. */
type Check = (target: CallTarget) => Promise<string | undefined>;

/** /livez: this member reads its own state. /readyz: the cluster answers through it, and nothing is corrupt. */
const checks: { readonly [Name in Probe]: { readonly [check: string]: Check } } = {
  livez: { serializable_read: (target) => readProblem(target, true) },
  readyz: {
    serializable_read: (target) => readProblem(target, true),
    data_corruption: async (target) =>
      (await alarms(target)).includes("CORRUPT") ? "alarm activated: CORRUPT" : undefined,
    linearizable_read: (target) => readProblem(target, false),
    non_learner: async (target) => {
      const status = await ask(target, { type: "status" });
      return "isLearner" in status && status.isLearner ? "not supported for learner" : undefined;
    },
  },
};

/** A check of one of the two probes. */
export interface ProbeCheck {
  readonly probe: Probe;
  readonly name: string;
}

/** What stands at /livez, /readyz and the path of each of their checks; undefined: there is no such probe or check. */
export function checksAt(pathname: string): readonly ProbeCheck[] | undefined {
  const [, name, only, ...rest] = pathname.split("/");
  if ((name !== "livez" && name !== "readyz") || rest.length > 0) return undefined;
  const wanted = Object.keys(checks[name]).filter((check) => only === undefined || check === only);
  return wanted.length === 0 ? undefined : wanted.map((check) => ({ probe: name, name: check }));
}

/** Runs them, but for those the query excludes; says each one's result where it asks for them, or where one failed. */
export async function runChecks(
  options: HealthOptions,
  wanted: readonly ProbeCheck[],
  query: URLSearchParams,
): Promise<HealthAnswer> {
  const excluded = query.getAll("exclude");
  const lines: string[] = [];
  let failed = false;
  for (const { probe, name } of wanted) {
    if (excluded.includes(name)) continue;
    const problem = await checks[probe][name]?.(options.target);
    options.noteCheck({ probe, name, passed: problem === undefined });
    failed ||= problem !== undefined;
    lines.push(problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`);
  }
  if (failed) return { status: 503, text: `${lines.join("")}\n` };
  return { status: 200, text: `${query.has("verbose") ? lines.join("") : ""}ok\n` };
}

/** Every check of every probe, for metrics that show them before their first run. */
export const probeChecks: readonly ProbeCheck[] = (["livez", "readyz"] as const).flatMap((name) =>
  Object.keys(checks[name]).map((check) => ({ probe: name, name: check })),
);

/** Names of active alarms, from this member's own state. */
async function alarms(target: CallTarget): Promise<string[]> {
  const status = await ask(target, { type: "status" });
  if ("problem" in status || status.type !== "status") return [];
  return status.errors.flatMap((text) => /alarm:(\w+)/.exec(text)?.[1] ?? []);
}

async function readProblem(target: CallTarget, serializable: boolean): Promise<string | undefined> {
  const found = await ask(target, {
    type: "range",
    key: new Uint8Array([0]),
    rangeEnd: undefined,
    limit: 1,
    revision: 0,
    sortOrder: "none",
    sortTarget: "key",
    serializable,
    keysOnly: true,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  });
  return "problem" in found ? found.problem : undefined;
}

type Asked = ReturnType<(typeof unaryCalls)["range"]["decodeAnswer"]>["answer"] | { readonly problem: string };

function ask(target: CallTarget, request: Request): Promise<Asked> {
  const call = unaryCalls[request.type];
  return new Promise((resolve) => {
    target.unary(
      call.path,
      call.encodeRequest(request),
      { requireLeader: false, credential: { type: "member" } },
      {
        answer: (bytes) => resolve(call.decodeAnswer(bytes).answer),
        fail: (status) => resolve({ problem: status.text }),
      },
    );
  });
}
