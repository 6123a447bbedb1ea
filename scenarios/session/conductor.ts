/*
 * The phases of a run, as a pure state machine: faults at their times, healing, progress owed, quiet, the end. It
 * records the phases; the world records what came of each fault, and the members' lives and roles.
 *
 * Driving it: `wake(nowMs)` at the start and at each `wakeAt`; carry out the outputs in order.
 */
import type { Fault, PlannedFault } from "../faults.ts";
import type { HistoryEvent, Operation, OperationAnswer, PhaseEvent } from "../history.ts";
import type { Plan } from "../plan.ts";
import { Alarm } from "./alarm.ts";
import type { Recorder } from "./recorder.ts";

export type ConductorOutput =
  /** Make this fault (or healing) now and record a FaultEvent, done or skipped. */
  | { readonly type: "fault"; readonly fault: Fault }
  /** `stop` to every client session, `hurry` to every watch session. */
  | { readonly type: "stopClients" }
  /** Start the FinalSession; when it has finished, call `finalDone`. */
  | { readonly type: "beginFinal" }
  /** `close` to every watch session; the run is over. */
  | { readonly type: "endRun" }
  | { readonly type: "wakeAt"; readonly atMs: number };

/** How often progress is looked for. */
const lookMs = 100;

type Phase = PhaseEvent["phase"] | "notStarted" | "settling" | "over";

export class Conductor {
  readonly #plan: Plan;
  readonly #recorder: Recorder;
  readonly #alarm = new Alarm();
  readonly #faults: readonly PlannedFault[];
  #nextFault = 0;
  #phase: Phase = "notStarted";
  #healedAtMs = 0;
  #settledAtMs = 0;
  #progressAfterMs: number | undefined;
  /** How much of the history was looked at for progress, and the writes found in it that were called after healing. */
  #lookedAt = 0;
  readonly #writes = new Set<number>();

  constructor(options: { readonly plan: Plan; readonly recorder: Recorder }) {
    this.#plan = options.plan;
    this.#recorder = options.recorder;
    this.#faults = options.plan.faults.toSorted((a, b) => a.atMs - b.atMs);
  }

  /** Time from healing to the return of the first write called after it; undefined: none within the bound. */
  get progressAfterMs(): number | undefined {
    return this.#progressAfterMs;
  }

  get phase(): Phase {
    return this.#phase;
  }

  wake(nowMs: number): readonly ConductorOutput[] {
    const outputs: ConductorOutput[] = [];
    this.#alarm.woke(nowMs);
    if (this.#phase === "notStarted") this.#begin("safety", nowMs);
    if (this.#phase === "safety") this.#makeFaults(outputs, nowMs);
    if (this.#phase === "safety" && nowMs >= this.#plan.phases.safetyMs) this.#heal(outputs, nowMs);
    if (this.#phase === "liveness") this.#lookForProgress(outputs, nowMs);
    if (this.#phase === "settling" && nowMs >= this.#settledAtMs) {
      this.#begin("final", nowMs);
      outputs.push({ type: "beginFinal" });
    }
    const wakeAtMs = this.#nextTimeMs(nowMs);
    if (wakeAtMs !== undefined && this.#alarm.wants(wakeAtMs)) outputs.push({ type: "wakeAt", atMs: wakeAtMs });
    return outputs;
  }

  /** The FinalSession has finished. */
  finalDone(nowMs: number): readonly ConductorOutput[] {
    void nowMs;
    if (this.#phase !== "final") return [];
    this.#phase = "over";
    return [{ type: "endRun" }];
  }

  #begin(phase: PhaseEvent["phase"], atMs: number): void {
    this.#phase = phase;
    this.#recorder.record({ type: "phase", atMs, phase });
  }

  #makeFaults(outputs: ConductorOutput[], nowMs: number): void {
    const { safetyMs } = this.#plan.phases;
    for (;;) {
      const planned = this.#faults[this.#nextFault];
      if (planned === undefined || planned.atMs > nowMs || planned.atMs >= safetyMs) return;
      this.#nextFault += 1;
      outputs.push({ type: "fault", fault: planned.fault });
    }
  }

  #heal(outputs: ConductorOutput[], nowMs: number): void {
    const { core } = this.#plan.phases;
    outputs.push({
      type: "fault",
      fault: core === undefined ? { fault: "healAll" } : { fault: "healCore", members: core },
    });
    this.#begin("liveness", nowMs);
    this.#healedAtMs = nowMs;
    this.#lookedAt = this.#recorder.history.length;
  }

  #lookForProgress(outputs: ConductorOutput[], nowMs: number): void {
    const { history } = this.#recorder;
    for (; this.#lookedAt < history.length && this.#progressAfterMs === undefined; this.#lookedAt++) {
      const event = history[this.#lookedAt];
      if (event !== undefined) this.#lookAt(event);
    }
    const { progressBoundMs, settleMs, core } = this.#plan.phases;
    if (this.#progressAfterMs === undefined && nowMs < this.#healedAtMs + progressBoundMs) return;
    if (core !== undefined) outputs.push({ type: "fault", fault: { fault: "healAll" } });
    outputs.push({ type: "stopClients" });
    this.#phase = "settling";
    this.#settledAtMs = nowMs + settleMs;
  }

  #lookAt(event: HistoryEvent): void {
    if (event.type === "call" && mayWrite(event.operation)) this.#writes.add(event.id);
    else if (event.type === "return" && event.outcome === "ok" && this.#writes.has(event.id) && wrote(event.answer)) {
      this.#progressAfterMs = event.atMs - this.#healedAtMs;
    }
  }

  #nextTimeMs(nowMs: number): number | undefined {
    switch (this.#phase) {
      case "safety": {
        const { safetyMs } = this.#plan.phases;
        return Math.min(safetyMs, this.#faults[this.#nextFault]?.atMs ?? safetyMs);
      }
      case "liveness":
        return Math.min(nowMs + lookMs, this.#healedAtMs + this.#plan.phases.progressBoundMs);
      case "settling":
        return this.#settledAtMs;
      default:
        return undefined;
    }
  }
}

function mayWrite(operation: Operation): boolean {
  return operation.op === "put" || operation.op === "deleteRange" || operation.op === "txn";
}

/** True for the answer of something that changed a key: only that proves a quorum at work. */
function wrote(answer: OperationAnswer): boolean {
  switch (answer.op) {
    case "put":
      return true;
    case "deleteRange":
      return answer.deleted > 0;
    case "txn":
      return answer.responses.some(wrote);
    default:
      return false;
  }
}
