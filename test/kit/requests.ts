/*
 * Requests with every field that a test does not care about at its zero.
 */
import { plainRange } from "../../chaos/client/plain-range.ts";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import { leaseIdOf, watchIdOf } from "../../core/ids.ts";
import type {
  Answer,
  Compare,
  CompareOperand,
  CompareResult,
  DeleteRangeRequest,
  KeyValue,
  PutRequest,
  RangeRequest,
  Reply,
  TxnRequest,
  WatchCreateRequest,
} from "../../core/request.ts";

export const putOf = (key: string, value = "", more: Partial<PutRequest> = {}): PutRequest => ({
  type: "put",
  key: bytesOfText(key),
  value: bytesOfText(value),
  lease: leaseIdOf(0n),
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
  ...more,
});

export const rangeOf = (key: string, rangeEnd?: string, more: Partial<RangeRequest> = {}): RangeRequest => ({
  ...plainRange,
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
  ...more,
});

export const deleteOf = (key: string, rangeEnd?: string, prevKv = false): DeleteRangeRequest => ({
  type: "deleteRange",
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
  prevKv,
});

export const compareOf = (key: string, result: CompareResult, operand: CompareOperand, rangeEnd?: string): Compare => ({
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
  result,
  operand,
});

export const versionIs = (key: string, version: number): Compare =>
  compareOf(key, "equal", { target: "version", number: version });

export const txnOf = (parts: Partial<Omit<TxnRequest, "type">>): TxnRequest => ({
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
