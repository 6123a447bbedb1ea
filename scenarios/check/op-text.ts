/*
 * Operations in words, as reports name them.
 */
import { authText } from "./auth-text.ts";
import type { Op, Step } from "./operations.ts";

/** One operation for people. */
export function opText(op: Op | undefined): string {
  if (op === undefined) return "the server";
  return `call ${op.id} (${stepText(op.step)})`;
}

function stepText(step: Step): string {
  const source = step.source;
  switch (source.op) {
    case "range":
      return `range ${keyText(source)}${source.revision === undefined ? "" : ` at ${source.revision}`}`;
    case "put":
      return `put ${JSON.stringify(source.key)} ${JSON.stringify(source.value)}`;
    case "deleteRange":
      return `delete ${keyText(source)}`;
    case "txn":
      return `txn of ${source.compares.length} compares`;
    case "compact":
      return `compact ${source.revision}`;
    case "hashKv":
      return `hashKv ${source.revision}`;
    case "look":
      return `look at ${source.at}`;
    case "auth":
      return authText(source);
    case "login":
      return `login of ${source.user}`;
    default:
      return `${source.op} ${source.lease}`;
  }
}

const keyText = (source: { readonly key: string; readonly rangeEnd?: string }): string =>
  source.rangeEnd === undefined
    ? JSON.stringify(source.key)
    : `[${JSON.stringify(source.key)}, ${JSON.stringify(source.rangeEnd)})`;
