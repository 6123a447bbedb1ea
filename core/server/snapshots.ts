/*
 * The backend in place of the log: log entries it holds for good are dropped, and a follower that needs dropped ones
 * gets the backend whole. Either step waits until the backend is durable, one at a time; while a received snapshot is
 * being made durable the log must not move, for it is about to restart behind it.
 *
 *     chunks ─▶ install filled ─▶ backend takes it ─▶ syncBackend ─ ─ ▶ log restarts behind it ─▶ leader is told
 *
 * A crash between any two of these finds the old log with the old backend, or with the new one: both recover
 * (storage/open-log.ts). Source: Raft thesis §5; a snapshot is never taken apart, the backend is one.
 */
import type { Machine } from "../apply/machine.ts";
import { assert } from "../assert.ts";
import type { MemberConfig } from "../config.ts";
import type { SnapshotCounts } from "../counts.ts";
import { indexOf, type LogIndex, type MemberId, type Term, type WriteId } from "../ids.ts";
import type { Backend } from "../ports.ts";
import type { Configuration, SnapshotChunk, SnapshotChunkReply } from "../raft/message.ts";
import type { Raft } from "../raft/raft.ts";
import { SnapshotInbox, SnapshotOutbox } from "../storage/snapshot.ts";
import type { WatchHub } from "../watch/hub.ts";
import type { LogWriter } from "./log-writer.ts";
import type { Outbox } from "./outbox.ts";

interface InstalledSnapshot {
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
}

/** What a durable backend allows. */
type BackendSync =
  | { readonly writeId: WriteId; readonly purpose: "compactLog"; readonly index: LogIndex }
  | { readonly writeId: WriteId; readonly purpose: "finishInstall"; readonly install: InstalledSnapshot };

export class Snapshots {
  readonly #raft: Raft;
  readonly #machine: Machine;
  readonly #config: MemberConfig;
  readonly #outbox: Outbox;
  readonly #writer: LogWriter;
  readonly #hub: WatchHub;
  readonly #out: SnapshotOutbox;
  readonly #in: SnapshotInbox;
  #sync: BackendSync | undefined;
  /** How far the state went when the log was last cut, or would have when it was found as it is. */
  #compactedAt: LogIndex;
  /** For metrics; see counts.ts. */
  readonly received = new Map<MemberId, number>();

  constructor(options: {
    readonly id: MemberId;
    readonly raft: Raft;
    readonly machine: Machine;
    readonly backend: Backend;
    readonly config: MemberConfig;
    readonly outbox: Outbox;
    readonly writer: LogWriter;
    readonly hub: WatchHub;
  }) {
    const { id, machine, backend, config } = options;
    this.#raft = options.raft;
    this.#machine = machine;
    this.#config = config;
    this.#outbox = options.outbox;
    this.#writer = options.writer;
    this.#hub = options.hub;
    // Counted from the log, not from this start: a member that is restarted often cuts its log all the same.
    const begins = options.raft.firstIndex - 1 + config.snapshotCatchUpEntries;
    this.#compactedAt = indexOf(Math.min(machine.appliedIndex, begins));
    this.#out = new SnapshotOutbox({
      config,
      id,
      openView: () => ({
        view: backend.openView(),
        index: machine.appliedIndex,
        term: machine.appliedTerm,
        configuration: machine.membership.configuration,
      }),
    });
    this.#in = new SnapshotInbox({ backend, id });
  }

  /** A received snapshot is being made durable: Raft gathers, but nothing leaves and no entry is taken. */
  get isInstalling(): boolean {
    return this.#sync?.purpose === "finishInstall";
  }

  // ---- sending -----------------------------------------------------------------------------------------------

  get arrivingFrom(): MemberId | undefined {
    return this.#in.from;
  }

  get sent(): ReadonlyMap<MemberId, Readonly<SnapshotCounts>> {
    return this.#out.counts;
  }

  start(to: MemberId): void {
    for (const chunk of this.#out.start(to, this.#raft.term)) this.#outbox.send(chunk);
  }

  handleReply(reply: SnapshotChunkReply): void {
    if (!this.#raft.acceptSnapshotMessage(reply)) return;
    for (const chunk of this.#out.handleReply(reply, this.#raft.term)) this.#outbox.send(chunk);
  }

  /**
   * That follower said how far it is; its transfer ends when that is enough. What counts is what Raft makes of it: the
   * word of a term that is over, or of an earlier life, may name entries that the follower does not have.
   */
  acknowledged(from: MemberId): void {
    const progress = this.#raft.progressOf(from);
    if (progress !== undefined) this.#out.acknowledged(from, progress.matchIndex);
  }

  /** Leadership is lost: whoever leads now sends its own. */
  stop(): void {
    this.#out.stop();
  }

  tick(): void {
    const { messages, aborted } = this.#out.tick(this.#raft.term);
    for (const message of messages) this.#outbox.send(message);
    for (const to of aborted) this.#raft.snapshotAborted(to);
  }

  // ---- receiving ---------------------------------------------------------------------------------------------

  receive(chunk: SnapshotChunk): void {
    if (!this.#raft.acceptSnapshotMessage(chunk)) return;
    // While the backend is being made durable another change of it has to wait; the chunk comes again.
    if (this.#sync !== undefined) return;
    const { reply, complete } = this.#in.receive(chunk);
    if (reply !== undefined) this.#outbox.send({ ...reply, term: this.#raft.term });
    if (complete === undefined) return;
    this.#in.finish();
    this.received.set(chunk.from, (this.received.get(chunk.from) ?? 0) + 1);
    const writeId = this.#writer.nextWriteId();
    this.#sync = { writeId, purpose: "finishInstall", install: complete };
    this.#outbox.push({ type: "syncBackend", writeId });
    this.#machine.reload();
    this.#hub.reset();
    assert(
      this.#machine.appliedIndex === complete.index,
      "an installed snapshot ends at its index",
      this.#machine.appliedIndex,
      complete.index,
    );
  }

  // ---- a durable backend -------------------------------------------------------------------------------------

  /** Asks for a durable backend when enough was applied since the log was last cut. */
  maybeCompactLog(): void {
    const { appliedIndex } = this.#machine;
    if (this.#sync !== undefined || appliedIndex - this.#compactedAt < this.#config.snapshotEntries) return;
    const writeId = this.#writer.nextWriteId();
    this.#sync = { writeId, purpose: "compactLog", index: appliedIndex };
    this.#outbox.push({ type: "syncBackend", writeId });
  }

  /** True when a snapshot took the place of this member's state with it. */
  backendSynced(writeId: WriteId): boolean {
    const sync = this.#sync;
    if (sync === undefined || sync.writeId !== writeId) return false;
    this.#sync = undefined;
    if (sync.purpose === "compactLog") this.#compactLog(sync.index);
    else this.#finishInstall(sync.install);
    return sync.purpose === "finishInstall";
  }

  /** The backend holds everything up to `index` for good; entries before it are kept only for slow followers. */
  #compactLog(index: LogIndex): void {
    this.#compactedAt = index;
    const base = indexOf(index - this.#config.snapshotCatchUpEntries);
    const term = this.#raft.termAt(base);
    if (base < this.#raft.firstIndex || term === undefined) return;
    this.#writer.compact({ index: base, term });
    this.#raft.compactTo(base);
    this.#outbox.event({ type: "logCompacted", firstIndex: this.#raft.firstIndex });
  }

  /** The backend is durable at the snapshot: now the log may restart behind it, and the leader may be told. */
  #finishInstall(install: InstalledSnapshot): void {
    const keepsTail = this.#raft.termAt(install.index) === install.term;
    const installed = this.#raft.installSnapshot(install);
    assert(installed, "a snapshot that was being installed is still ahead of the log", install.index);
    if (!keepsTail) this.#writer.restartBehind(install);
    this.#compactedAt = install.index;
    this.#outbox.event({ type: "snapshotInstalled", index: install.index });
    this.#outbox.event({ type: "membersChanged" });
  }
}
