/*
 * A map of strings, one EDN-like map a line: {:process 0, :type :invoke, :f :append, :key "4", :value "x"}. Calls that
 * never return are open; a get without an answer says nothing.
 */
import { never } from "../operations.ts";
import type { StringOperation } from "../strings.ts";
import { FormatError, linesOf, shorten } from "./format.ts";

const linePattern =
  /^\{:process (\d+), :type :(\w+), :f :(\w+), :key "((?:[^"\\]|\\.)*)", :value (nil|"((?:[^"\\]|\\.)*)")\}$/;

export const looksLikePorcupineKv = (line: string): boolean => line.startsWith("{:process ");

/** @throws FormatError */
export function parsePorcupineKv(text: string): StringOperation[] {
  const operations: StringOperation[] = [];
  const open = new Map<number, number>();
  for (const { line, text: content } of linesOf(text)) {
    const found = linePattern.exec(content);
    if (found === null) {
      throw new FormatError(line, `{:process N, :type :T, :f :F, :key "K", :value "V"}, got ${shorten(content)}`);
    }
    const [, processText = "", type, kind, key = "", , value = ""] = found;
    const process = Number(processText);
    if (kind !== "get" && kind !== "put" && kind !== "append") {
      throw new FormatError(line, `:get, :put or :append, got :${kind}`);
    }
    if (type === "invoke") {
      if (open.has(process)) throw new FormatError(line, `an answer for process ${process} first: its call is open`);
      open.set(process, operations.length);
      operations.push({ id: line, kind, key, value, call: line, ret: never });
      continue;
    }
    const position = open.get(process);
    const call = position === undefined ? undefined : operations[position];
    if (position === undefined || call === undefined || call.kind !== kind || call.key !== key) {
      throw new FormatError(line, `an open :${kind} of ${JSON.stringify(key)} by process ${process}`);
    }
    if (type !== "ok") throw new FormatError(line, `:invoke or :ok, got :${type}`);
    open.delete(process);
    operations[position] = { ...call, value: kind === "get" ? value : call.value, ret: line };
  }
  return operations.filter((operation) => operation.kind !== "get" || operation.ret !== never);
}
