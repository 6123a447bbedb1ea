/*
 * Drives the scenario's sessions over gRPC with real timers: carries out what a client, watch or final session asks
 * for, and hands back what came of it. It decides nothing; the sessions do, and they write the history.
 */
import type { ClientInput, ClientOutput, ClientSession } from "../scenarios/session/client.ts";
import type { FinalOutput, FinalSession } from "../scenarios/session/final.ts";
import type { WatchInput, WatchOutput, WatchSession } from "../scenarios/session/watch.ts";
import type { EtcdClient, Pending, WatchStream } from "./client/client.ts";

export interface SessionSurroundings {
  /** In plan order. */
  readonly clients: readonly EtcdClient[];
  readonly nowMs: () => number;
  /** Called when a session failed with an error of its own: the harness is broken. */
  readonly broken: (error: unknown) => void;
}

/** Timers that end together. */
export class Timers {
  readonly #timers = new Set<NodeJS.Timeout>();
  #open = true;

  /** Does the work once, not before that delay; nothing after `close`. */
  at(delayMs: number, work: () => void): void {
    if (!this.#open) return;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        work();
      },
      Math.max(0, Math.ceil(delayMs)),
    );
    this.#timers.add(timer);
  }

  close(): void {
    this.#open = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

type CallingSession = ClientSession | FinalSession;

/** Drives a session that calls: a client's, or the final reads. */
export class CallDriver {
  readonly #session: CallingSession;
  readonly #surroundings: SessionSurroundings;
  readonly #onFinished: ((missing: readonly string[]) => void) | undefined;
  readonly #timers = new Timers();
  readonly #pending = new Map<number, Pending<unknown>>();
  #open = true;

  /** @param onFinished called when a FinalSession is over */
  constructor(
    session: CallingSession,
    surroundings: SessionSurroundings,
    onFinished?: (missing: readonly string[]) => void,
  ) {
    this.#session = session;
    this.#surroundings = surroundings;
    this.#onFinished = onFinished;
  }

  begin(): void {
    this.#step({ type: "wake", nowMs: this.#surroundings.nowMs() });
  }

  /** No new calls; the one in flight may still be answered. */
  stop(): void {
    this.#step({ type: "stop", nowMs: this.#surroundings.nowMs() });
  }

  /** Ends everything at once; nothing is recorded any more. */
  close(): void {
    this.#open = false;
    this.#timers.close();
    for (const pending of this.#pending.values()) pending.cancel();
    this.#pending.clear();
  }

  #step(input: ClientInput): void {
    if (!this.#open) return;
    try {
      for (const output of this.#session.step(input)) this.#carryOut(output);
    } catch (error) {
      this.#surroundings.broken(error);
    }
  }

  #carryOut(output: ClientOutput | FinalOutput): void {
    switch (output.type) {
      case "call":
        this.#await(output.callId, this.#clientOf(output.member).call(output.request));
        break;
      case "keepAlive":
        this.#await(output.callId, this.#clientOf(output.member).keepAlive(output.leaseId));
        break;
      case "abandon":
        this.#pending.get(output.callId)?.cancel();
        this.#pending.delete(output.callId);
        break;
      case "wakeAt":
        this.#timers.at(output.atMs - this.#surroundings.nowMs(), () =>
          this.#step({ type: "wake", nowMs: this.#surroundings.nowMs() }),
        );
        break;
      case "finished":
        this.#onFinished?.(output.missing);
        break;
    }
  }

  #await(callId: number, pending: Pending<WithoutCall<ClientInput>>): void {
    this.#pending.set(callId, pending);
    pending.result.then((result) => {
      // After an abandon nobody waits for it.
      if (!this.#pending.delete(callId)) return;
      this.#step({ ...result, callId, nowMs: this.#surroundings.nowMs() } as ClientInput);
    }, this.#surroundings.broken);
  }

  #clientOf(member: number): EtcdClient {
    const client = this.#surroundings.clients[member];
    if (client === undefined) throw new Error(`a session calls member ${member}, there is none`);
    return client;
  }
}

/** A result before it is known whose it is and when it came. */
type WithoutCall<Of> = Of extends { readonly callId: number } ? Omit<Of, "callId" | "nowMs"> : never;

/** Drives one watcher: a stream for each watch it opens. */
export class WatchDriver {
  readonly #session: WatchSession;
  readonly #surroundings: SessionSurroundings;
  readonly #timers = new Timers();
  readonly #streams = new Map<number, WatchStream>();
  #open = true;

  constructor(session: WatchSession, surroundings: SessionSurroundings) {
    this.#session = session;
    this.#surroundings = surroundings;
  }

  begin(): void {
    this.#step({ type: "wake", nowMs: this.#surroundings.nowMs() });
  }

  hurry(): void {
    this.#step({ type: "hurry", nowMs: this.#surroundings.nowMs() });
  }

  /** The session closes its streams and records that. */
  finish(): void {
    this.#step({ type: "close", nowMs: this.#surroundings.nowMs() });
    this.close();
  }

  /** Ends everything at once; nothing is recorded any more. */
  close(): void {
    this.#open = false;
    this.#timers.close();
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  #step(input: WatchInput): void {
    if (!this.#open) return;
    try {
      for (const output of this.#session.step(input)) this.#carryOut(output);
    } catch (error) {
      this.#surroundings.broken(error);
    }
  }

  #carryOut(output: WatchOutput): void {
    switch (output.type) {
      case "open":
        this.#openStream(output);
        break;
      case "request":
        this.#streams.get(output.watch)?.request(output.request);
        break;
      case "drained":
        this.#streams.get(output.watch)?.taken();
        break;
      case "close":
        this.#streams.get(output.watch)?.close();
        this.#streams.delete(output.watch);
        break;
      case "wakeAt":
        this.#timers.at(output.atMs - this.#surroundings.nowMs(), () =>
          this.#step({ type: "wake", nowMs: this.#surroundings.nowMs() }),
        );
        break;
    }
  }

  #openStream({ watch, member, request }: Extract<WatchOutput, { type: "open" }>): void {
    const { nowMs } = this.#surroundings;
    const stream = this.#surroundings.clients[member]?.watch({
      reply: (reply) => this.#step({ type: "reply", nowMs: nowMs(), watch, reply }),
      ended: (reason) => {
        this.#streams.delete(watch);
        this.#step({ type: "ended", nowMs: nowMs(), watch, reason });
      },
    });
    if (stream === undefined) throw new Error(`a session watches at member ${member}, there is none`);
    this.#streams.set(watch, stream);
    stream.request(request);
  }
}
