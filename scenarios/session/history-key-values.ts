/*
 * Key-values in the form of the history. One change is seen many times, by watchers and readers of every member, so the
 * newest are remembered and converted once: all who saw the same then share one copy in the history.
 */
import { equalBytes, type KeyValue, noLease, textOfBytes } from "../../core/index.ts";
import type { HistoryKeyValue } from "../history.ts";

/** Places for the newest changes: more than reach those who see them at one time. A power of two. */
const recentMax = 512;

export class HistoryKeyValues {
  readonly #sources: (KeyValue | undefined)[] = new Array(recentMax).fill(undefined);
  readonly #converted: (HistoryKeyValue | undefined)[] = new Array(recentMax).fill(undefined);

  of(keyValue: KeyValue): HistoryKeyValue {
    // Keys that one transaction puts share its revision, and differ at their end.
    const end = keyValue.key[keyValue.key.length - 1] ?? 0;
    const place = (keyValue.modRevision + end) & (recentMax - 1);
    const source = this.#sources[place];
    const known = this.#converted[place];
    if (source !== undefined && known !== undefined && isSame(source, keyValue)) return known;
    const converted = historyKeyValueOf(keyValue);
    this.#sources[place] = keyValue;
    this.#converted[place] = converted;
    return converted;
  }

  ofAll(keyValues: readonly KeyValue[]): readonly HistoryKeyValue[] {
    return keyValues.map((keyValue) => this.of(keyValue));
  }
}

/** In every field: what a member gets wrong must not be hidden behind what another one said. */
const isSame = (a: KeyValue, b: KeyValue): boolean =>
  a === b ||
  (a.modRevision === b.modRevision &&
    a.createRevision === b.createRevision &&
    a.version === b.version &&
    a.lease === b.lease &&
    equalBytes(a.value, b.value) &&
    equalBytes(a.key, b.key));

function historyKeyValueOf(keyValue: KeyValue): HistoryKeyValue {
  return {
    key: textOfBytes(keyValue.key),
    value: textOfBytes(keyValue.value),
    createRevision: keyValue.createRevision,
    modRevision: keyValue.modRevision,
    version: keyValue.version,
    lease: keyValue.lease === noLease ? "0" : keyValue.lease.toString(),
  };
}
