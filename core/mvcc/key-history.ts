/*
 * The later changes of a few keys, by the index alone: who wants little of a long history need not read all of it.
 * Source: this project; etcd reads the whole history for whoever is behind.
 */
import type { KeyIndex } from "./key-index.ts";
import type { KeyInterval, TreeIndex } from "./tree-index.ts";

/** Keys of an interval that are looked at; where there are more, reading the history is no more work. */
const keysMax = 1_000;
/** Changes that are gathered, of all keys together; of each at least {@link changesPerKeyMin}, and whole revisions. */
const changesMax = 1_000;
const changesPerKeyMin = 4;

/** Where one change lies in the backend. */
export interface Place {
  readonly main: number;
  readonly sub: number;
  readonly isTombstone: boolean;
}

interface Walk {
  readonly key: KeyIndex;
  /** Its first change from the revision asked for on. */
  readonly position: number;
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
    if (position <= key.newest) walks.push({ key, position });
  }
  const perKey = Math.max(changesPerKeyMin, Math.floor(changesMax / walks.length));
  const places: Place[] = [];
  let end: number | undefined;
  for (const walk of walks) {
    const stopped = gather(walk, perKey, places);
    if (stopped !== undefined && (end === undefined || stopped < end)) end = stopped;
  }
  places.sort((a, b) => a.main - b.main || a.sub - b.sub);
  return { places: end === undefined ? places : places.filter(({ main }) => main < (end as number)), end };
}

/** @returns the revision of the first change that was left out */
function gather({ key, position: first }: Walk, count: number, places: Place[]): number | undefined {
  const { newest } = key;
  let last = 0;
  for (let position = first; position <= newest; position++) {
    const main = key.mainAt(position);
    if (position >= first + count && main !== last) return main;
    last = main;
    places.push({ main, sub: key.subAt(position), isTombstone: key.isTombstoneAt(position) });
  }
  return undefined;
}
