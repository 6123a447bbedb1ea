/*
 * Whether another member is reached, told again and again while it is not, in etcd's words: operators' alerts read them.
 * Source: etcd configuration, §8 logging; the probing of peers in etcd's own network.
 */
import { hexOf, type MemberId } from "../../core/index.ts";
import type { Log } from "./log.ts";

/** Between two looks: soon again while something is wrong. */
const unhealthyMs = 5_000;
const healthyMs = 30_000;

export class PeerHealth {
  readonly #log: Log;
  readonly #memberId: MemberId;
  #lookMs: number;
  /** Of the last question that was answered; 0: none was. */
  roundTripMs = 0;
  /** Why it was not reached the last time. */
  error = "";

  constructor(memberId: MemberId, log: Log, nowMs: number) {
    this.#memberId = memberId;
    this.#log = log;
    this.#lookMs = nowMs + unhealthyMs;
  }

  /** Call it often. @param isAlive whether the member gives signs of life */
  look(nowMs: number, isAlive: boolean): void {
    if (nowMs < this.#lookMs) return;
    this.#lookMs = nowMs + (isAlive ? healthyMs : unhealthyMs);
    if (isAlive) return;
    this.#log.warn("prober detected unhealthy status", {
      "round-tripper-name": "ROUND_TRIPPER_RAFT_MESSAGE",
      "remote-peer-id": hexOf(this.#memberId),
      rtt: `${this.roundTripMs.toFixed(3)}ms`,
      error: this.error,
    });
  }
}

const causes: { readonly [code: string]: string } = {
  ECONNREFUSED: "connect: connection refused",
  ECONNRESET: "read: connection reset by peer",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
};

/** What went wrong with a dial, in the words of Go's library. */
export const dialError = (address: string, { code, message }: NodeJS.ErrnoException): string =>
  `dial tcp ${address}: ${causes[code ?? ""] ?? message}`;
