/*
 * The easy case of the witness: every revision has an author that answered, so that the revisions alone are the order.
 */
import type { Evidence } from "./evidence.ts";
import { type CompactHistory, fates } from "./operations.ts";
import type { Order } from "./verify-order.ts";

/** The order when every revision has an author: by rank, then by call. Nothing is judged. */
export function orderByRank(history: CompactHistory, evidence: Evidence): Order {
  const { fate, revision } = history.columns;
  const starts = new Int32Array(2 * (evidence.maxRevision + 2) + 1);
  let count = 0;
  for (let index = 0; index < fate.length; index++) {
    const kind = fate[index] as number;
    if (kind !== fates.kept && kind !== fates.wrote) continue;
    // One place further: what is summed up is where the rank begins.
    const next = 2 * (revision[index] as number) + (kind === fates.wrote ? 1 : 2);
    starts[next] = (starts[next] as number) + 1;
    count++;
  }
  for (let rank = 1; rank < starts.length; rank++) {
    starts[rank] = (starts[rank] as number) + (starts[rank - 1] as number);
  }
  const entries = new Int32Array(count);
  for (let index = 0; index < fate.length; index++) {
    const kind = fate[index] as number;
    if (kind !== fates.kept && kind !== fates.wrote) continue;
    const rank = 2 * (revision[index] as number) + (kind === fates.wrote ? 0 : 1);
    const position = starts[rank] as number;
    starts[rank] = position + 1;
    entries[position] = index;
  }
  return { entries, expiries: [] };
}
