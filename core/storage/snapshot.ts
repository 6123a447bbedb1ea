/*
 * Moves the whole backend of a leader to a follower that is too far behind for its log: the outbox cuts a stable view into
 * chunks, a few on the way at a time, and sends them again until they are acknowledged; the inbox puts them together
 * beside the follower's backend. One transfer is (sender, its term, transferId); a leader of one term lives once, so no
 * two transfers ever share it, and chunks of two never mix. Not here: what the chunk's bytes are (snapshot-chunk.ts), and
 * when the received content may replace the backend (the member).
 *
 *     outbox                         inbox
 *     chunk 0..3  ────────────────▶  0 1 2 3 checked, put aside
 *                 ◀────────────────  next: 4
 *     chunk 4..7  ────────────────▶  …   after the last one: complete, the member installs it
 */
import { assert } from "../assert.ts";
import { bytesOfCount, readCount } from "../byte-io.ts";
import { emptyBytes, utf8Encode } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import type { SnapshotCounts } from "../counts.ts";
import { compareIds, indexOf, type LogIndex, type MemberId, type Term } from "../ids.ts";
import { type Backend, type BackendInstall, type BackendReader, type BackendView, buckets } from "../ports.ts";
import type { Configuration, SnapshotChunk, SnapshotChunkReply } from "../raft/message.ts";
import { ChunkWriter, emptyTotal, isWhole, readChunk, type SnapshotTotal } from "./snapshot-chunk.ts";

/** Chunks on the way, not yet acknowledged; each is kept in memory until then. */
const windowChunks = 4;
/** Without progress for so many election timeouts a transfer is given up. */
const giveUpTimeouts = 10;
/** After the last chunk the receiver makes its backend durable: it gets longer. */
const installTimeouts = 60;

export interface SnapshotSource {
  readonly view: BackendView;
  /** The view is the state after exactly this entry. */
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
}

interface Transfer {
  readonly to: MemberId;
  readonly term: Term;
  readonly transferId: number;
  readonly source: SnapshotSource;
  /** Sent, not acknowledged; consecutive, ascending. At most windowChunks. */
  window: SnapshotChunk[];
  /** Chunks before it are acknowledged. */
  acknowledged: number;
  nextChunk: number;
  total: SnapshotTotal;
  /** Where reading goes on; bucket = buckets.length when everything was read. */
  bucket: number;
  from: Uint8Array;
  viewOpen: boolean;
  /** Since the last acknowledgement of something new. */
  idleTicks: number;
  /** The newest chunk the receiver said it has. */
  lastTaken: SnapshotChunk | undefined;
  /** The receiver asks for chunk 0 again although it had acknowledged more: it lost what it had. */
  receiverLostAll: boolean;
}

const quiet = { messages: [], aborted: [] } as const;

export class SnapshotOutbox {
  readonly #config: Pick<MemberConfig, "snapshotChunkBytes" | "electionTicks">;
  readonly #openView: () => SnapshotSource;
  readonly #id: MemberId;
  /** In id order; one per follower at most. */
  readonly #transfers: Transfer[] = [];
  #lastTransferId = 0;
  /** For metrics; see counts.ts. */
  readonly counts = new Map<MemberId, SnapshotCounts>();

  constructor(options: {
    readonly config: Pick<MemberConfig, "snapshotChunkBytes" | "electionTicks">;
    readonly openView: () => SnapshotSource;
    readonly id: MemberId;
  }) {
    this.#config = options.config;
    this.#openView = options.openView;
    this.#id = options.id;
  }

  /** Begins a transfer to that follower; an earlier one to it is dropped. */
  start(to: MemberId, term: Term): SnapshotChunk[] {
    this.#drop(to, "failed");
    this.#lastTransferId += 1;
    const counts = this.counts.get(to) ?? { sending: 0, sent: 0, failed: 0 };
    counts.sending += 1;
    this.counts.set(to, counts);
    const transfer: Transfer = {
      to,
      term,
      transferId: this.#lastTransferId,
      source: this.#openView(),
      window: [],
      acknowledged: 0,
      nextChunk: 0,
      total: emptyTotal,
      bucket: 0,
      from: emptyBytes,
      viewOpen: true,
      idleTicks: 0,
      receiverLostAll: false,
      lastTaken: undefined,
    };
    this.#transfers.push(transfer);
    this.#transfers.sort((a, b) => compareIds(a.to, b.to));
    return this.#fillWindow(transfer);
  }

  /** The chunks to send now that the receiver has more. Replies of other transfers are ignored. */
  handleReply(message: SnapshotChunkReply, term: Term): SnapshotChunk[] {
    const transfer = this.#transfers.find((each) => each.to === message.from);
    if (transfer === undefined || transfer.transferId !== message.transferId || transfer.term !== term) return [];
    if (message.nextChunk > transfer.nextChunk) return [];
    if (message.nextChunk <= transfer.acknowledged) {
      // A late reply may say so too: only after a silence that already made us repeat is it taken to be the truth.
      if (message.nextChunk === 0 && transfer.acknowledged > 0 && transfer.idleTicks >= this.#resendTicks) {
        transfer.receiverLostAll = true;
      }
      return [];
    }
    const taken = transfer.window.splice(0, message.nextChunk - transfer.acknowledged);
    transfer.lastTaken = taken[taken.length - 1];
    transfer.acknowledged = message.nextChunk;
    transfer.idleTicks = 0;
    return this.#fillWindow(transfer);
  }

  /** One tick: what to send again, and which transfers were given up. */
  tick(term: Term): { readonly messages: readonly SnapshotChunk[]; readonly aborted: readonly MemberId[] } {
    if (this.#transfers.length === 0) return quiet;
    const messages: SnapshotChunk[] = [];
    const aborted: MemberId[] = [];
    for (const transfer of this.#transfers) {
      transfer.idleTicks += 1;
      const timeouts = transfer.window.length === 0 ? installTimeouts : giveUpTimeouts;
      const spent = transfer.idleTicks >= timeouts * this.#config.electionTicks;
      if (spent || transfer.receiverLostAll || transfer.term !== term) aborted.push(transfer.to);
      else if (transfer.idleTicks % this.#resendTicks === 0) {
        if (transfer.window.length > 0) messages.push(...transfer.window);
        // Everything arrived but the follower's word that it is in place may be lost: the last chunk asks for it again.
        else if (transfer.lastTaken !== undefined) messages.push(transfer.lastTaken);
      }
    }
    for (const to of aborted) this.#drop(to, "failed");
    return { messages, aborted };
  }

  /** The follower's log is known to reach that index: a transfer that would bring it no further is done. */
  acknowledged(to: MemberId, matchIndex: LogIndex): void {
    if (this.#transfers.length === 0) return;
    const transfer = this.#transfers.find((each) => each.to === to);
    if (transfer !== undefined && transfer.source.index <= matchIndex) this.#drop(to, "sent");
  }

  /** Leadership is lost: all transfers end. */
  stop(): void {
    while (this.#transfers.length > 0) this.#drop((this.#transfers[0] as Transfer).to, "failed");
  }

  get #resendTicks(): number {
    return Math.max(1, this.#config.electionTicks >> 1);
  }

  #drop(to: MemberId, outcome: "sent" | "failed"): void {
    const position = this.#transfers.findIndex((each) => each.to === to);
    if (position < 0) return;
    const counts = this.counts.get(to);
    if (counts !== undefined) {
      counts.sending -= 1;
      counts[outcome] += 1;
    }
    const [transfer] = this.#transfers.splice(position, 1);
    if (transfer !== undefined) closeView(transfer);
  }

  #fillWindow(transfer: Transfer): SnapshotChunk[] {
    const sent: SnapshotChunk[] = [];
    while (transfer.viewOpen && transfer.window.length < windowChunks) {
      const chunk = this.#readChunk(transfer);
      transfer.window.push(chunk);
      sent.push(chunk);
    }
    return sent;
  }

  /** Reads on from where the last chunk ended; the view is closed with the last chunk. */
  #readChunk(transfer: Transfer): SnapshotChunk {
    const { source, to, term, transferId } = transfer;
    const sizeBytes = this.#config.snapshotChunkBytes;
    const writer = new ChunkWriter(sizeBytes);
    let full = false;
    for (; transfer.bucket < buckets.length; transfer.bucket++, transfer.from = emptyBytes) {
      const bucket = buckets[transfer.bucket] ?? "key";
      source.view.scanLent(bucket, { from: transfer.from, to: undefined }, (key, value) => {
        // An entry larger than a chunk goes alone; otherwise it waits for the next one.
        full = writer.entryBytes > 0 && writer.entryBytes + key.length + value.length > sizeBytes;
        if (full) transfer.from = key.slice();
        else writer.add(bucket, key, value);
        return !full;
      });
      if (full) break;
    }
    const place = {
      from: this.#id,
      term,
      transferId,
      snapshotIndex: source.index,
      snapshotTerm: source.term,
      chunk: transfer.nextChunk,
      last: !full,
    };
    const { bytes, total } = writer.finish(place, transfer.total);
    transfer.total = total;
    transfer.nextChunk += 1;
    if (!full) closeView(transfer);
    return { type: "snapshotChunk", to, ...place, configuration: source.configuration, bytes };
  }
}

function closeView(transfer: Transfer): void {
  if (transfer.viewOpen) transfer.source.view.close();
  transfer.viewOpen = false;
}

/**
 * Name of the entry of bucket meta that says at which index a snapshot last took the backend's place. A backend that still
 * stands there may be beyond its log; any other one that is has lost the end of its log.
 */
export const installedAtName = "installed_at";
const installedAtKey = utf8Encode(installedAtName);

/** @returns 0: no snapshot ever took its place */
export function installedAt(backend: Pick<BackendReader, "get">): LogIndex {
  const bytes = backend.get("meta", installedAtKey);
  return indexOf(bytes === undefined ? 0 : readCount(bytes, 0));
}

export interface ReceivedSnapshot {
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
}

/** The transfer being received, or the last one received. */
interface Reception {
  readonly first: SnapshotChunk;
  install: BackendInstall | undefined;
  nextChunk: number;
  total: SnapshotTotal;
  /** Chunks that came before their turn, at most windowChunks − 1. */
  ahead: SnapshotChunk[];
  /** The last chunk was put in place. */
  complete: boolean;
}

export class SnapshotInbox {
  readonly #backend: Pick<Backend, "beginInstall">;
  readonly #id: MemberId;
  #reception: Reception | undefined;

  constructor(options: { readonly backend: Pick<Backend, "beginInstall">; readonly id: MemberId }) {
    this.#backend = options.backend;
    this.#id = options.id;
  }

  /** Whose snapshot is arriving; undefined: none is, or it is all here. */
  get from(): MemberId | undefined {
    return this.#reception === undefined || this.#reception.complete ? undefined : this.#reception.first.from;
  }

  /**
   * Takes one chunk, whose term the caller has checked. `complete` is given once: with the chunk that makes the content
   * whole; it is then filled into the install, which waits for {@link finish}. A damaged chunk is as good as lost.
   */
  receive(chunk: SnapshotChunk): {
    reply: SnapshotChunkReply | undefined;
    complete: ReceivedSnapshot | undefined;
  } {
    if (!isWhole(chunk.bytes, chunk)) return nothing;
    const reception = this.#receptionOf(chunk);
    // The first chunk is still on the way, or this member has forgotten it: the sender learns which by time.
    if (reception === undefined) {
      return this.#reception === undefined ? { reply: this.#reply(chunk, 0), complete: undefined } : nothing;
    }
    const { nextChunk: before, first } = reception;
    if (!reception.complete) this.#take(reception, chunk);
    if (this.#reception !== reception) return nothing;
    const reply = this.#reply(chunk, reception.nextChunk);
    if (!reception.complete || reception.nextChunk === before) return { reply, complete: undefined };
    const { snapshotIndex, snapshotTerm, configuration } = first;
    return { reply, complete: { index: snapshotIndex, term: snapshotTerm, configuration } };
  }

  /** Replaces the backend's content by what was received. Only after `complete`. */
  finish(): void {
    const install = this.#reception?.install;
    assert(this.#reception?.complete === true && install !== undefined, "only a complete snapshot is installed");
    // In the place of whatever the sender's own backend said.
    install.put("meta", installedAtKey, bytesOfCount(this.#reception.first.snapshotIndex));
    install.finish();
    if (this.#reception !== undefined) this.#reception.install = undefined;
  }

  /** Forgets whatever was received. */
  abandon(): void {
    this.#reception?.install?.abort();
    this.#reception = undefined;
  }

  /** What the chunk belongs to; undefined when it belongs to nothing that can still be completed. */
  #receptionOf(chunk: SnapshotChunk): Reception | undefined {
    const current = this.#reception;
    if (current !== undefined) {
      const { first } = current;
      if (sameTransfer(first, chunk)) return sameSnapshot(first, chunk) ? current : undefined;
      const newer =
        chunk.term > first.term ||
        (chunk.term === first.term && chunk.from === first.from && chunk.transferId > first.transferId);
      if (!newer) return undefined;
    }
    if (chunk.chunk !== 0) return undefined;
    this.abandon();
    const install = this.#backend.beginInstall();
    this.#reception = { first: chunk, install, nextChunk: 0, total: emptyTotal, ahead: [], complete: false };
    return this.#reception;
  }

  #take(reception: Reception, chunk: SnapshotChunk): void {
    const { ahead } = reception;
    if (chunk.chunk > reception.nextChunk && chunk.chunk < reception.nextChunk + windowChunks) {
      if (ahead.every((each) => each.chunk !== chunk.chunk)) ahead.push(chunk);
      return;
    }
    for (let next: SnapshotChunk | undefined = chunk; next !== undefined; ) {
      if (next.chunk !== reception.nextChunk || !this.#put(reception, next)) break;
      next = ahead.find((each) => each.chunk === reception.nextChunk);
    }
    reception.ahead = ahead.filter((each) => each.chunk > reception.nextChunk);
  }

  /** False: nothing more can be put; the reception was given up when its sender wrote it wrongly. */
  #put(reception: Reception, chunk: SnapshotChunk): boolean {
    const install = reception.install;
    if (install === undefined) return false;
    const total = readChunk(chunk.bytes, chunk.last, reception.total, (bucket, key, value) =>
      install.put(bucket, key, value),
    );
    if (total === undefined) {
      this.abandon();
      return false;
    }
    reception.total = total;
    reception.nextChunk += 1;
    reception.complete = chunk.last;
    return true;
  }

  #reply(chunk: SnapshotChunk, nextChunk: number): SnapshotChunkReply {
    const { from, term, transferId } = chunk;
    return { type: "snapshotChunkReply", from: this.#id, to: from, term, transferId, nextChunk };
  }
}

const nothing = { reply: undefined, complete: undefined };

const sameTransfer = (a: SnapshotChunk, b: SnapshotChunk): boolean =>
  a.from === b.from && a.term === b.term && a.transferId === b.transferId;

const sameSnapshot = (a: SnapshotChunk, b: SnapshotChunk): boolean =>
  a.snapshotIndex === b.snapshotIndex &&
  a.snapshotTerm === b.snapshotTerm &&
  sameIds(a.configuration.voters, b.configuration.voters) &&
  sameIds(a.configuration.outgoing, b.configuration.outgoing) &&
  sameIds(a.configuration.learners, b.configuration.learners);

const sameIds = (a: readonly MemberId[], b: readonly MemberId[]): boolean =>
  a.length === b.length && a.every((id, position) => id === b[position]);
