/*
 * One range read inside one state of the store: filters, order, limit, in the order etcd evaluates them. Fetching is the
 * store's; this page decides how much is fetched and what is left of it. Source: etcd v3 API, KV.Range.
 */
import { compareBytes, emptyBytes } from "../bytes.ts";
import type { KeyValue, RangeAnswer, RangeRequest } from "../request.ts";

/** How many key-values in key order the answer needs; Infinity: all of them. */
export function fetchLimit(request: RangeRequest): number {
  if (request.countOnly) return 0;
  if (request.limit <= 0 || request.sortOrder !== "none" || isFiltered(request)) return Number.POSITIVE_INFINITY;
  // One more than asked for tells whether there is more. A sort target without an order sorts only these.
  return request.limit + 1;
}

/**
 * The answer from the first {@link fetchLimit} key-values in key order.
 *
 * @param count live keys of the interval, whatever the limit and the filters
 */
export function answerRange(request: RangeRequest, fetched: KeyValue[], count: number): RangeAnswer {
  if (request.countOnly) return { type: "range", keyValues: [], more: false, count };
  let keyValues = isFiltered(request) ? fetched.filter((keyValue) => passes(request, keyValue)) : fetched;
  sort(request, keyValues);
  const more = request.limit > 0 && keyValues.length > request.limit;
  if (more) keyValues = keyValues.slice(0, request.limit);
  if (request.keysOnly) keyValues = keyValues.map((keyValue) => ({ ...keyValue, value: emptyBytes }));
  return { type: "range", keyValues, more, count };
}

const isFiltered = (request: RangeRequest): boolean =>
  request.minModRevision !== 0 ||
  request.maxModRevision !== 0 ||
  request.minCreateRevision !== 0 ||
  request.maxCreateRevision !== 0;

function passes(request: RangeRequest, { modRevision, createRevision }: KeyValue): boolean {
  if (request.maxModRevision !== 0 && modRevision > request.maxModRevision) return false;
  if (request.minModRevision !== 0 && modRevision < request.minModRevision) return false;
  if (request.maxCreateRevision !== 0 && createRevision > request.maxCreateRevision) return false;
  return request.minCreateRevision === 0 || createRevision >= request.minCreateRevision;
}

/** In place; key-values that compare equal stay in ascending key order, whichever the direction. */
function sort(request: RangeRequest, keyValues: KeyValue[]): void {
  const { sortTarget } = request;
  const descending = request.sortOrder === "descend";
  if (sortTarget === "key") {
    if (descending) keyValues.reverse();
    return;
  }
  if (sortTarget === "unknown") return;
  const sign = descending ? -1 : 1;
  const compare =
    sortTarget === "version"
      ? (a: KeyValue, b: KeyValue) => sign * (a.version - b.version)
      : sortTarget === "create"
        ? (a: KeyValue, b: KeyValue) => sign * (a.createRevision - b.createRevision)
        : sortTarget === "mod"
          ? (a: KeyValue, b: KeyValue) => sign * (a.modRevision - b.modRevision)
          : (a: KeyValue, b: KeyValue) => sign * compareBytes(a.value, b.value);
  keyValues.sort(compare);
}
