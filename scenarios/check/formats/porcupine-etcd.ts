/*
 * One register of an etcd cluster as Jepsen logged it: "process :invoke|:ok|:fail|:info :read|:write|:cas value", tabs
 * between. The register starts absent. A failed cas is an answer (the value did not match), a failed read has no
 * result, :info leaves the outcome open.
 */
import type { HistoryEvent, Operation } from "../../history.ts";
import {
  compareAndSet,
  compareAndSetAnswer,
  foreignAnswer,
  foreignCall,
  foreignFailure,
  foreignMeta,
  foundAnswer,
} from "./foreign.ts";
import { FormatError, linesOf, shorten } from "./format.ts";

const key = "register";
const linePattern = /(\d+)\t(:\w+)\t(:\w+)\t(.*)$/;

export const looksLikePorcupineEtcd = (line: string): boolean => linePattern.test(line);

/** @throws FormatError */
export function parsePorcupineEtcd(text: string): HistoryEvent[] {
  const events: HistoryEvent[] = [foreignMeta("porcupine-etcd", 1)];
  const open = new Map<number, { readonly id: number; readonly kind: string }>();
  // A process that never heard of its outcome goes on under its number: each call gets a client of its own.
  let id = 0;
  for (const { line, text: content } of linesOf(text)) {
    const found = linePattern.exec(content);
    if (found === null) {
      throw new FormatError(line, `"process, :type, :operation, value" between tabs, got ${shorten(content)}`);
    }
    const [, processText = "", type = "", kind = "", value = ""] = found;
    const process = Number(processText);
    if (type === ":invoke") {
      id++;
      open.set(process, { id, kind });
      events.push(foreignCall(id, id, operationOf(kind, value, line)));
      continue;
    }
    const call = open.get(process);
    if (call === undefined || call.kind !== kind) {
      throw new FormatError(line, `an open ${kind} of process ${process}, which has ${call?.kind ?? "no open call"}`);
    }
    open.delete(process);
    if (type === ":info") events.push(foreignFailure(call.id, call.id, "unknown", value));
    else if (type === ":ok") events.push(foreignAnswer(call.id, call.id, answerOf(kind, value, line)));
    else if (type !== ":fail") throw new FormatError(line, `:invoke, :ok, :fail or :info, got ${type}`);
    else if (kind === ":cas") events.push(foreignAnswer(call.id, call.id, compareAndSetAnswer(false)));
    else events.push(foreignFailure(call.id, call.id, "failed", value));
  }
  return events;
}

function operationOf(kind: string, value: string, line: number): Operation {
  switch (kind) {
    case ":read":
      return { op: "range", key };
    case ":write":
      return { op: "put", key, value: numberText(value, line) };
    case ":cas": {
      const pair = /^\[(-?\d+) (-?\d+)\]$/.exec(value);
      if (pair === null) throw new FormatError(line, `"[from to]", got ${shorten(value)}`);
      return compareAndSet(key, pair[1] ?? "", pair[2] ?? "");
    }
    default:
      throw new FormatError(line, `:read, :write or :cas, got ${kind}`);
  }
}

function answerOf(kind: string, value: string, line: number): ReturnType<typeof foundAnswer> {
  if (kind === ":read") return foundAnswer(key, value === "nil" ? undefined : numberText(value, line));
  return kind === ":write" ? { op: "put" } : compareAndSetAnswer(true);
}

function numberText(value: string, line: number): string {
  if (!/^-?\d+$/.test(value)) throw new FormatError(line, `a whole number, got ${shorten(value)}`);
  return value;
}
