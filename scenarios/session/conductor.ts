/*
 * The phases of a run, as a pure state machine: faults at their times, healing, progress owed, quiet, the end. It
 * records the phases; the world records what came of each fault, and the members' lives and roles.
 *
 * Driving it: `wake(nowMs)` at the start and at each `wakeAt`; carry out the outputs in order.
 */
import type { Fault } from "../faults.ts";
import type { Plan } from "../plan.ts";
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

export class Conductor {
  constructor(options: { readonly plan: Plan; readonly recorder: Recorder }) {
    void options;
  }

  wake(nowMs: number): readonly ConductorOutput[] {
    void nowMs;
    return [];
  }

  /** The FinalSession has finished. */
  finalDone(nowMs: number): readonly ConductorOutput[] {
    void nowMs;
    return [];
  }

  /** Time from healing to the first write that was called after it and succeeded; undefined: none within the bound. */
  get progressAfterMs(): number | undefined {
    return undefined;
  }
}
