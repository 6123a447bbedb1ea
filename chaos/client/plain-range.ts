/*
 * The range request in which everything is left out that a caller may leave out.
 */

/** A current, linearizable, unsorted range of one key; `key` is left to be given. */
export const plainRange = {
  type: "range",
  rangeEnd: undefined,
  limit: 0,
  revision: 0,
  sortOrder: "none",
  sortTarget: "key",
  serializable: false,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
} as const;
