/*
 * Log lines in the form of etcd's: one JSON object a line with level, ts, logger, caller, msg, then fields; or, for people, the same
 * parted by tabs. Written at once, so that the last line before an end is not lost. Source: etcd configuration, §8.
 */
import { openSync } from "node:fs";
import pino from "pino";
import type { LogLevel } from "./flags.ts";
import { type LogRotation, RotatingFile } from "./log-rotation.ts";

export type LogFields = { readonly [field: string]: unknown };

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The process ends because of it; the caller ends it. */
  fatal(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** `default` and `stderr`, `stdout`, or paths of files to append to. */
  readonly outputs: readonly string[];
  /** Absent: json. */
  readonly format?: LogFormat;
  /** For the files; absent: they grow. */
  readonly rotation?: LogRotation | undefined;
}

export type LogFormat = "json" | "console";

/** @throws an error of the system when a file cannot be opened */
export function openLog(options: LogOptions): Log {
  const level = options.level === "panic" ? "fatal" : options.level;
  const inForm = options.format === "console" ? consoleLine : undefined;
  const streams = options.outputs.map((output) => ({ level, stream: streamOf(output, options.rotation, inForm) }));
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
  const at = (name: "debug" | "info" | "warn" | "error" | "fatal") => {
    const write = (msg: string, { logger: named, ...fields }: LogFields = {}): void => {
      if (!logger.isLevelEnabled(name)) return;
      // In zap's order; the message is a field like the others, for it stands before them.
      logger[name]({ ...(named === undefined ? {} : { logger: named }), caller: callerOf(write), msg, ...fields });
    };
    return write;
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), fatal: at("fatal") };
}

/** File and line of whoever called that function, with the file's folder in front, as zap has it. */
function callerOf(callee: (msg: string) => void): string {
  const { stackTraceLimit } = Error;
  const holder: { stack?: string } = {};
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(holder, callee);
  Error.stackTraceLimit = stackTraceLimit;
  return /([^/\s]+\/[^/\s]+:\d+):\d+\)?\s*$/.exec(holder.stack ?? "")?.[1] ?? "unknown";
}

/** Says nothing; for tests of parts. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };

interface LineStream {
  write(line: string): void;
}

function streamOf(
  output: string,
  rotation: LogRotation | undefined,
  inForm: ((line: string) => string) | undefined,
): LineStream {
  const isFile = !["default", "stderr", "stdout"].includes(output);
  const stream =
    isFile && rotation !== undefined
      ? new RotatingFile(output, rotation)
      : pino.destination({ fd: descriptorOf(output), sync: true });
  return inForm === undefined ? stream : { write: (line) => void stream.write(inForm(line)) };
}

/** A JSON line as time, level, message and the rest, parted by tabs. */
function consoleLine(line: string): string {
  const { level, ts, msg, logger, caller, ...fields } = JSON.parse(line) as { readonly [field: string]: unknown };
  const rest = Object.keys(fields).length === 0 ? [] : [JSON.stringify(fields)];
  const names = [logger, caller].filter((name) => name !== undefined);
  return `${[ts, level, ...names, msg, ...rest].join("\t")}\n`;
}

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
