/*
 * The loop of a real member: inputs come in from clock, network, disk and clients; those of one turn of the event loop
 * are one step, and its outputs are carried out in order before the next. Also where the backend is committed: between
 * steps, never inside one.
 */
import {
  type Input,
  type MemberEvent,
  type Output,
  type StopCause,
  unreachable,
  type WriteId,
} from "../../core/index.ts";
import type { LmdbBackend } from "./backend.ts";
import type { MemberClock, Ticking } from "./clock.ts";
import type { LogDisk } from "./disk.ts";
import type { FaultPoints } from "./fault-points.ts";
import { BackendProblem } from "./lmdb-environment.ts";
import type { PeerNetwork } from "./network.ts";
import type { Passwords } from "./passwords.ts";
import type { Room } from "./room.ts";
import type { Seam } from "./seam.ts";

type WithoutTime<Type> = Type extends unknown ? Omit<Type, "nowMs"> : never;
export type UntimedInput = WithoutTime<Input>;

/** The part of a member the loop needs. */
export interface Steppable {
  stepAll(inputs: readonly Input[]): readonly Output[];
  /** A step without inputs would have outputs. */
  readonly hasPostponed: boolean;
}

export interface LoopOptions {
  readonly clock: Pick<MemberClock, "nowMs" | "startTicks">;
  readonly tickMs: number;
  readonly commitMs: number;
  /** Pending writes at which the backend is committed at once. */
  readonly commitWrites: number;
  readonly backend: LmdbBackend;
  readonly disk: Pick<LogDisk, "write">;
  readonly room: Pick<Room, "explains" | "noteFull" | "beforeGrowth" | "isFull">;
  readonly network: Pick<PeerNetwork, "send">;
  readonly seam: Pick<Seam, "reply" | "streamReply" | "streamEnded">;
  readonly passwords: Pick<Passwords, "hash" | "check">;
  readonly points?: Pick<FaultPoints, "slowSyncMs">;
  readonly onEvent: (event: MemberEvent) => void;
  /** The member cannot go on; called at most once, and nothing is stepped afterwards. */
  readonly onStop: (reason: StopReason) => void;
  /** Others have met that later life of the member; called at most once, and nothing is stepped afterwards. */
  readonly onOutlived: (incarnation: number) => void;
  readonly onCommit?: (durationMs: number) => void;
  /** A step begins. */
  readonly onStep?: (nowMs: number) => void;
  /** A tick is over, and took so long. */
  readonly onTicked?: (nowMs: number, tookMs: number) => void;
}

/** `disk`: it failed, and nothing more is promised. `listener`: a port failed. `invariant`: the member found itself wrong. */
export interface StopReason {
  readonly kind: "disk" | "listener" | "invariant" | StopCause;
  readonly text: string;
}

export class Loop {
  readonly #options: LoopOptions;
  readonly #member: Steppable;
  /** Inputs for the next step. */
  #waiting: UntimedInput[] = [];
  #scheduled = false;
  #stopped = false;
  #ticking: Ticking | undefined;
  #commitTimer: NodeJS.Timeout | undefined;
  /** Backend syncs that wait for room on the disk: at most one a kind, so few. */
  #heldSyncs: WriteId[] = [];

  constructor(member: Steppable, options: LoopOptions) {
    this.#member = member;
    this.#options = options;
  }

  /** Carries out what the start of the member left to do, then ticks. */
  start(outputs: readonly Output[]): void {
    this.#guarded(() => this.#carryOut(outputs));
    this.#ticking = this.#options.clock.startTicks(this.#options.tickMs, () => this.step({ type: "tick" }));
    this.#commitTimer = setInterval(() => this.#guarded(() => this.#commit()), this.#options.commitMs);
  }

  /** No more ticks and commits; inputs are ignored from now on. */
  stop(): void {
    this.#stopped = true;
    this.#ticking?.stop();
    clearInterval(this.#commitTimer);
  }

  /**
   * One input. Those of one turn of the event loop are stepped together at its end, when every socket that had
   * something was read.
   */
  step(input: UntimedInput): void {
    if (this.#stopped) return;
    this.#waiting.push(input);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#guarded(() => this.#stepWaiting());
    });
  }

  /** Outputs may bring more inputs, which follow right after. */
  #stepWaiting(): void {
    const { nowMs } = this.#options.clock;
    do {
      if (this.#stopped) return;
      const inputs = this.#waiting;
      this.#waiting = [];
      const atMs = nowMs();
      this.#options.onStep?.(atMs);
      const outputs = this.#member.stepAll(inputs.map((input) => ({ ...input, nowMs: atMs }) as Input));
      if (inputs.some(({ type }) => type === "tick")) this.#options.onTicked?.(atMs, nowMs() - atMs);
      this.#carryOut(outputs);
      if (this.#options.backend.pendingWrites >= this.#options.commitWrites) this.#commit();
    } while (this.#waiting.length > 0);
    // Sockets are read before: what came in the meantime is part of that step.
    if (this.#member.hasPostponed) this.#schedule();
  }

  /** Tries again what found no room on the disk. @returns false: there is none yet */
  retryCommit(): boolean {
    let isDone = false;
    this.#guarded(() => {
      isDone = this.#tryCommit();
      if (!isDone) return;
      for (const writeId of this.#heldSyncs.splice(0)) this.#waiting.push({ type: "backendSynced", writeId });
      this.#stepWaiting();
    });
    return isDone;
  }

  /** The log disk failed: nothing may be promised any more. */
  fail(reason: StopReason): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onStop(reason);
  }

  #guarded(body: () => void): void {
    if (this.#stopped) return;
    try {
      body();
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const world = error instanceof CommitFailure || error instanceof BackendProblem;
      this.fail({ kind: world ? "disk" : "invariant", text });
    }
  }

  #carryOut(outputs: readonly Output[]): void {
    const { network, disk, seam, passwords } = this.#options;
    for (const output of outputs) {
      switch (output.type) {
        case "sendMessage":
          network.send(output.message);
          break;
        case "writeLog":
          disk.write(output.writeId, output.operations, output.sync);
          break;
        case "syncBackend": {
          const { writeId } = output;
          if (this.#commit()) this.#waiting.push({ type: "backendSynced", writeId });
          else this.#heldSyncs.push(writeId);
          break;
        }
        case "reply":
          seam.reply(output.requestId, output.reply);
          break;
        case "streamReply":
          seam.streamReply(output.streamId, output.reply);
          break;
        case "streamEnded":
          seam.streamEnded(output.streamId, output.refusal);
          break;
        case "hashPassword":
          passwords.hash(output.requestId, output.password);
          break;
        case "checkPassword":
          passwords.check(output.requestId, output.password, output.hash);
          break;
        case "event":
          this.#options.onEvent(output.event);
          break;
        case "outlived":
          this.stop();
          this.#options.onOutlived(output.incarnation);
          return;
        case "stop":
          this.fail({ kind: output.cause, text: output.reason });
          return;
        default:
          unreachable(output);
      }
    }
  }

  /** False: the disk has no room; what is to be committed waits in memory, and is in the log. */
  #commit(): boolean {
    return !this.#options.room.isFull && this.#tryCommit();
  }

  #tryCommit(): boolean {
    const { backend, room, points, onCommit } = this.#options;
    if (backend.pendingWrites === 0) return true;
    const startedMs = performance.now();
    try {
      room.beforeGrowth(1);
      backend.commit();
      stall(points?.slowSyncMs ?? 0);
    } catch (error) {
      if (!room.explains(error)) {
        throw new CommitFailure(
          `the backend could not be committed: ${error instanceof Error ? error.message : error}`,
        );
      }
      room.noteFull();
      return false;
    }
    onCommit?.(performance.now() - startedMs);
    return true;
  }
}

/** Everything stands still, as it does while a commit waits for a slow disk. */
function stall(ms: number): void {
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

class CommitFailure extends Error {
  override readonly name = "CommitFailure";
}
