/*
 * What somebody who sees the whole cluster at once remembers of a path: who led which term, what was committed, and what
 * clients were told. The rules that speak of the past are judged with it. Two paths that end in equal members but differ
 * in this are two states.
 * Source: Raft paper figure 3. For reads: every answered operation is in the log's order, so a read is linearizable when
 * it shows all that was acknowledged to, or shown to, anybody before it was asked.
 */
import { hashText, type Renaming } from "./canon.ts";
import { Lanes } from "./lanes.ts";
import type { Local, Locals, Transition } from "./locals.ts";
import { type Choice, endsLife } from "./small-member.ts";

interface CommittedEntry {
  readonly entry: string;
  /** Term of the member that first said so. */
  readonly term: number;
}
interface OpenRead {
  readonly slot: number;
  readonly read: number;
  /** It must show the log at least up to there. */
  readonly floor: number;
}
interface Annals {
  /** By term: position of its leader, −1 for none. */
  readonly leaders: readonly number[];
  /** From index 1. */
  readonly committed: readonly CommittedEntry[];
  /** Highest index that some client knows of. */
  readonly floor: number;
  readonly reads: readonly OpenRead[];
}

export interface Broken {
  readonly rule: string;
  readonly text: string;
}

/** The annals after a step, or the rule that it broke. */
interface After {
  readonly number: number;
  readonly broken: Broken | undefined;
}

export class AllAnnals {
  readonly #locals: Locals;
  readonly #renamings: readonly Renaming[];
  readonly #numbers = new Map<string, number>();
  readonly #all: Annals[] = [];
  readonly #after = new Map<Transition, Map<number, After>>();
  readonly hashes: Lanes;

  constructor(options: { readonly locals: Locals; readonly renamings: readonly Renaming[] }) {
    this.#locals = options.locals;
    this.#renamings = options.renamings;
    this.hashes = new Lanes(options.renamings.length);
  }

  get count(): number {
    return this.#all.length;
  }

  /** Nothing has happened. */
  start(): number {
    return this.#intern({ leaders: [], committed: [], floor: 0, reads: [] });
  }

  /** Indexes committed so far. */
  committedIndex(number: number): number {
    return this.#at(number).committed.length;
  }

  /** As a text; committed at that index, which is in 1..committedIndex. */
  entryAt(number: number, index: number): string {
    return this.#at(number).committed[index - 1]?.entry ?? "";
  }

  /** One member has stepped. The same step from the same annals is computed once. */
  after(number: number, from: Local, transition: Transition, choice: Choice): After {
    let steps = this.#after.get(transition);
    if (steps === undefined) {
      steps = new Map();
      this.#after.set(transition, steps);
    }
    let after = steps.get(number);
    if (after === undefined) {
      after = this.#compute(number, from, transition, choice);
      steps.set(number, after);
    }
    return after;
  }

  #compute(number: number, from: Local, transition: Transition, choice: Choice): After {
    const annals = this.#at(number);
    const { to, heard } = transition;
    const leaders = annals.leaders.slice();
    if (to.role === "leader") {
      const before = leaders[to.term] ?? -1;
      if (before >= 0 && before !== to.slot) {
        return broken(number, "two-leaders", `members ${before + 1} and ${to.slot + 1} both lead term ${to.term}`);
      }
      while (leaders.length < to.term) leaders.push(-1);
      leaders[to.term] = to.slot;
    }
    const committed = annals.committed.slice();
    const log = this.#locals.logAt(to.log);
    if (to.commitIndex > log.length) {
      return broken(number, "commit-beyond-log", `it committed index ${to.commitIndex} of a log of ${log.length}`);
    }
    for (let index = 1; index <= to.commitIndex; index++) {
      const entry = log[index - 1] as string;
      const known = committed[index - 1];
      if (known === undefined) committed.push({ entry, term: to.term });
      else if (known.entry !== entry) {
        const text = `${known.entry} was committed, and now ${entry}`;
        return broken(number, "committed-differs", text);
      }
    }
    let { floor } = annals;
    let reads = annals.reads.slice();
    if (endsLife(choice)) reads = reads.filter(({ slot }) => slot !== from.slot);
    if (choice.type === "read") reads.push({ slot: from.slot, read: choice.read, floor });
    for (const { index } of heard?.acknowledged ?? []) floor = Math.max(floor, index);
    for (const { read, index } of heard?.served ?? []) {
      const open = reads.find((one) => one.slot === from.slot && one.read === read);
      if (open === undefined)
        return broken(number, "read-unasked", `read ${read + 1} was answered but nobody waits for it`);
      if (index < open.floor) {
        const text = `read ${read + 1} shows the log up to index ${index}; clients had seen index ${open.floor} when it was asked`;
        return broken(number, "stale-read", text);
      }
      reads = reads.filter((one) => one !== open);
      floor = Math.max(floor, index);
    }
    for (const read of heard?.abandoned ?? []) {
      reads = reads.filter((one) => one.slot !== from.slot || one.read !== read);
    }
    return { number: this.#intern({ leaders, committed, floor, reads }), broken: undefined };
  }

  /** A leader holds all that was committed in terms before its own. */
  incomplete(number: number, local: Local): Broken | undefined {
    if (local.role !== "leader") return undefined;
    const log = this.#locals.logAt(local.log);
    const { committed } = this.#at(number);
    for (let position = 0; position < committed.length; position++) {
      const { entry, term } = committed[position] as CommittedEntry;
      if (term >= local.term || log[position] === entry) continue;
      return {
        rule: "leader-incomplete",
        text: `member ${local.slot + 1} leads term ${local.term} without ${entry}, committed in term ${term}`,
      };
    }
    return undefined;
  }

  #at(number: number): Annals {
    const annals = this.#all[number];
    if (annals === undefined) throw new Error(`no annals have the number ${number}`);
    return annals;
  }

  #intern(annals: Annals): number {
    const text = textOf(annals, this.#renamings[0] ?? []);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.#all.length);
    this.#all.push(annals);
    for (const renaming of this.#renamings) {
      const renamed = `annals ${textOf(annals, renaming)}`;
      this.hashes.push(hashText(renamed, 1), hashText(renamed, 2));
    }
    return this.#all.length - 1;
  }
}

const broken = (number: number, rule: string, text: string): After => ({ number, broken: { rule, text } });

function textOf({ leaders, committed, floor, reads }: Annals, renaming: Renaming): string {
  const slotOf = (slot: number): string => (slot < 0 ? "-" : `${renaming[slot + 1]}`);
  const open = reads.map(({ slot, read, floor: least }) => `${slotOf(slot)}/${read}/${least}`);
  const entries = committed.map(({ entry, term }) => `${entry}@${term}`);
  return `${leaders.map(slotOf).join(" ")}|${entries.join(",")}|${floor}|${open.sort((a, b) => (a < b ? -1 : 1)).join(" ")}`;
}
