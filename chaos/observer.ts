/*
 * What the observers of a drill have in common: each asks members the same questions again and again, from outside, and
 * writes down what it saw.
 */
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Cluster } from "./cluster.ts";

export interface Observation {
  readonly cluster: Cluster;
  readonly nowMs: () => number;
  readonly record: (event: HistoryEvent) => void;
}

export abstract class Observer {
  protected readonly observed: Observation;
  readonly #timers = new Set<NodeJS.Timeout>();
  #open = true;

  constructor(observed: Observation) {
    this.observed = observed;
  }

  /** Asks now, and again `everyMs` after each round is over, until `close`. */
  protected repeat(everyMs: number, ask: () => Promise<void>): void {
    void ask().then(() => {
      if (!this.#open) return;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.repeat(everyMs, ask);
      }, everyMs);
      this.#timers.add(timer);
    });
  }

  /** An answer that comes when this is false counts for nothing. */
  protected get isOpen(): boolean {
    return this.#open;
  }

  close(): void {
    this.#open = false;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
