/*
 * Requests with every field that a test does not care about at its zero.
 */
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import { leaseIdOf, watchIdOf } from "../../core/ids.ts";
import type {
  Answer,
  Compare,
  DeleteRangeRequest,
  KeyValue,
  PutRequest,
  RangeRequest,
  Reply,
  TxnRequest,
  WatchCreateRequest,
} from "../../core/request.ts";

export const put = (key: string, value: string, more: Partial<PutRequest> = {}): PutRequest => ({
  type: "put",
  key: bytesOfText(key),
  value: bytesOfText(value),
  lease: leaseIdOf(0n),
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
  ...more,
});

export const range = (key: string, rangeEnd?: string, more: Partial<RangeRequest> = {}): RangeRequest => ({
  type: "range",
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
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
  ...more,
});

export const deleteRange = (key: string, rangeEnd?: string): DeleteRangeRequest => ({
  type: "deleteRange",
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
  prevKv: false,
});

export const versionIs = (key: string, version: number): Compare => ({
  key: bytesOfText(key),
  rangeEnd: undefined,
  result: "equal",
  operand: { target: "version", number: version },
});

export const txn = (parts: Partial<Omit<TxnRequest, "type">>): TxnRequest => ({
  type: "txn",
  compares: [],
  success: [],
  failure: [],
  ...parts,
});

export const watchFrom = (key: string, rangeEnd?: string, startRevision = 0): WatchCreateRequest => ({
  type: "watchCreate",
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
  startRevision,
  progressNotify: false,
  noPut: false,
  noDelete: false,
  prevKv: false,
  watchId: watchIdOf(0n),
  fragment: false,
});

/** The answer of an accepted reply; throws with the refusal otherwise. */
export function accepted(reply: Reply | undefined): Answer {
  if (reply === undefined) throw new Error("no reply came");
  if (!reply.ok) throw new Error(`refused: ${reply.refusal}`);
  return reply.answer;
}

/** key=value texts of a range answer. */
export function pairs(reply: Reply | undefined): readonly string[] {
  const answer = accepted(reply);
  if (answer.type !== "range") throw new Error(`not a range answer: ${answer.type}`);
  return answer.keyValues.map(pairOf);
}

export const pairOf = (kv: KeyValue): string => `${textOfBytes(kv.key)}=${textOfBytes(kv.value)}`;
