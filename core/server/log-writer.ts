/*
 * Promises and the writes they stand on. What Raft wants stored leaves as one write; votes, append replies and the own
 * count of an entry wait here until the world says that the write is durable. Writes end in the order they were begun.
 */
import type { LogIndex, Term, WriteId } from "../ids.ts";
import { writeIdOf } from "../ids.ts";
import type { LogOperation } from "../output.ts";
import type { HardState, RaftMessage } from "../raft/message.ts";
import type { Raft } from "../raft/raft.ts";
import type { Ready } from "../raft/ready.ts";
import type { LogPosition, LogStore } from "../storage/log-store.ts";
import { type LogPlace, noPlace } from "../storage/open-log.ts";
import type { Outbox } from "./outbox.ts";

/** A write that is not durable yet, and the promises that wait for it. */
interface PendingWrite {
  readonly writeId: WriteId;
  /** Last entry written; index 0 when there is none. */
  readonly index: LogIndex;
  readonly term: Term;
  /** Where the log ends with it. */
  readonly end: LogPosition;
  readonly messages: RaftMessage[];
}

export class LogWriter {
  readonly #raft: Raft;
  readonly #log: LogStore;
  readonly #outbox: Outbox;
  #lastWriteId = 0;
  /** Rising writeIds. */
  readonly #pending: PendingWrite[] = [];
  /** Differs from what the log holds in its commit index alone. */
  #unwritten: HardState | undefined;

  constructor(options: { readonly raft: Raft; readonly log: LogStore; readonly outbox: Outbox }) {
    this.#raft = options.raft;
    this.#log = options.log;
    this.#outbox = options.outbox;
  }

  nextWriteId(): WriteId {
    this.#lastWriteId += 1;
    return writeIdOf(this.#lastWriteId);
  }

  /**
   * Stores what is new. A new commit index alone is written along with what must be synced next: one that was lost is
   * learned again from the leader, and recovery needs none.
   */
  write({ hardState, entries, mustSync, messagesAfterPersist }: Ready): void {
    if (mustSync) {
      const operations = this.#log.append({ hardState: hardState ?? this.#unwritten, entries });
      this.#unwritten = undefined;
      this.#begin(operations, entries[entries.length - 1] ?? noPlace, messagesAfterPersist.slice());
      return;
    }
    if (hardState !== undefined) this.#unwritten = hardState;
    // Nothing new to sync: these stand on the newest write under way, if there is one.
    const newest = this.#pending[this.#pending.length - 1];
    for (const message of messagesAfterPersist) {
      if (newest === undefined) this.#outbox.send(message);
      else newest.messages.push(message);
    }
  }

  /** A write on which no entry stands; none when there is nothing to do. */
  writeHousekeeping(operations: readonly LogOperation[]): void {
    if (operations.length > 0) this.#begin(operations, noPlace, []);
  }

  /** The log keeps entries after `base` alone; the backend holds the others for good. */
  compact(base: LogPlace): void {
    this.writeHousekeeping(this.#log.compact(base));
  }

  /** A snapshot that is durable in the backend takes the place of the whole log. */
  restartBehind(base: LogPlace): void {
    this.#unwritten = undefined;
    this.writeHousekeeping(this.#log.reset(base, this.#raft.hardState));
  }

  /** Every promise that stood on this write, or on an earlier one, may leave now. */
  done(writeId: WriteId): void {
    let done = 0;
    for (const write of this.#pending) {
      if (write.writeId > writeId) break;
      done += 1;
      this.#log.persisted(write.end);
      if (write.index > 0) this.#raft.persisted(write.index, write.term);
      for (const message of write.messages) this.#outbox.send(message);
    }
    this.#pending.splice(0, done);
  }

  #begin(operations: readonly LogOperation[], last: LogPlace, messages: RaftMessage[]): void {
    const writeId = this.nextWriteId();
    this.#outbox.push({ type: "writeLog", writeId, operations, sync: true });
    this.#pending.push({ writeId, index: last.index, term: last.term, end: this.#log.end, messages });
  }
}
