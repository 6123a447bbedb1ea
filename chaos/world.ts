/*
 * The real world: a plan carried out on processes, in real time. It starts a cluster, drives the scenario's sessions
 * and conductor, makes the faults, and hands back the history with the checks' verdicts. The history goes to the sink
 * event by event, as it happens.
 */
import type { Random } from "../core/index.ts";
import { type CheckResult, worstVerdict } from "../scenarios/check/verdict.ts";
import type { Fault } from "../scenarios/faults.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Plan } from "../scenarios/plan.ts";
import type { RunResult } from "../scenarios/run.ts";
import { ClientSession } from "../scenarios/session/client.ts";
import { Conductor, type ConductorOutput } from "../scenarios/session/conductor.ts";
import { requestOf } from "../scenarios/session/convert.ts";
import { FinalSession } from "../scenarios/session/final.ts";
import { Recorder } from "../scenarios/session/recorder.ts";
import { WatchSession } from "../scenarios/session/watch.ts";
import { Cluster, ClusterProblem } from "./cluster.ts";
import { makeFault } from "./faults.ts";
import { RoleObserver } from "./roles.ts";
import { CallDriver, type SessionSurroundings, WatchDriver } from "./sessions.ts";
import type { ProcessEnd } from "./supervisor.ts";
import { type Target, targetName } from "./target.ts";

export interface DrillOptions {
  readonly plan: Plan;
  readonly target: Target;
  readonly random: Random;
  /** Called with each event before the next one happens. */
  readonly sink: (event: HistoryEvent) => void;
  readonly logFileOf: (member: string) => string;
  /** The scenario's checks, by name, over the finished history. */
  readonly judge: (history: readonly HistoryEvent[], checks: readonly string[]) => readonly CheckResult[];
  /** Aborted: the run ends early, in order, with what it has. */
  readonly signal: AbortSignal;
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
  #closing = false;

  constructor(options: DrillOptions) {
    this.#options = options;
    this.#plan = options.plan;
    this.#recorder = new Recorder({ plan: options.plan, sink: options.sink });
  }

  async run(): Promise<RunResult> {
    const { target, random, logFileOf, signal } = this.#options;
    const cluster = await Cluster.open({
      planned: this.#plan.members,
      target,
      random,
      logFileOf,
      signal,
      onEnd: (end) => this.#handleEnd(end),
    });
    let outcome: RunOutcome;
    try {
      const startRevision = await emptyStoreRevision(cluster);
      this.#zeroMs = performance.now();
      this.#recordMeta(cluster, startRevision);
      outcome = await this.#drive(cluster);
    } finally {
      this.#closing = true;
      this.#roles?.close();
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
    for (const member of cluster.names) {
      this.#recorder.record({ type: "life", atMs: this.#nowMs(), member, event: "started", detail: "serves clients" });
    }
  }

  #handleEnd({ name, how, expected }: ProcessEnd): void {
    if (this.#closing || this.#zeroMs === 0) return;
    const detail = expected ? how : `${how}, on its own`;
    this.#recorder.record({ type: "life", atMs: this.#nowMs(), member: name, event: "ended", detail });
    this.#roles?.note(name, "down");
    if (!expected) this.#unexpectedEnds.push(`${name} ended on its own at ${Math.round(this.#nowMs())} ms (${how})`);
  }

  /** Runs every phase; resolves when the run is over, rejects when the harness itself broke. */
  async #drive(cluster: Cluster): Promise<RunOutcome> {
    const names = cluster.names;
    const conductor = new Conductor({ plan: this.#plan, recorder: this.#recorder });
    const timers = new Set<NodeJS.Timeout>();
    const drivers: { readonly calls: CallDriver[]; readonly watches: WatchDriver[] } = { calls: [], watches: [] };
    const { signal } = this.#options;
    let abort: () => void = () => undefined;
    try {
      return await new Promise<RunOutcome>((resolve, reject) => {
        const surroundings: SessionSurroundings = { clients: cluster.clients, nowMs: this.#nowMs, broken: reject };
        let missing: readonly string[] = [];
        let faults = Promise.resolve();
        const fault = (planned: Fault) => {
          faults = faults.then(() => this.#makeFault(planned, cluster));
          faults.catch(reject);
        };
        const carryOut = (outputs: readonly ConductorOutput[]) => {
          for (const output of outputs) {
            switch (output.type) {
              case "fault":
                fault(output.fault);
                break;
              case "stopClients":
                for (const driver of drivers.calls) driver.stop();
                for (const driver of drivers.watches) driver.hurry();
                break;
              case "beginFinal": {
                const session = new FinalSession({ members: names, recorder: this.#recorder });
                const driver = new CallDriver(session, surroundings, (left) => {
                  missing = left;
                  carryOut(conductor.finalDone(this.#nowMs()));
                });
                drivers.calls.push(driver);
                driver.begin();
                break;
              }
              case "endRun":
                for (const driver of drivers.watches) driver.finish();
                resolve({ missing, interrupted: false });
                break;
              case "wakeAt": {
                const timer = setTimeout(
                  () => {
                    timers.delete(timer);
                    carryOut(conductor.wake(this.#nowMs()));
                  },
                  Math.max(0, Math.ceil(output.atMs - this.#nowMs())),
                );
                timers.add(timer);
                break;
              }
            }
          }
        };
        abort = () => {
          for (const driver of drivers.calls) driver.stop();
          for (const driver of drivers.watches) driver.finish();
          resolve({ missing, interrupted: true });
        };
        if (signal.aborted) {
          abort();
          return;
        }
        signal.addEventListener("abort", abort);
        const record = (event: HistoryEvent) => this.#recorder.record(event);
        this.#roles = new RoleObserver({ cluster, nowMs: this.#nowMs, record });
        this.#roles.begin();
        const parts = { members: names, recorder: this.#recorder };
        // A cluster that was there before may have fewer members than the plan.
        const homeOf = ({ home }: { readonly home: number }) => home % names.length;
        for (const planned of this.#plan.clients) {
          const client = { ...planned, home: homeOf(planned) };
          drivers.calls.push(new CallDriver(new ClientSession({ client, ...parts }), surroundings));
        }
        for (const planned of this.#plan.watches) {
          const watch = { ...planned, home: homeOf(planned) };
          drivers.watches.push(new WatchDriver(new WatchSession({ watch, ...parts }), surroundings));
        }
        carryOut(conductor.wake(this.#nowMs()));
        for (const driver of [...drivers.watches, ...drivers.calls]) driver.begin();
      });
    } finally {
      signal.removeEventListener("abort", abort);
      for (const timer of timers) clearTimeout(timer);
      for (const driver of [...drivers.watches, ...drivers.calls]) driver.close();
    }
  }

  async #makeFault(fault: Fault, cluster: Cluster): Promise<void> {
    if (this.#closing) return;
    const before = new Map(cluster.names.map((name) => [name, cluster.processes?.stateOf(name)]));
    await makeFault(fault, {
      cluster,
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

  #resultOf(outcome: RunOutcome): RunResult {
    const { history } = this.#recorder;
    const checks = [...this.#options.judge(history, this.#plan.checks), ...this.#ownChecks(outcome)];
    return {
      scenario: this.#plan.scenario,
      seed: this.#plan.seed,
      world: "real",
      target: targetName(this.#options.target),
      plan: this.#plan,
      history,
      checks,
      verdict: worstVerdict(checks.map(({ verdict }) => verdict)),
      wallMs: Math.round(performance.now() - this.#beganMs),
      operations: history.filter(({ type }) => type === "call").length,
    };
  }

  /** What only the world knows: members that ended on their own, final reads nobody answered, a run cut short. */
  #ownChecks({ missing, interrupted }: RunOutcome): CheckResult[] {
    const results: CheckResult[] = [
      checkOf(
        "members-stay-up",
        this.#unexpectedEnds,
        "no member's process ended without being told to",
        "a member's process ended on its own",
        this.#plan.members.length,
      ),
    ];
    if (interrupted) {
      const detail = "the run was interrupted before its end; what is above judges what happened until then";
      return [...results, { name: "run-complete", verdict: "unknown", detail, violations: [], judged: 0 }];
    }
    const judged = this.#plan.members.length * 2;
    const final = checkOf("final-reads", missing, "every member answered the final reads", missing[0] ?? "", judged);
    return [...results, final];
  }
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

interface RunOutcome {
  readonly missing: readonly string[];
  readonly interrupted: boolean;
}

function checkOf(name: string, broken: readonly string[], well: string, badly: string, judged: number): CheckResult {
  const violations = broken.map((text) => ({ rule: name, text, calls: [], watches: [] }));
  return violations.length === 0
    ? { name, verdict: "holds", detail: well, violations, judged }
    : { name, verdict: "violated", detail: badly, violations, judged };
}
