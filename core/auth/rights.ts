/*
 * Unions of key intervals: what a user may read, or write, is everything that some granted interval covers, and two
 * intervals that touch cover a request across their border. An interval without end reaches beyond every key; its end is
 * absent here, and never a key: as a key, the one zero byte that stands for it on the wire would sort before all others.
 * Source: etcd v3 API, Auth, permission check.
 */
import { textOfBytes } from "../bytes.ts";
import type { KeyRange } from "../request.ts";

/** All keys k with from ≤ k < to, as texts; `to` undefined: without end. */
export interface Interval {
  readonly from: string;
  readonly to: string | undefined;
}

/** A single key is the interval up to the next key there can be. One that is turned around stands for its first key. */
export function intervalOf({ key, rangeEnd }: KeyRange): Interval {
  const from = textOfBytes(key);
  if (rangeEnd === undefined || rangeEnd.length === 0) return { from, to: `${from}\0` };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { from, to: undefined };
  const to = textOfBytes(rangeEnd);
  return { from, to: to <= from ? `${from}\0` : to };
}

/** Immutable. */
export class Rights {
  /** Ascending; between any two there is a gap. */
  readonly #parts: readonly Interval[];

  constructor(granted: readonly Interval[]) {
    this.#parts = joined(granted);
  }

  /** True when every key of the interval is covered. */
  covers({ from, to }: Interval): boolean {
    const parts = this.#parts;
    let low = 0;
    let high = parts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((parts[middle] as Interval).from <= from) low = middle + 1;
      else high = middle;
    }
    // Only the last part that begins no later can: the one before it ends before that one begins.
    const part = parts[low - 1];
    if (part === undefined) return false;
    if (part.to === undefined) return true;
    return to !== undefined && to <= part.to;
  }

  coversRange(range: KeyRange): boolean {
    return this.covers(intervalOf(range));
  }

  /** The key, as text, is covered. */
  coversKey(text: string): boolean {
    return this.covers({ from: text, to: `${text}\0` });
  }
}

function joined(granted: readonly Interval[]): readonly Interval[] {
  const sorted = [...granted].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const parts: Interval[] = [];
  for (const next of sorted) {
    const last = parts[parts.length - 1];
    if (last === undefined || (last.to !== undefined && last.to < next.from)) parts.push(next);
    else if (last.to !== undefined && (next.to === undefined || next.to > last.to)) {
      parts[parts.length - 1] = { from: last.from, to: next.to };
    }
  }
  return parts;
}

/** What one user may do. */
export interface UserRights {
  readonly read: Rights;
  readonly write: Rights;
}

const allKeys = new Rights([{ from: "", to: undefined }]);
export const everything: UserRights = { read: allKeys, write: allKeys };
