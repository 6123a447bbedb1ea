/*
 * How long calls of clients take: a warning for unary calls that take too long, and, on demand, a histogram for metrics.
 * Source: etcd configuration, warning-unary-request-duration and metrics; etcd v3 HTTP surface, §5.5.
 */
import { rpcCodeNumbers } from "../../core/index.ts";
import type { HandledCall } from "./call-meter.ts";
import type { Log } from "./log.ts";

export interface SlowCallOptions {
  /** Unary calls above it are worth a warning. */
  readonly warnAboveMs: number;
  readonly log: Log;
  /** Takes the seconds of every call; undefined: nobody counts them. */
  readonly observe: ((call: HandledCall) => void) | undefined;
}

/** To be told of every call that ended. */
export function slowCalls({ warnAboveMs, log, observe }: SlowCallOptions): (call: HandledCall) => void {
  return (call) => {
    observe?.(call);
    if (call.kind !== "unary" || call.seconds * 1_000 <= warnAboveMs) return;
    log.warn("request stats", {
      "time spent": `${(call.seconds * 1_000).toFixed(3)}ms`,
      "response type": call.path,
      "request size": call.bytesReceived,
      "response size": call.bytesSent,
      ...(call.code === 0 ? {} : { code: codeName(call.code) }),
    });
  };
}

const codeName = (code: number): string =>
  Object.entries(rpcCodeNumbers).find(([, number]) => number === code)?.[0] ?? String(code);
