/*
 * Operations, answers and faults of a history in words: one line each, the same in the page's lanes, its evidence
 * tables and the terminal. Not a format: nothing reads these lines back.
 */

import { authText } from "../scenarios/check/auth-text.ts";
import type {
  CompareOperation,
  HistoryKeyValue,
  Operation,
  OperationAnswer,
  ReturnEvent,
  WatchOpenEvent,
} from "../scenarios/history.ts";
import { quoteBytes } from "./html.ts";

/** `a`, `["a", "b")`, `≥ "a"`. */
function rangeText(range: { readonly key: string; readonly rangeEnd?: string }): string {
  if (range.rangeEnd === undefined) return quoteBytes(range.key);
  if (range.rangeEnd === "\0") return range.key === "\0" ? "all keys" : `keys ≥ ${quoteBytes(range.key)}`;
  return `[${quoteBytes(range.key)}, ${quoteBytes(range.rangeEnd)})`;
}

/** What a client asked, one line. */
export function operationText(operation: Operation): string {
  switch (operation.op) {
    case "range":
      return [
        operation.countOnly ? "count" : "get",
        rangeText(operation),
        operation.revision === undefined ? "" : `at revision ${operation.revision}`,
        operation.serializable ? "serializable" : "",
        operation.keysOnly ? "keys only" : "",
        operation.limit ? `limit ${operation.limit}` : "",
        operation.sortTarget ? `by ${operation.sortTarget} ${operation.sortOrder ?? ""}` : "",
      ]
        .filter((word) => word !== "")
        .join(" ");
    case "put":
      return `put ${quoteBytes(operation.key)} = ${quoteBytes(operation.value)}${operation.lease ? ` lease ${operation.lease}` : ""}`;
    case "deleteRange":
      return `delete ${rangeText(operation)}`;
    case "txn": {
      const list = (operations: readonly Operation[]) =>
        operations.length === 0 ? "nothing" : operations.map(operationText).join("; ");
      const when = operation.compares.map(compareText).join(" and ");
      return `${when === "" ? "txn" : `if ${when} then`} ${list(operation.success)}${operation.failure.length > 0 ? ` else ${list(operation.failure)}` : ""}`;
    }
    case "compact":
      return `compact ${operation.revision}`;
    case "leaseGrant":
      return `grant lease ${operation.lease} for ${operation.ttlSeconds} s`;
    case "leaseRevoke":
      return `revoke lease ${operation.lease}`;
    case "leaseKeepAlive":
      return `keep lease ${operation.lease} alive`;
    case "leaseTimeToLive":
      return `time to live of lease ${operation.lease}`;
    case "hashKv":
      return operation.revision > 0 ? `hash at revision ${operation.revision}` : "hash";
    case "look":
      return `look at ${operation.at}`;
    case "auth":
      return authText(operation);
    case "login":
      return `login of ${operation.user}`;
    default:
      return JSON.stringify(operation satisfies never);
  }
}

const compareWords = { equal: "=", greater: ">", less: "<", notEqual: "≠" } as const;

function compareText(compare: CompareOperation): string {
  const operand =
    typeof compare.operand === "string" && compare.target === "value" ? quoteBytes(compare.operand) : compare.operand;
  return `${compare.target}(${rangeText(compare)}) ${compareWords[compare.result]} ${operand}`;
}

function keyValueText(keyValue: HistoryKeyValue): string {
  return `${quoteBytes(keyValue.key)} = ${quoteBytes(keyValue.value)} (mod ${keyValue.modRevision}, version ${keyValue.version})`;
}

const listShownMax = 6;
function listText(texts: readonly string[]): string {
  return texts.length <= listShownMax
    ? texts.join(", ")
    : `${texts.slice(0, listShownMax).join(", ")}, … ${texts.length - listShownMax} more`;
}

/** The body of an accepted answer, one line. */
function answerText(answer: OperationAnswer): string {
  switch (answer.op) {
    case "range":
      return answer.kvs.length === 0
        ? answer.count === 0
          ? "nothing"
          : `count ${answer.count}`
        : `${listText(answer.kvs.map(keyValueText))}${answer.more ? ` of ${answer.count}` : ""}`;
    case "put":
      return answer.prevKv === undefined ? "done" : `done, was ${keyValueText(answer.prevKv)}`;
    case "deleteRange":
      return `deleted ${answer.deleted}`;
    case "txn":
      return `${answer.succeeded ? "then" : "else"}: ${answer.responses.length === 0 ? "nothing" : listText(answer.responses.map(answerText))}`;
    case "compact":
    case "leaseRevoke":
      return "done";
    case "leaseGrant":
      return `lease ${answer.lease}, ${answer.ttlSeconds} s`;
    case "leaseKeepAlive":
      return answer.ttlSeconds === 0 ? "unknown or expired" : `${answer.ttlSeconds} s`;
    case "leaseTimeToLive":
      return answer.ttlSeconds === -1 ? "unknown" : `${answer.ttlSeconds} s of ${answer.grantedTtlSeconds} s`;
    case "hashKv":
      return `hash ${answer.hash} at revision ${answer.hashRevision}`;
    case "look":
      return "seen";
    case "auth":
      return "done";
    case "login":
      return "a token";
    default:
      return JSON.stringify(answer satisfies never);
  }
}

/** What came back, one line; a call without a return says so. */
export function returnText(returned: ReturnEvent | undefined): string {
  if (returned === undefined) return "no answer before the run ended";
  if (returned.outcome === "ok") return `${answerText(returned.answer)} · revision ${returned.revision}`;
  return returned.outcome === "failed" ? `refused: ${returned.error}` : `unknown: ${returned.error}`;
}

/** What a watch asked for, one line. */
export function watchText(open: WatchOpenEvent): string {
  return [
    `watch ${rangeText(open)}`,
    open.startRevision === undefined ? "from now" : `from revision ${open.startRevision}`,
    open.prevKv ? "with previous values" : "",
    open.noPut ? "no puts" : "",
    open.noDelete ? "no deletes" : "",
    open.resumes === undefined ? "" : `resuming watch ${open.resumes}`,
  ]
    .filter((word) => word !== "")
    .join(", ");
}
