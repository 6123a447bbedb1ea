/*
 * The end of a member that was removed. It does not end at once: its last answers, and its last word as a leader, have
 * to leave first.
 */
import type { Outbox } from "./outbox.ts";

export class Farewell {
  readonly #outbox: Outbox;
  readonly #electionTicks: number;
  /** Undefined: it belongs. */
  #ticksLeft: number | undefined;

  constructor(options: { readonly outbox: Outbox; readonly electionTicks: number }) {
    this.#outbox = options.outbox;
    this.#electionTicks = options.electionTicks;
  }

  begin(): void {
    this.#ticksLeft ??= this.#electionTicks;
  }

  tick(): void {
    if (this.#ticksLeft === undefined) return;
    this.#ticksLeft -= 1;
    if (this.#ticksLeft <= 0) this.end();
  }

  end(): void {
    const reason = "the member has been permanently removed from the cluster";
    this.#outbox.push({ type: "stop", reason, cause: "removed" });
  }
}
