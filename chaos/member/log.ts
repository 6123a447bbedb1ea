/*
 * Log lines in the form of etcd's: one JSON object a line with level, ts, msg, then fields. Written at once, so that
 * the last line before an end is not lost.
 */
import { openSync } from "node:fs";
import pino from "pino";
import type { LogLevel } from "./flags.ts";

export type LogFields = { readonly [field: string]: unknown };

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The process ends because of it; the caller ends it. */
  fatal(message: string, fields?: LogFields): void;
}

/** @param outputs `default` and `stderr`, `stdout`, or paths of files to append to */
export function openLog(options: { readonly level: LogLevel; readonly outputs: readonly string[] }): Log {
  const level = options.level === "panic" ? "fatal" : options.level;
  const streams = options.outputs.map((output) => ({
    level,
    stream: pino.destination({ fd: descriptorOf(output), sync: true }),
  }));
  const logger = pino(
    {
      level,
      base: null,
      messageKey: "msg",
      timestamp: () => `,"ts":"${zapTime(new Date())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.multistream(streams),
  );
  const at =
    (name: "debug" | "info" | "warn" | "error" | "fatal") =>
    (message: string, fields: LogFields = {}): void =>
      logger[name](fields, message);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), fatal: at("fatal") };
}

/** Says nothing; for tests of parts. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };

function descriptorOf(output: string): number {
  if (output === "default" || output === "stderr") return 2;
  if (output === "stdout") return 1;
  return openSync(output, "a", 0o600);
}

/** The layout of etcd's logs: microseconds, and the zone as Z or ±hhmm. */
function zapTime(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
  const two = (value: number): string => String(value).padStart(2, "0");
  const size = Math.abs(minutes);
  const zone = minutes === 0 ? "Z" : `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
  return `${local}000${zone}`;
}
