/*
 * One plan played in real time: the conductor says what happens when, clients and watchers act, faults are made one
 * after the other. It knows sessions and timers; processes and links are behind `makeFault`.
 */
import type { Fault } from "../scenarios/faults.ts";
import type { Plan } from "../scenarios/plan.ts";
import { ClientSession } from "../scenarios/session/client.ts";
import { Conductor, type ConductorOutput } from "../scenarios/session/conductor.ts";
import { FinalSession } from "../scenarios/session/final.ts";
import type { Recorder } from "../scenarios/session/recorder.ts";
import { WatchSession } from "../scenarios/session/watch.ts";
import type { EtcdClient } from "./client/client.ts";
import { CallDriver, type SessionSurroundings, Timers, WatchDriver } from "./sessions.ts";

export interface StageOptions {
  readonly plan: Plan;
  readonly recorder: Recorder;
  /** Names, in the order of `clients`; may be fewer than the plan has. */
  readonly members: readonly string[];
  readonly clients: readonly EtcdClient[];
  /** Whether the final reads ask the member at that position. */
  readonly servesClients: (member: number) => boolean;
  readonly nowMs: () => number;
  /** Resolves when what came of the fault is in the history. */
  readonly makeFault: (fault: Fault) => Promise<void>;
  /** Aborted: the run ends at once, its sessions closed in order. */
  readonly signal: AbortSignal;
}

export interface StageOutcome {
  /** Final reads nobody answered. */
  readonly missing: readonly string[];
  readonly interrupted: boolean;
}

/** Resolves when the run is over or interrupted; rejects when the harness itself broke. */
export async function playPlan(options: StageOptions): Promise<StageOutcome> {
  const { signal } = options;
  const stage = new Stage(options);
  const interrupt = () => stage.interrupt();
  signal.addEventListener("abort", interrupt);
  try {
    stage.begin();
    if (signal.aborted) stage.interrupt();
    return await stage.outcome;
  } finally {
    signal.removeEventListener("abort", interrupt);
    stage.close();
  }
}

class Stage {
  readonly outcome: Promise<StageOutcome>;
  readonly #options: StageOptions;
  readonly #conductor: Conductor;
  readonly #surroundings: SessionSurroundings;
  readonly #timers = new Timers();
  readonly #calls: CallDriver[] = [];
  readonly #watches: WatchDriver[] = [];
  #faults: Promise<void> = Promise.resolve();
  #missing: readonly string[] = [];
  #resolve: (outcome: StageOutcome) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(options: StageOptions) {
    this.#options = options;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#conductor = new Conductor({ plan: options.plan, recorder: options.recorder });
    this.#surroundings = { clients: options.clients, nowMs: options.nowMs, broken: this.#reject };
    const { plan, members, recorder } = options;
    // A cluster that was there before may have fewer members than the plan.
    const homeOf = ({ home }: { readonly home: number }) => home % members.length;
    for (const planned of plan.clients) {
      const session = new ClientSession({ client: { ...planned, home: homeOf(planned) }, members, recorder });
      this.#calls.push(new CallDriver(session, this.#surroundings));
    }
    for (const planned of plan.watches) {
      const session = new WatchSession({ watch: { ...planned, home: homeOf(planned) }, members, recorder });
      this.#watches.push(new WatchDriver(session, this.#surroundings));
    }
  }

  begin(): void {
    this.#carryOut(this.#conductor.wake(this.#options.nowMs()));
    for (const driver of [...this.#watches, ...this.#calls]) driver.begin();
  }

  interrupt(): void {
    for (const driver of this.#calls) driver.stop();
    for (const driver of this.#watches) driver.finish();
    this.#resolve({ missing: this.#missing, interrupted: true });
  }

  close(): void {
    this.#timers.close();
    for (const driver of [...this.#watches, ...this.#calls]) driver.close();
  }

  #carryOut(outputs: readonly ConductorOutput[]): void {
    const { nowMs } = this.#options;
    for (const output of outputs) {
      switch (output.type) {
        case "fault":
          this.#faults = this.#faults.then(() => this.#options.makeFault(output.fault));
          this.#faults.catch(this.#reject);
          break;
        case "stopClients":
          for (const driver of this.#calls) driver.stop();
          for (const driver of this.#watches) driver.hurry();
          break;
        case "beginFinal":
          // A change of members may take its time, and healing waits behind it.
          this.#faults.then(() => this.#beginFinal(), this.#reject);
          break;
        case "endRun":
          for (const driver of this.#watches) driver.finish();
          this.#resolve({ missing: this.#missing, interrupted: false });
          break;
        case "wakeAt":
          this.#timers.at(output.atMs - nowMs(), () => this.#carryOut(this.#conductor.wake(nowMs())));
          break;
      }
    }
  }

  #beginFinal(): void {
    if (this.#options.signal.aborted) return;
    const { members, recorder, nowMs, servesClients: isAsked } = this.#options;
    const driver = new CallDriver(new FinalSession({ members, recorder, isAsked }), this.#surroundings, (missing) => {
      this.#missing = missing;
      this.#carryOut(this.#conductor.finalDone(nowMs()));
    });
    this.#calls.push(driver);
    driver.begin();
  }
}
