/*
 * The watch streams of one sequence at one target. What comes on a stream is sorted by watch: how it was answered, its
 * events one after the other however they were cut into replies, and how it ended. Cutting is compared no further than
 * etcd promises it: a revision is whole in one reply, and a reply's revision is not older than its events.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { textOfBytes } from "../../core/bytes.ts";
import {
  type WatchCreateRequest,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { decodePlain, encodePlain, type Plain } from "./messages.ts";
import { methodNamed } from "./methods.ts";
import type { Places } from "./places.ts";
import type { Seen } from "./steps.ts";
import type { Caller, OpenStream, Target } from "./target.ts";

const waitMs = 60_000;

interface Watch {
  readonly id: bigint;
  readonly key: string;
  readonly request: WatchCreateRequest;
  readonly events: Plain[];
  /** The compacted revision when it was created. */
  readonly compactedBefore: string;
  /** Of the newest event. */
  lastRevision: bigint;
  /** Its newest event must be as new as this. */
  owedRevision: bigint;
  canceled: boolean;
  compacted: boolean;
}

interface Stream {
  readonly number: number;
  readonly stream: OpenStream;
  /** Replies that were looked at. */
  read: number;
  readonly watches: Map<bigint, Watch>;
  /** Replies that are no events, in order. */
  readonly words: Plain[];
  progress: number;
  readonly faults: string[];
}

export class WatchStreams {
  readonly #target: Target;
  readonly #places: Places;
  readonly #streams = new Map<number, Stream>();

  constructor(target: Target, places: Places) {
    this.#target = target;
    this.#places = places;
  }

  /** @returns the answer, and the cancellation behind it when one is due at once */
  async create(number: number, request: Plain, caller: Caller): Promise<Plain> {
    const stream = this.#stream(number, caller);
    const bytes = encodePlain(WatchRequestSchema, { createRequest: request }, this.#places.resolve);
    const before = stream.words.length;
    const { requestUnion } = fromBinary(WatchRequestSchema, bytes);
    if (requestUnion.case !== "createRequest") throw new Error("a watch is created by a create request");
    stream.stream.send(bytes);
    let created: WatchResponse | undefined;
    const came = await this.#wait(stream, (reply) => {
      if (created !== undefined || !reply.created) return created !== undefined;
      created = reply;
      if (!reply.canceled) this.#begin(stream, reply, requestUnion.value);
      return true;
    });
    if (!came || created === undefined) return { answers: "none", end: stream.stream.ended ?? "still open" };
    const { startRevision } = requestUnion.value;
    const isBehind = startRevision !== 0n && startRevision < this.#places.compacted;
    if (!created.canceled && isBehind) await this.#wait(stream, () => stream.words.length > before + 1);
    return stream.words.slice(before);
  }

  /** Nothing comes back for an id that is not there. */
  async cancel(number: number, watchId: number): Promise<Plain> {
    const stream = this.#streams.get(number);
    if (stream === undefined) return "no such stream";
    const before = stream.words.length;
    const id = BigInt(watchId);
    stream.stream.send(encodePlain(WatchRequestSchema, { cancelRequest: { watchId: id } }, this.#places.resolve));
    const watch = stream.watches.get(id);
    if (watch === undefined || (watch.canceled && !watch.compacted)) return "not awaited";
    await this.#wait(stream, () => stream.words.length > before);
    return stream.words.slice(before);
  }

  /** All watches of the stream must be up to date. */
  async progress(number: number): Promise<Plain> {
    const stream = this.#streams.get(number);
    if (stream === undefined) return "no such stream";
    const before = stream.progress;
    stream.stream.send(encodePlain(WatchRequestSchema, { progressRequest: {} }, this.#places.resolve));
    if ([...stream.watches.values()].every((watch) => watch.canceled)) return "not awaited";
    return (await this.#wait(stream, () => stream.progress > before)) ? "answered" : "not answered";
  }

  /** The first key of each live watch, in byte order, each once. */
  liveKeys(): readonly string[] {
    const keys = new Set<string>();
    for (const { watches } of this.#streams.values()) {
      for (const watch of watches.values()) if (!watch.canceled) keys.add(watch.key);
    }
    return [...keys].sort((a, b) => (a < b ? -1 : 1));
  }

  /** That key was put and deleted at those revisions; undefined where it was refused. Owed to all that watch it. */
  owe(key: string, marks: { readonly put: bigint | undefined; readonly deletion: bigint | undefined }): void {
    for (const { watches } of this.#streams.values()) {
      for (const watch of watches.values()) {
        if (watch.canceled || !covers(watch, key)) continue;
        const { filters, startRevision } = watch.request;
        const shown = [filters.includes(1) ? undefined : marks.deletion, filters.includes(0) ? undefined : marks.put];
        const due = shown.find((revision) => revision !== undefined && revision >= startRevision);
        if (due !== undefined) watch.owedRevision = due;
      }
    }
  }

  /** @returns what did not come in time */
  async settle(): Promise<readonly string[]> {
    const missing: string[] = [];
    for (const stream of this.#streams.values()) {
      const isSettled = (): boolean =>
        [...stream.watches.values()].every((watch) => watch.canceled || watch.lastRevision >= watch.owedRevision);
      if (await this.#wait(stream, isSettled)) continue;
      for (const watch of stream.watches.values()) {
        if (watch.lastRevision < watch.owedRevision) missing.push(`stream ${stream.number} watch ${watch.id}`);
      }
    }
    return missing;
  }

  /** Everything that came, watch by watch. */
  collected(): readonly Seen[] {
    const seen: Seen[] = [];
    for (const stream of this.#streams.values()) {
      this.#read(stream, () => {});
      const name = `the end, watch stream ${stream.number}`;
      seen.push({
        step: name,
        outcome: { words: stream.words, faults: stream.faults, end: stream.stream.ended ?? "open" },
      });
      for (const watch of stream.watches.values()) {
        const { events, compactedBefore } = watch;
        seen.push({ step: `${name}, watch ${watch.id}`, outcome: { events, compactedBefore } });
      }
    }
    return seen;
  }

  forget(number: number): void {
    this.#streams.get(number)?.stream.cancel();
    this.#streams.delete(number);
  }

  close(): void {
    for (const { stream } of this.#streams.values()) stream.cancel();
    this.#streams.clear();
  }

  #stream(number: number, caller: Caller): Stream {
    const known = this.#streams.get(number);
    if (known !== undefined) return known;
    const stream = this.#target.open(methodNamed("Watch").path, caller);
    const made = { number, stream, read: 0, watches: new Map(), words: [], progress: 0, faults: [] };
    this.#streams.set(number, made);
    return made;
  }

  #begin(stream: Stream, reply: WatchResponse, request: WatchCreateRequest): void {
    // An empty key means the least one.
    const key = request.key.length === 0 ? "\0" : textOfBytes(request.key);
    const compactedBefore = `+${this.#places.compacted - this.#places.base}`;
    const watch = { id: reply.watchId, key, request, events: [], compactedBefore, lastRevision: 0n, owedRevision: 0n };
    stream.watches.set(reply.watchId, { ...watch, canceled: false, compacted: false });
  }

  /** Reads what comes until the condition holds. */
  async #wait(stream: Stream, isEnough: (reply: WatchResponse) => boolean): Promise<boolean> {
    let enough = isEnough(nothing);
    const look = (): boolean => {
      this.#read(stream, (reply) => {
        if (isEnough(reply)) enough = true;
      });
      return enough || stream.stream.ended !== undefined;
    };
    await this.#target.until(look, waitMs);
    return enough;
  }

  #read(stream: Stream, note: (reply: WatchResponse) => void): void {
    for (; stream.read < stream.stream.replies.length; stream.read++) {
      const bytes = stream.stream.replies[stream.read] ?? new Uint8Array(0);
      const reply = fromBinary(WatchResponseSchema, bytes);
      this.#take(stream, reply, bytes);
      note(reply);
    }
  }

  #take(stream: Stream, reply: WatchResponse, bytes: Uint8Array): void {
    const plain = decodePlain(WatchResponseSchema, bytes, this.#places.meaningOfEvents);
    const watch = stream.watches.get(reply.watchId);
    if (reply.created || reply.canceled) {
      stream.words.push(plain);
      if (reply.canceled && watch !== undefined && !reply.created) {
        watch.canceled = true;
        watch.compacted = reply.compactRevision !== 0n && !watch.compacted;
      }
    } else if (reply.events.length === 0) stream.progress += 1;
    else this.#takeEvents(stream, watch, reply, plain);
  }

  #takeEvents(stream: Stream, watch: Watch | undefined, reply: WatchResponse, plain: Plain): void {
    const place = `watch ${reply.watchId}`;
    if (watch === undefined) {
      stream.faults.push(`events for ${place}, which was not created`);
      return;
    }
    if (watch.canceled) stream.faults.push(`events for ${place} after its end`);
    const revisions = reply.events.map((event) => event.kv?.modRevision ?? 0n);
    if ((revisions[0] ?? 0n) <= watch.lastRevision && !reply.fragment) {
      stream.faults.push(`${place} goes back, repeats, or splits a revision`);
    }
    watch.lastRevision = revisions.at(-1) ?? 0n;
    if ((reply.header?.revision ?? 0n) < watch.lastRevision) stream.faults.push(`${place}: older header than events`);
    const events = typeof plain === "object" && "events" in plain ? plain["events"] : [];
    if (Array.isArray(events)) watch.events.push(...(events as readonly Plain[]));
  }
}

/** Also where the range is a single key, or has no upper end. */
function covers({ key: from, request }: Watch, key: string): boolean {
  const rangeEnd = textOfBytes(request.rangeEnd);
  if (rangeEnd === "") return key === from;
  return key >= from && (rangeEnd === "\0" || key < rangeEnd);
}

const nothing: WatchResponse = fromBinary(WatchResponseSchema, new Uint8Array(0));
