/*
 * How many connections clients may have at once: as many as this process may open files, but for those it needs itself.
 * Without that bound clients could take the last one, and the next file of the log could not be opened: the member would
 * end. One that comes too many is closed at once; those there go on. etcd keeps as many for itself.
 */
import type { Socket } from "node:net";
import { ownHandles } from "./handles.ts";
import type { Log } from "./log.ts";

/** Between two words of connections that were closed. */
const tellMs = 10_000;

export class Places {
  readonly #max: number;
  readonly #log: Log;
  #taken = 0;
  #refused = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  /** @param handleLimit files this process may open; undefined: no bound is known */
  constructor(handleLimit: number | undefined, log: Log) {
    this.#max = handleLimit === undefined ? Number.POSITIVE_INFINITY : handleLimit - ownHandles;
    this.#log = log;
  }

  /** @returns false: there is none, and the connection was closed */
  take(socket: Socket): boolean {
    if (this.#taken >= this.#max) {
      socket.destroy();
      this.#refuse();
      return false;
    }
    this.#taken += 1;
    socket.once("close", () => {
      this.#taken -= 1;
    });
    return true;
  }

  #refuse(): void {
    this.#refused += 1;
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < tellMs) return;
    this.#toldMs = nowMs;
    this.#log.warn("rejected connection", {
      error: "too many connections of clients; raise the limit of open files (ulimit -n)",
      limit: this.#max,
      rejected: this.#refused,
    });
  }
}
