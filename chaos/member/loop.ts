/*
 * The loop of a real member: inputs come in from clock, network, disk and clients; each is one step, and its outputs
 * are carried out in order before the next. Also where the backend is committed: between steps, never inside one.
 */
import { type Input, InvariantViolation, type MemberEvent, type Output, unreachable } from "../../core/index.ts";
import type { LmdbBackend } from "./backend.ts";
import { nowMs, startTicks, type Ticking } from "./clock.ts";
import type { LogDisk } from "./disk.ts";
import type { PeerNetwork } from "./network.ts";
import type { Passwords } from "./passwords.ts";
import type { Seam } from "./seam.ts";

type WithoutTime<Type> = Type extends unknown ? Omit<Type, "nowMs"> : never;
export type UntimedInput = WithoutTime<Input>;

/** The part of a member the loop needs. */
export interface Steppable {
  step(input: Input): readonly Output[];
}

export interface LoopOptions {
  readonly tickMs: number;
  readonly commitMs: number;
  /** Pending writes at which the backend is committed at once. */
  readonly commitWrites: number;
  readonly backend: LmdbBackend;
  readonly disk: Pick<LogDisk, "write">;
  readonly network: Pick<PeerNetwork, "send">;
  readonly seam: Pick<Seam, "reply" | "streamReply" | "streamEnded">;
  readonly passwords: Pick<Passwords, "hash" | "check">;
  readonly onEvent: (event: MemberEvent) => void;
  /** The member cannot go on; called at most once, and nothing is stepped afterwards. */
  readonly onStop: (reason: StopReason) => void;
  readonly onCommit?: (durationMs: number) => void;
}

/** `disk`: the world failed. `invariant`: the member found itself wrong. `removed`: it belongs no more, in good order. */
export interface StopReason {
  readonly kind: "disk" | "invariant" | "removed";
  readonly text: string;
}

export class Loop {
  readonly #options: LoopOptions;
  readonly #member: Steppable;
  /** Inputs that came while a step was carried out. */
  #waiting: UntimedInput[] = [];
  #stepping = false;
  #stopped = false;
  #ticking: Ticking | undefined;
  #commitTimer: NodeJS.Timeout | undefined;

  constructor(member: Steppable, options: LoopOptions) {
    this.#member = member;
    this.#options = options;
  }

  /** Carries out what the start of the member left to do, then ticks. */
  start(outputs: readonly Output[]): void {
    this.#guarded(() => this.#carryOut(outputs));
    this.#ticking = startTicks(this.#options.tickMs, () => this.step({ type: "tick" }));
    this.#commitTimer = setInterval(() => this.#guarded(() => this.#commit()), this.#options.commitMs);
  }

  /** No more ticks and commits; inputs are ignored from now on. */
  stop(): void {
    this.#stopped = true;
    this.#ticking?.stop();
    clearInterval(this.#commitTimer);
  }

  /** One input, now. What comes in while it is carried out follows right after. */
  step(input: UntimedInput): void {
    this.#waiting.push(input);
    if (this.#stepping) return;
    this.#guarded(() => {
      for (let next = this.#waiting.shift(); next !== undefined && !this.#stopped; next = this.#waiting.shift()) {
        this.#carryOut(this.#member.step({ ...next, nowMs: nowMs() } as Input));
        if (this.#options.backend.pendingWrites >= this.#options.commitWrites) this.#commit();
      }
    });
  }

  /** The log disk failed: nothing may be promised any more. */
  fail(reason: StopReason): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onStop(reason);
  }

  #guarded(body: () => void): void {
    if (this.#stopped) return;
    this.#stepping = true;
    try {
      body();
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const world = !(error instanceof InvariantViolation) && error instanceof CommitFailure;
      this.fail({ kind: world ? "disk" : "invariant", text });
    } finally {
      this.#stepping = false;
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
          this.#commit();
          const { writeId } = output;
          this.#waiting.push({ type: "backendSynced", writeId });
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
        case "stop":
          this.fail({ kind: output.removed ? "removed" : "invariant", text: output.reason });
          return;
        default:
          unreachable(output);
      }
    }
  }

  #commit(): void {
    if (this.#options.backend.pendingWrites === 0) return;
    const startedMs = performance.now();
    try {
      this.#options.backend.commit();
    } catch (error) {
      throw new CommitFailure(`the backend could not be committed: ${error instanceof Error ? error.message : error}`);
    }
    this.#options.onCommit?.(performance.now() - startedMs);
  }
}

class CommitFailure extends Error {
  override readonly name = "CommitFailure";
}
