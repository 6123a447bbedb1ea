/*
 * What the log's tests share: a disk of named segments that can be cut anywhere, a slow model of what a log holds, and
 * short ways to write entries.
 */
import { textOfBytes, utf8Encode } from "../../core/bytes.ts";
import { clusterIdOf, indexOf, memberIdOf, noIndex, noTerm, termOf } from "../../core/ids.ts";
import type { LogOperation } from "../../core/output.ts";
import { blankHardState, noRegistrations } from "../../core/raft/hard-state.ts";
import type { Entry, HardState } from "../../core/raft/message.ts";
import { type LogBase, type LogSegment, recoverLog } from "../../core/storage/log-store.ts";

export const identity = { clusterId: clusterIdOf(0xc1n), memberId: memberIdOf(0xa1n) };

/** An entry whose data tell where and when it was written. */
export const entry = (index: number, term: number, text = `${index}@${term}`): Entry => ({
  index: indexOf(index),
  term: termOf(term),
  kind: text === "" ? "empty" : "command",
  data: utf8Encode(text),
});

/** Every third term has a registration, every fifth one recovers. */
export const hardState = (term: number, vote: number | undefined, commit: number): HardState => ({
  term: termOf(term),
  votedFor: vote === undefined ? undefined : memberIdOf(BigInt(vote)),
  commitIndex: indexOf(commit),
  registrations:
    term % 3 === 0 ? [{ memberId: memberIdOf(7n), incarnation: 1_700_000_000_000 + term }] : noRegistrations,
  isRecovering: term % 5 === 0,
});

export const base = (index: number, term: number): LogBase => ({ index: indexOf(index), term: termOf(term) });

/** What a log holds, as plain data that tests compare. */
export interface LogContent {
  readonly base: LogBase;
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
}

/** The obvious log: a list that is cut and added to. */
export class ModelLog {
  #base: LogBase = { index: noIndex, term: noTerm };
  #hardState: HardState = blankHardState;
  #entries: Entry[] = [];

  append(write: { hardState: HardState | undefined; entries: readonly Entry[] }): void {
    if (write.hardState !== undefined) this.#hardState = write.hardState;
    const first = write.entries[0];
    if (first === undefined) return;
    this.#entries = this.#entries.filter((each) => each.index < first.index).concat(write.entries);
  }
  compact(to: LogBase): void {
    if (to.index <= this.#base.index) return;
    this.#base = to;
    this.#entries = this.#entries.filter((each) => each.index > to.index);
  }
  reset(to: LogBase, state: HardState): void {
    this.#base = to;
    this.#hardState = state;
    this.#entries = [];
  }
  get last(): LogBase {
    return this.#entries[this.#entries.length - 1] ?? this.#base;
  }
  termAt(index: number): number | undefined {
    return this.#entries.find((each) => each.index === index)?.term;
  }
  /** As a recovery would report it: with the commit index inside the log. */
  get content(): LogContent {
    const commit = Math.max(this.#base.index, Math.min(this.#hardState.commitIndex, this.last.index));
    return {
      base: { index: this.#base.index, term: this.#base.term },
      hardState: { ...this.#hardState, commitIndex: indexOf(commit) },
      entries: this.#entries,
    };
  }
}

/** Segments as bytes. With `preallocate`, a new segment is full of zeros up to its expected size. */
export class MemoryDisk {
  readonly #preallocate: boolean;
  #segments: Map<string, Uint8Array>;

  constructor(preallocate: boolean, segments: readonly LogSegment[] = []) {
    this.#preallocate = preallocate;
    this.#segments = new Map(segments.map(({ name, bytes }) => [name, bytes.slice()]));
  }

  carryOut(operations: readonly LogOperation[]): void {
    for (const operation of operations) this.#carryOut(operation);
  }

  #carryOut(operation: LogOperation): void {
    const name = operation.segment;
    const bytes = this.#segments.get(name);
    if (operation.type === "create") {
      if (bytes !== undefined) throw new Error(`segment ${name} is there already`);
      this.#segments.set(name, new Uint8Array(this.#preallocate ? operation.expectedBytes : 0));
      return;
    }
    if (bytes === undefined) throw new Error(`segment ${name} is not there`);
    if (operation.type === "setAside") return;
    if (operation.type === "remove") this.#segments.delete(name);
    else if (operation.type === "truncate") {
      if (operation.sizeBytes > bytes.length) throw new Error(`segment ${name} is shorter than ${operation.sizeBytes}`);
      this.#segments.set(name, bytes.slice(0, operation.sizeBytes));
    } else {
      const end = operation.offset + operation.bytes.length;
      if (operation.offset > bytes.length) throw new Error(`an append to ${name} leaves a hole`);
      if (bytes.subarray(operation.offset).some((byte) => byte !== 0)) throw new Error(`garbage lies behind ${name}`);
      const longer = end > bytes.length ? new Uint8Array(end) : bytes.slice();
      if (end > bytes.length) longer.set(bytes);
      longer.set(operation.bytes, operation.offset);
      this.#segments.set(name, longer);
    }
  }

  get segments(): LogSegment[] {
    return [...this.#segments].map(([name, bytes]) => ({ name, bytes: bytes.slice() }));
  }
}

/** What is recovered, or the reason of the refusal. Repairs are carried out on a disk, and must hold. */
export function recovered(segments: readonly LogSegment[], segmentBytesMax: number): LogContent | string {
  const log = recoverLog(segments, { segmentBytesMax });
  if (!log.ok) return log.reason;
  return { base: log.base, hardState: log.hardState, entries: [...log.entries] };
}

/** One text for equal contents: quicker to compare than the contents, many times over. */
export const textOf = (content: LogContent | string): string =>
  JSON.stringify(content, (_, value) =>
    typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? textOfBytes(value) : value,
  );
