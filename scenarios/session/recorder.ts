/*
 * The one place where history is written: events in the order they happened, each handed on at once. It also gives
 * out the numbers that must be unique in a history.
 */
import type { HistoryEvent } from "../history.ts";
import type { Plan } from "../plan.ts";
import { HistoryKeyValues } from "./history-key-values.ts";

export class Recorder {
  /** All events so far, in order. */
  readonly history: HistoryEvent[] = [];
  /** Key-values that all who saw them share. */
  readonly keyValues = new HistoryKeyValues();
  readonly #sink: ((event: HistoryEvent) => void) | undefined;
  #nextClient: number;
  #nextCall: number;
  #nextWatch = 1;

  /** @param options.sink called with each event as it happens, before `record` returns (a file, a digest) */
  constructor(options: {
    readonly plan: Pick<Plan, "clients" | "watches">;
    readonly sink?: ((event: HistoryEvent) => void) | undefined;
  }) {
    this.#sink = options.sink;
    let client = 0;
    let call = 0;
    for (const planned of options.plan.clients) {
      client = Math.max(client, planned.client);
      for (const { id } of planned.calls) call = Math.max(call, id);
    }
    for (const planned of options.plan.watches) client = Math.max(client, planned.client);
    this.#nextClient = client + 1;
    this.#nextCall = call + 1;
  }

  record(event: HistoryEvent): void {
    this.history.push(event);
    this.#sink?.(event);
  }

  /** A client number no one had before: beyond every planned one. */
  freshClient(): number {
    return this.#nextClient++;
  }

  /** A call id no one had before: beyond every planned one. */
  freshCall(): number {
    return this.#nextCall++;
  }

  /** A watch number no one had before, from 1. */
  freshWatch(): number {
    return this.#nextWatch++;
  }
}
