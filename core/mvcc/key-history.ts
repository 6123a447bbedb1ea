/*
 * The later changes of a few keys, by the index alone: who wants little of a long history need not read all of it.
 * Source: this project; etcd reads the whole history for whoever is behind.
 */
import type { KeyIndex } from "./key-index.ts";
import type { KeyInterval, TreeIndex } from "./tree-index.ts";

/** Keys of an interval that are looked at; where there are more, reading the history is no more work. */
const keysMax = 1_000;
/** Changes that are gathered, of all keys together; whole revisions, so the last may go beyond. */
const changesMax = 1_000;

/** Where one change lies in the backend. */
export interface Place {
  readonly main: number;
  readonly sub: number;
  readonly isTombstone: boolean;
}

/** The next change of one key that was not gathered yet. */
interface Walk {
  readonly key: KeyIndex;
  position: number;
  main: number;
  sub: number;
}

/**
 * @returns the changes of these keys from that revision on, in order, and the first revision of which they might not be
 *   all, undefined: all are there; undefined when the interval has too many keys
 */
export function placesOf(
  index: TreeIndex,
  interval: KeyInterval,
  from: number,
): { readonly places: readonly Place[]; readonly end: number | undefined } | undefined {
  const walks: Walk[] = [];
  const scan = index.scan(interval);
  let keys = 0;
  for (let key = scan.next(); key !== undefined; key = scan.next()) {
    keys += 1;
    if (keys > keysMax) return undefined;
    const position = key.findAt(from - 1) + 1;
    if (position <= key.newest) walks.push({ key, position, main: key.mainAt(position), sub: key.subAt(position) });
  }
  for (let at = (walks.length >> 1) - 1; at >= 0; at--) sink(walks, at);
  const places: Place[] = [];
  for (let walk = walks[0]; walk !== undefined; walk = walks[0]) {
    const { key, position, main, sub } = walk;
    if (places.length >= changesMax && main !== places[places.length - 1]?.main) return { places, end: main };
    places.push({ main, sub, isTombstone: key.isTombstoneAt(position) });
    advance(walks, walk);
  }
  return { places, end: undefined };
}

/** The first of the walks goes on to its next change, or leaves. */
function advance(walks: Walk[], first: Walk): void {
  const { key } = first;
  if (first.position < key.newest) {
    first.position += 1;
    first.main = key.mainAt(first.position);
    first.sub = key.subAt(first.position);
  } else {
    const last = walks.pop() as Walk;
    if (last === first) return;
    walks[0] = last;
  }
  sink(walks, 0);
}

/** Restores the order of a heap, earliest change first, below a place whose walk may be too late for it. */
function sink(walks: Walk[], from: number): void {
  const walk = walks[from] as Walk;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    const left = walks[child];
    if (left === undefined) break;
    const right = walks[child + 1];
    let earlier = left;
    if (right !== undefined && isEarlier(right, left)) {
      earlier = right;
      child += 1;
    }
    if (!isEarlier(earlier, walk)) break;
    walks[at] = earlier;
    at = child;
  }
  walks[at] = walk;
}

const isEarlier = (a: Walk, b: Walk): boolean => a.main < b.main || (a.main === b.main && a.sub < b.sub);
