/*
 * Which watches cover a key, without looking at all of them. Single keys are found by their text; ranges stand in a sorted
 * list, equal ranges as one, that is read as a balanced tree: the middle of a part is its root, and knows the furthest
 * end below it. A look-up passes by every part that ends before the key. Not here: what a watch does with a key.
 */
import type { WatchedRange } from "./watcher.ts";

/** What the index must know of a watch. */
export interface Ranged {
  readonly serial: number;
  readonly range: WatchedRange;
}

interface RangeGroup<Member> {
  readonly from: string;
  /** undefined: no end. */
  readonly to: string | undefined;
  /** Furthest end in the part of the list of which this is the middle. */
  furthest: string | undefined;
  /** By serial. */
  readonly members: Member[];
}

export class RangeIndex<Member extends Ranged> {
  /** By serial within one key. */
  readonly #byKey = new Map<string, Member[]>();
  /** By from, then to. */
  readonly #ranges: RangeGroup<Member>[] = [];
  #stale = false;

  get isEmpty(): boolean {
    return this.#byKey.size === 0 && this.#ranges.length === 0;
  }

  add(member: Member): void {
    const { range } = member;
    if (range.singleKey) {
      const members = this.#byKey.get(range.from);
      if (members === undefined) this.#byKey.set(range.from, [member]);
      else insertBySerial(members, member);
      return;
    }
    const position = this.#positionOf(range);
    const group = this.#ranges[position];
    if (group !== undefined && sameRange(group, range)) {
      insertBySerial(group.members, member);
      return;
    }
    this.#ranges.splice(position, 0, { from: range.from, to: range.to, furthest: range.to, members: [member] });
    this.#stale = true;
  }

  /** Members that were not added are ignored. */
  remove(member: Member): void {
    const { range } = member;
    if (range.singleKey) {
      const members = this.#byKey.get(range.from);
      if (members === undefined) return;
      removeBySerial(members, member);
      if (members.length === 0) this.#byKey.delete(range.from);
      return;
    }
    const position = this.#positionOf(range);
    const group = this.#ranges[position];
    if (group === undefined || !sameRange(group, range)) return;
    removeBySerial(group.members, member);
    if (group.members.length > 0) return;
    this.#ranges.splice(position, 1);
    this.#stale = true;
  }

  /** Adds to `found` the lists of members that cover the key, each by serial. They are the index's own: only read them. */
  find(key: string, found: (readonly Member[])[]): void {
    const members = this.#byKey.get(key);
    if (members !== undefined) found.push(members);
    if (this.#ranges.length === 0) return;
    if (this.#stale) {
      this.#stale = false;
      this.#measure(0, this.#ranges.length);
    }
    this.#findBetween(0, this.#ranges.length, key, found);
  }

  #findBetween(low: number, high: number, key: string, found: (readonly Member[])[]): void {
    if (low >= high) return;
    const middle = (low + high) >> 1;
    const group = this.#ranges[middle] as RangeGroup<Member>;
    if (group.furthest !== undefined && group.furthest <= key) return;
    this.#findBetween(low, middle, key, found);
    if (group.from > key) return;
    if (group.to === undefined || key < group.to) found.push(group.members);
    this.#findBetween(middle + 1, high, key, found);
  }

  /** Sets `furthest` in that part of the list; the empty text stands for an empty part. */
  #measure(low: number, high: number): string | undefined {
    if (low >= high) return "";
    const middle = (low + high) >> 1;
    const group = this.#ranges[middle] as RangeGroup<Member>;
    group.furthest = further(group.to, further(this.#measure(low, middle), this.#measure(middle + 1, high)));
    return group.furthest;
  }

  /** Where that range stands, or would have to be put. */
  #positionOf(range: WatchedRange): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (standsBefore(this.#ranges[middle] as RangeGroup<Member>, range)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const further = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || b === undefined ? undefined : a > b ? a : b;

const sameRange = (a: { from: string; to: string | undefined }, b: WatchedRange): boolean =>
  a.from === b.from && a.to === b.to;

function standsBefore(a: { from: string; to: string | undefined }, b: WatchedRange): boolean {
  if (a.from !== b.from) return a.from < b.from;
  return a.to !== undefined && (b.to === undefined || a.to < b.to);
}

/** Position of the first member whose serial is at least that. */
export function positionBySerial(members: readonly { readonly serial: number }[], serial: number): number {
  let low = 0;
  let high = members.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((members[middle] as { readonly serial: number }).serial < serial) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function insertBySerial<Member extends { readonly serial: number }>(members: Member[], member: Member): void {
  const last = members[members.length - 1];
  if (last === undefined || last.serial < member.serial) members.push(member);
  else members.splice(positionBySerial(members, member.serial), 0, member);
}

export function removeBySerial<Member extends { readonly serial: number }>(members: Member[], member: Member): void {
  const position = positionBySerial(members, member.serial);
  if (members[position] === member) members.splice(position, 1);
}
