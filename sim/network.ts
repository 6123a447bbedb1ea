/*
 * The simulated network between members: directed links that can be cut one way or clogged, and a law that says what
 * each message suffers. The fate of a message depends only on the seed, its link and how many messages that link has carried, so a
 * fault or an operation less leaves the fate of all others alone (scenarios/link-fate.ts).
 */
import type { PeerMessage } from "../core/index.ts";
import type { LinkLaw } from "../scenarios/faults.ts";
import { messageFate } from "../scenarios/link-fate.ts";

const nothing: readonly number[] = [];

/** What a clogged link holds back. */
export interface HeldMessage {
  readonly from: number;
  readonly to: number;
  /** Of the receiver, when it was sent. */
  readonly life: number;
  readonly message: PeerMessage;
}

/** Messages one clogged link holds; what comes beyond is lost, as from a full buffer. */
const heldMessagesMax = 2_000;

export class SimNetwork {
  readonly #seed: number;
  readonly #size: number;
  readonly #plannedLaw: LinkLaw;
  #law: LinkLaw;
  /** 1 where a link is cut: from · size + to. */
  readonly #cut: Uint8Array;
  readonly #carried: number[];
  /** What each link holds back, by from · size + to; undefined: it is not clogged. */
  readonly #held: (HeldMessage[] | undefined)[];
  #released: HeldMessage[] = [];

  constructor(options: { readonly seed: number; readonly members: number; readonly law: LinkLaw }) {
    this.#seed = options.seed;
    this.#size = options.members;
    this.#plannedLaw = options.law;
    this.#law = options.law;
    this.#cut = new Uint8Array(options.members * options.members);
    this.#held = new Array<HeldMessage[] | undefined>(options.members * options.members).fill(undefined);
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

  isClogged(from: number, to: number): boolean {
    return this.#held[from * this.#size + to] !== undefined;
  }

  /** Keeps a message that its link would carry; false: the link is not clogged. */
  hold(held: HeldMessage): boolean {
    const kept = this.#held[held.from * this.#size + held.to];
    if (kept === undefined) return false;
    if (kept.length < heldMessagesMax) kept.push(held);
    return true;
  }

  /** What links that are clogged no more have held, each message once: by link, then in the order it was sent. */
  takeReleased(): readonly HeldMessage[] {
    const released = this.#released;
    if (released.length > 0) this.#released = [];
    return released;
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

  /** Every link from and to that member holds back what it is given. */
  clog(member: number): void {
    for (let other = 0; other < this.#size; other++) {
      if (other === member) continue;
      this.#held[member * this.#size + other] ??= [];
      this.#held[other * this.#size + member] ??= [];
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
    for (const from of members) {
      for (const to of members) {
        this.#cut[from * this.#size + to] = 0;
        this.#release(from * this.#size + to);
      }
    }
    this.#law = this.#plannedLaw;
  }

  /** All links whole, under the plan's own law. */
  heal(): void {
    this.#cut.fill(0);
    for (let link = 0; link < this.#held.length; link++) this.#release(link);
    this.#law = this.#plannedLaw;
  }

  #release(link: number): void {
    const held = this.#held[link];
    if (held === undefined) return;
    this.#held[link] = undefined;
    for (const message of held) this.#released.push(message);
  }
}
