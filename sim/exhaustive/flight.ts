/*
 * The messages in flight, as part of a row of numbers, always in the same form for the same messages.
 *
 * Links of "any" order are one bag: whatever is in it may arrive next. It is kept in rising order, with repeats.
 * "ordered" links deliver in the order of sending, as one stream to each peer does; what is passed over is lost. Messages
 * are kept link by link, oldest first.
 */
import type { Messages } from "./messages.ts";

export class Flight {
  readonly #messages: Messages;
  readonly #isOrdered: boolean;

  constructor(messages: Messages, links: "ordered" | "any") {
    this.#messages = messages;
    this.#isOrdered = links === "ordered";
  }

  /** Whether two messages that stand side by side are on one link whose order counts. */
  follows(message: number, before: number): boolean {
    return this.#isOrdered && this.#messages.linkOf(message) === this.#messages.linkOf(before);
  }

  /**
   * Of `state` from `start` to `end`, what remains in flight when the message at `position` has arrived; appended to
   * `next`.
   *
   * @param isCopied it stays in flight; what was before it on an ordered link is lost all the same
   * @param isKept false for messages that need not be kept any longer
   */
  take(
    state: Row,
    how: { readonly start: number; readonly position: number; readonly isCopied: boolean },
    next: Row,
    isKept: (message: number) => boolean,
  ): void {
    const { start, position } = how;
    const taken = state.cells[position] as number;
    for (let at = start; at < state.length; at++) {
      const message = state.cells[at] as number;
      const isPassedOver = at < position && this.follows(message, taken);
      const isTaken = at === position && !how.isCopied;
      if (!isPassedOver && !isTaken && isKept(message)) next.cells[next.length++] = message;
    }
  }

  /** Puts a message that was sent into its place in `row`, whose messages begin at `start`. */
  send(row: Row, start: number, message: number): void {
    const rank = this.#rankOf(message);
    let at = row.length++;
    while (at > start && this.#rankOf(row.cells[at - 1] as number) > rank) {
      row.cells[at] = row.cells[at - 1] as number;
      at -= 1;
    }
    row.cells[at] = message;
  }

  #rankOf(message: number): number {
    return this.#isOrdered ? this.#messages.linkOf(message) : message;
  }
}

/** A state of the cluster, or one being made: numbers in the first `length` cells. */
export interface Row {
  cells: Int32Array;
  length: number;
}
