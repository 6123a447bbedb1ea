/*
 * The simulated network between members: directed links that can be cut one way, and a law that says what each message
 * suffers. The fate of a message depends only on the seed, its link and how many messages that link has carried, so a
 * fault or an operation less leaves the fate of all others alone (scenarios/link-fate.ts).
 */
import type { LinkLaw } from "../scenarios/faults.ts";
import { messageFate } from "../scenarios/link-fate.ts";

const nothing: readonly number[] = [];

export class SimNetwork {
  readonly #seed: number;
  readonly #size: number;
  readonly #plannedLaw: LinkLaw;
  #law: LinkLaw;
  /** 1 where a link is cut: from · size + to. */
  readonly #cut: Uint8Array;
  readonly #carried: number[];

  constructor(options: { readonly seed: number; readonly members: number; readonly law: LinkLaw }) {
    this.#seed = options.seed;
    this.#size = options.members;
    this.#plannedLaw = options.law;
    this.#law = options.law;
    this.#cut = new Uint8Array(options.members * options.members);
    this.#carried = new Array<number>(options.members * options.members).fill(0);
  }

  /** One delay in milliseconds for each copy of this message that will arrive if its link stays whole until then. */
  send(from: number, to: number): readonly number[] {
    const link = from * this.#size + to;
    const count = this.#carried[link] as number;
    this.#carried[link] = count + 1;
    if (this.#cut[link] === 1) return nothing;
    return messageFate({ seed: this.#seed, from, to, count, law: this.#law }).delaysMs;
  }

  /** How many messages that link has been given. */
  carried(from: number, to: number): number {
    return this.#carried[from * this.#size + to] as number;
  }

  isCut(from: number, to: number): boolean {
    return this.#cut[from * this.#size + to] === 1;
  }

  cutOneWay(from: number, to: number): void {
    if (from !== to) this.#cut[from * this.#size + to] = 1;
  }

  /** Cuts that member off from every other, both ways. */
  isolate(member: number): void {
    for (let other = 0; other < this.#size; other++) {
      this.cutOneWay(member, other);
      this.cutOneWay(other, member);
    }
  }

  /** Members of different groups do not hear each other; a member in no group is alone. */
  partition(groups: readonly (readonly number[])[]): void {
    const groupOf = new Array<number>(this.#size).fill(-1);
    for (const [number, group] of groups.entries()) for (const member of group) groupOf[member] = number;
    for (let from = 0; from < this.#size; from++) {
      for (let to = 0; to < this.#size; to++) {
        if (groupOf[from] === -1 || groupOf[from] !== groupOf[to]) this.cutOneWay(from, to);
      }
    }
  }

  setLaw(law: LinkLaw): void {
    this.#law = law;
  }

  /** Links among these members whole; the law becomes the plan's own. */
  healAmong(members: readonly number[]): void {
    for (const from of members) for (const to of members) this.#cut[from * this.#size + to] = 0;
    this.#law = this.#plannedLaw;
  }

  /** All links whole, under the plan's own law. */
  heal(): void {
    this.#cut.fill(0);
    this.#law = this.#plannedLaw;
  }
}
