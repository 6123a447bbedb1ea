/*
 * Single keys: puts, reads of now, of the past and of one member alone, deletes.
 */
import { between, chance, oneOf } from "../chance.ts";
import { type OperationSource, uniqueValue } from "./source.ts";

/** Puts with unique values, every fourth asking for the previous pair. */
export const puts = (weight: number): OperationSource => ({
  name: "puts",
  weight,
  begin:
    ({ keys }) =>
    (call) => {
      const put = { op: "put", key: oneOf(call.random, keys), value: uniqueValue(call) } as const;
      return chance(call.random, 25) ? { ...put, prevKv: true } : put;
    },
});

/** Linearizable reads of one key. */
export const gets = (weight: number): OperationSource => ({
  name: "gets",
  weight,
  begin:
    ({ keys }) =>
    ({ random }) => ({ op: "range", key: oneOf(random, keys) }),
});

/** Reads the answering member serves from what it has. */
export const serializableGets = (weight: number): OperationSource => ({
  name: "serializableGets",
  weight,
  begin:
    ({ keys }) =>
    ({ random }) => ({ op: "range", key: oneOf(random, keys), serializable: true }),
});

/** Reads at a revision some way back. */
export const oldGets = (weight: number): OperationSource => ({
  name: "oldGets",
  weight,
  begin:
    ({ keys }) =>
    ({ random }) => ({ op: "range", key: oneOf(random, keys), revisionBack: between(random, { min: 0, max: 100 }) }),
});

/** Deletes of one key, every second asking for the pair that goes. */
export const deletes = (weight: number): OperationSource => ({
  name: "deletes",
  weight,
  begin:
    ({ keys }) =>
    ({ random }) => {
      const key = oneOf(random, keys);
      return chance(random, 50) ? { op: "deleteRange", key, prevKv: true } : { op: "deleteRange", key };
    },
});
