/*
 * The real world: a plan carried out on processes, in real time. It starts a cluster, drives the scenario's sessions
 * and conductor, makes the faults, and hands back the history with the checks' verdicts. The history goes to the sink
 * event by event, as it happens.
 */
import type { Random } from "../core/index.ts";
import { withMeant } from "../scenarios/check/meant.ts";
import { type CheckResult, worstVerdict } from "../scenarios/check/verdict.ts";
import type { Fault } from "../scenarios/faults.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Plan } from "../scenarios/plan.ts";
import type { RunResult } from "../scenarios/run.ts";
import { requestOf } from "../scenarios/session/convert.ts";
import { Recorder } from "../scenarios/session/recorder.ts";
import { AlarmObserver } from "./alarm-observer.ts";
import { type Ability, abilityOf, type Capabilities, type NetworkKind } from "./capabilities.ts";
import { Cluster, ClusterProblem } from "./cluster.ts";
import { makeFault } from "./faults.ts";
import { lastWords } from "./last-words.ts";
import { RoleObserver } from "./roles.ts";
import { playPlan, type StageOutcome } from "./stage.ts";
import type { ProcessEnd } from "./supervisor.ts";
import { type Target, targetName } from "./target.ts";

export interface DrillOptions {
  readonly plan: Plan;
  readonly target: Target;
  readonly random: Random;
  /** Called with each event before the next one happens. */
  readonly sink: (event: HistoryEvent) => void;
  readonly logFileOf: (member: string) => string;
  /** The plan's checks over the finished history. */
  readonly judge: (history: readonly HistoryEvent[], plan: Plan) => readonly CheckResult[];
  /** Aborted: the run ends early, in order, with what it has. */
  readonly signal: AbortSignal;
  readonly network: NetworkKind;
  /** What can be broken here, found out before. */
  readonly capabilities: Capabilities;
}

/**
 * Runs one plan. Afterwards no process and no file of the cluster is left, whatever happened.
 *
 * @throws ClusterProblem when the cluster does not come up
 */
export async function runDrill(options: DrillOptions): Promise<RunResult> {
  const run = new DrillRun(options);
  return run.run();
}

class DrillRun {
  readonly #options: DrillOptions;
  readonly #plan: Plan;
  readonly #recorder: Recorder;
  readonly #beganMs = performance.now();
  /** Time zero of the history: the cluster is up. */
  #zeroMs = 0;
  readonly #unexpectedEnds: string[] = [];
  #roles: RoleObserver | undefined;
  #alarms: AlarmObserver | undefined;
  #closing = false;
  #cluster: Cluster | undefined;

  constructor(options: DrillOptions) {
    this.#options = options;
    this.#plan = options.plan;
    this.#recorder = new Recorder({ plan: options.plan, sink: options.sink });
  }

  async run(): Promise<RunResult> {
    const { target, random, logFileOf, signal, network, capabilities } = this.#options;
    const cluster = await Cluster.open({
      planned: this.#plan.members,
      target,
      random,
      logFileOf,
      signal,
      machine: { network, capabilities, needs: needsOf(this.#plan) },
      onEnd: (end) => this.#handleEnd(end),
    });
    this.#cluster = cluster;
    let outcome: StageOutcome;
    try {
      const startRevision = await emptyStoreRevision(cluster);
      this.#zeroMs = performance.now();
      this.#recordMeta(cluster, startRevision);
      outcome = await this.#drive(cluster);
    } finally {
      this.#closing = true;
      this.#roles?.close();
      this.#alarms?.close();
      await cluster.close();
    }
    return this.#resultOf(outcome);
  }

  readonly #nowMs = (): number => Math.round((performance.now() - this.#zeroMs) * 1_000) / 1_000;

  #recordMeta(cluster: Cluster, startRevision: number): void {
    this.#recorder.record({
      type: "meta",
      format: 1,
      scenario: this.#plan.scenario,
      seed: this.#plan.seed,
      world: "real",
      target: targetName(this.#options.target),
      members: cluster.names,
      startRevision,
    });
    for (const member of cluster.founders) {
      this.#recorder.record({ type: "life", atMs: this.#nowMs(), member, event: "started", detail: "serves clients" });
    }
  }

  #handleEnd(end: ProcessEnd): void {
    if (this.#closing || this.#zeroMs === 0) return;
    const { name, how, expected } = end;
    const detail = expected ? how : `${how}, on its own`;
    this.#recorder.record({ type: "life", atMs: this.#nowMs(), member: name, event: "ended", detail });
    this.#roles?.note(name, "down");
    // A member may not go on with a disk that the drill made fail.
    if (expected || this.#cluster?.processes?.isOwedToDisk(end) === true) return;
    const words = lastWords(this.#options.logFileOf(name));
    const quoted = words === undefined ? "; its log is empty" : `; the last its log says: ${words}`;
    this.#unexpectedEnds.push(`${name} ended on its own at ${Math.round(this.#nowMs())} ms (${how})${quoted}`);
  }

  /** Plays the plan and watches the roles beside it. */
  async #drive(cluster: Cluster): Promise<StageOutcome> {
    const record = (event: HistoryEvent) => this.#recorder.record(event);
    this.#roles = new RoleObserver({ cluster, nowMs: this.#nowMs, record });
    this.#roles.begin();
    if (this.#plan.checks.includes("corruption")) {
      this.#alarms = new AlarmObserver({ cluster, nowMs: this.#nowMs, record });
      this.#alarms.begin();
    }
    return playPlan({
      plan: this.#plan,
      recorder: this.#recorder,
      members: cluster.names,
      clients: cluster.clients,
      servesClients: (member) => cluster.servesClients(member),
      nowMs: this.#nowMs,
      makeFault: (fault) => this.#makeFault(fault, cluster),
      signal: this.#options.signal,
    });
  }

  async #makeFault(fault: Fault, cluster: Cluster): Promise<void> {
    if (this.#closing) return;
    const before = new Map(cluster.names.map((name) => [name, cluster.processes?.stateOf(name)]));
    await makeFault(fault, {
      cluster,
      capabilities: this.#options.capabilities,
      nowMs: this.#nowMs,
      record: (event) => this.#recorder.record(event),
    });
    for (const name of cluster.names) {
      const state = cluster.processes?.stateOf(name);
      if (before.get(name) === "down" && state === "running") {
        const detail = "process started";
        this.#recorder.record({ type: "life", atMs: this.#nowMs(), member: name, event: "started", detail });
      }
      if (state === "paused") this.#roles?.note(name, "paused");
    }
  }

  #resultOf(outcome: StageOutcome): RunResult {
    const { history } = this.#recorder;
    const judged = withMeant(this.#options.judge(history, this.#plan), this.#plan.meant);
    const checks = [...judged, ...this.#ownChecks(outcome)];
    return {
      scenario: this.#plan.scenario,
      seed: this.#plan.seed,
      world: "real",
      target: targetName(this.#options.target),
      ...(this.#options.network === "netns" ? { network: this.#options.network } : {}),
      plan: this.#plan,
      history,
      checks,
      verdict: worstVerdict(checks.map(({ verdict }) => verdict)),
      wallMs: Math.round(performance.now() - this.#beganMs),
      operations: history.filter(({ type }) => type === "call").length,
    };
  }

  /** What only the world knows: members that ended on their own, final reads nobody answered, a run cut short. */
  #ownChecks({ missing, interrupted }: StageOutcome): CheckResult[] {
    const results: CheckResult[] = [
      checkOf(
        "members-stay-up",
        this.#unexpectedEnds,
        "no member's process ended without being told to",
        this.#plan.members.length,
      ),
    ];
    if (interrupted) {
      const detail = "the run was interrupted before its end; what is above judges what happened until then";
      return [...results, { name: "run-complete", verdict: "unknown", detail, violations: [], judged: 0 }];
    }
    const judged = this.#plan.members.length * 2;
    const final = checkOf("final-reads", missing, "every member answered the final reads", judged);
    return [...results, final];
  }
}

/** What the plan will break. */
function needsOf(plan: Plan): ReadonlySet<Ability> {
  const needs = new Set(plan.faults.flatMap(({ fault }) => abilityOf(fault) ?? []));
  if (plan.members.some(({ clockOffsetMs }) => clockOffsetMs !== 0)) needs.add("clockJump");
  return needs;
}

/**
 * Revision of a store that holds no key: the checks know only what the drill wrote itself.
 *
 * @throws ClusterProblem when there are keys already
 */
async function emptyStoreRevision(cluster: Cluster): Promise<number> {
  const count = requestOf({ op: "range", key: "\0", rangeEnd: "\0", countOnly: true });
  const result = await cluster.clients[0]?.call(count, { timeoutMs: 5_000 }).result;
  if (result?.type !== "reply" || result.reply.answer.type !== "range") {
    throw new ClusterProblem(`${cluster.names[0]} did not say how many keys it holds`);
  }
  const { header, answer } = result.reply;
  if (answer.count > 0) {
    throw new ClusterProblem(
      `the cluster holds ${answer.count} keys; a drill needs an empty key space, as its checks know only what it wrote`,
    );
  }
  return header.revision;
}

function checkOf(name: string, broken: readonly string[], well: string, judged: number): CheckResult {
  const violations = broken.map((text) => ({ rule: name, text, calls: [], watches: [] }));
  const [first, ...others] = broken;
  if (first === undefined) return { name, verdict: "holds", detail: well, violations, judged };
  const detail = others.length === 0 ? first : `${first} (and ${others.length} more)`;
  return { name, verdict: "violated", detail, violations, judged };
}
