/*
 * What a member's log says last, for a report on a member that ended by itself: its panic or fatal line when it has one,
 * else its last line. Only the end of the file is read. It knows the two forms a Go or Node program leaves behind: a
 * line of JSON with a level, and plain text.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

/** A stack of a hundred goroutines is shorter. */
const tailBytes = 256 * 1024;
const quotedMax = 300;

/** @returns one line; undefined when there is no log, or nothing in it */
export function lastWords(logFile: string): string | undefined {
  if (!existsSync(logFile)) return undefined;
  const lines = tailOf(logFile)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const telling = lines.findLast((line) => plainFailure.test(line) || jsonFailure.test(line)) ?? lines.at(-1);
  if (telling === undefined) return undefined;
  const text = messageOf(telling);
  return text.length > quotedMax ? `${text.slice(0, quotedMax)}…` : text;
}

const plainFailure = /^(panic:|fatal error:|faultline:|[A-Z]\w*Error: )/;
const jsonFailure = /^\{"level":"(panic|fatal)"/;

function messageOf(line: string): string {
  if (!line.startsWith("{")) return line;
  try {
    const fields: unknown = JSON.parse(line);
    const isText = typeof fields === "object" && fields !== null && "msg" in fields && typeof fields.msg === "string";
    if (!isText) return line;
    return "error" in fields && typeof fields.error === "string" ? `${fields.msg}: ${fields.error}` : `${fields.msg}`;
  } catch {
    return line; // the process died in the middle of it: what there is says more than nothing
  }
}

function tailOf(path: string): string {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, tailBytes));
    readSync(file, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString("utf8");
  } finally {
    closeSync(file);
  }
}
