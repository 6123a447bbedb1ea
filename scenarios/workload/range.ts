/*
 * Many keys at once: prefix reads with every option, deletes of a stretch, compaction of the past.
 */
import { between, chance, oneOf } from "../chance.ts";
import type { RangeOperation } from "../history.ts";
import { type CallContext, keysEnd, keysFrom, type OperationSource } from "./source.ts";

/** Reads of all keys, or of a stretch, now, in the past or from one member; limits, orders, keys or counts only. */
export const ranges = (weight: number): OperationSource => ({
  name: "ranges",
  weight,
  begin:
    ({ keys }) =>
    ({ random }) => {
      const stretch = chance(random, 50) ? { key: keysFrom, rangeEnd: keysEnd } : stretchOf(random, keys);
      const range: RangeOperation = { op: "range", ...stretch, ...shapeOf(random) };
      if (chance(random, 20)) return { ...range, revisionBack: between(random, { min: 0, max: 50 }) };
      return chance(random, 20) ? { ...range, serializable: true } : range;
    },
});

type Shape = Pick<RangeOperation, "limit" | "keysOnly" | "countOnly" | "sortOrder" | "sortTarget">;

function shapeOf(random: CallContext["random"]): Shape {
  const limit: Shape | undefined = chance(random, 30) ? { limit: between(random, { min: 1, max: 4 }) } : undefined;
  const nothing: Shape = {};
  const only = oneOf<Shape>(random, [nothing, nothing, nothing, { keysOnly: true }, { countOnly: true }]);
  const sorted: Shape | undefined = chance(random, 30)
    ? {
        sortOrder: oneOf(random, ["ascend", "descend"]),
        sortTarget: oneOf(random, ["key", "version", "create", "mod", "value"]),
      }
    : undefined;
  return { ...limit, ...only, ...sorted };
}

function stretchOf(
  random: CallContext["random"],
  keys: readonly [string, ...string[]],
): { readonly key: string; readonly rangeEnd: string } {
  const key = oneOf(random, keys);
  const rangeEnd = oneOf(random, keys);
  return key < rangeEnd ? { key, rangeEnd } : { key, rangeEnd: "\0" };
}

/** Deletes of a short stretch of keys: many keys, one revision. */
export const stretchDeletes = (weight: number): OperationSource => ({
  name: "stretchDeletes",
  weight,
  begin:
    ({ keys }) =>
    ({ random }) => {
      const first = random.below(keys.length);
      const key = keys[first] ?? keys[0];
      const rangeEnd = keys[first + between(random, { min: 1, max: 3 })] ?? keysEnd;
      return chance(random, 50)
        ? { op: "deleteRange", key, rangeEnd, prevKv: true }
        : { op: "deleteRange", key, rangeEnd };
    },
});

/** Forgets history up to some way back: old reads and late watchers then meet the border. */
export const compactions = (weight: number): OperationSource => ({
  name: "compactions",
  weight,
  begin:
    () =>
    ({ random }) => ({ op: "compact", revisionBack: between(random, { min: 0, max: 200 }) }),
});
