/*
 * The rules that look at more than one member: logs match, leaders lack nothing that is committed, and what is committed
 * is on the disks of a majority. They are looked at when a step may have broken them.
 */
import type { AllAnnals, Broken } from "./annals.ts";
import type { Row } from "./flight.ts";
import type { Local, Locals } from "./locals.ts";

export class Rules {
  readonly #locals: Locals;
  readonly #annals: AllAnnals;
  readonly #members: number;
  /** Of two logs, by their numbers: whether they match. */
  readonly #matching = new Map<number, boolean>();

  constructor(options: { readonly locals: Locals; readonly annals: AllAnnals; readonly members: number }) {
    this.#locals = options.locals;
    this.#annals = options.annals;
    this.#members = options.members;
  }

  /** Log matching, after the log of the member at `slot` changed. */
  unmatched(state: Row, slot: number): Broken | undefined {
    const one = this.#localAt(state, slot);
    for (let other = 0; other < this.#members; other++) {
      const peer = this.#localAt(state, other);
      if (this.#match(one.log, peer.log)) continue;
      const logs = [one, peer].map((local) => `member ${local.slot + 1}: ${this.#locals.logAt(local.log).join(", ")}`);
      return {
        rule: "logs-differ",
        text: `two logs agree in the term of an entry and differ up to it: ${logs.join("; ")}`,
      };
    }
    return undefined;
  }

  /** Leader completeness, after something was committed or somebody came to lead. */
  incomplete(state: Row, annals: number): Broken | undefined {
    for (let slot = 0; slot < this.#members; slot++) {
      const broken = this.#annals.incomplete(annals, this.#localAt(state, slot));
      if (broken !== undefined) return broken;
    }
    return undefined;
  }

  /** What was committed between the two annals must be on the disks of a majority now. */
  undurable(state: Row, annals: { readonly before: number; readonly after: number }): Broken | undefined {
    const committed = this.#annals.committedIndex(annals.after);
    for (let index = this.#annals.committedIndex(annals.before) + 1; index <= committed; index++) {
      const entry = this.#annals.entryAt(annals.after, index);
      let holders = 0;
      for (let slot = 0; slot < this.#members; slot++) {
        if (this.#locals.logAt(this.#localAt(state, slot).diskLog)[index - 1] === entry) holders += 1;
      }
      if (holders * 2 > this.#members) continue;
      const text = `${entry} is committed and on the disks of ${holders} of ${this.#members} members`;
      return { rule: "commit-not-durable", text };
    }
    return undefined;
  }

  #localAt(state: Row, slot: number): Local {
    return this.#locals.at(state.cells[slot] as number);
  }

  /** Logs with one term at one index are equal up to it. */
  #match(a: number, b: number): boolean {
    if (a === b) return true;
    const key = Math.min(a, b) * 0x4000000 + Math.max(a, b);
    let matching = this.#matching.get(key);
    if (matching !== undefined) return matching;
    const [left, right] = [this.#locals.logAt(a), this.#locals.logAt(b)];
    let length = Math.min(left.length, right.length);
    while (length > 0 && termOf(left[length - 1]) !== termOf(right[length - 1])) length -= 1;
    matching = true;
    for (let index = 0; index < length; index++) if (left[index] !== right[index]) matching = false;
    this.#matching.set(key, matching);
    return matching;
  }
}

const termOf = (entry: string | undefined): string => (entry ?? "").split("/", 1)[0] ?? "";
