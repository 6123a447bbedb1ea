/*
 * A hub of watches over a store that is a list, on a stage: requests in short, replies as one line each.
 */
import { emptyBytes, textOfBytes, utf8Encode } from "../../core/bytes.ts";
import { defaultMemberConfig } from "../../core/config.ts";
import { leaseIdOf, type Revision, revisionOf, streamIdOf, watchIdOf } from "../../core/ids.ts";
import type { Change, History, HistorySource } from "../../core/mvcc/change.ts";
import type { KeyInterval } from "../../core/mvcc/tree-index.ts";
import type { KeyValue, WatchCreateRequest } from "../../core/request.ts";
import { WatchHub, type WatchRequest } from "../../core/watch/hub.ts";
import type { WatchReplyBody } from "../../core/watch/replies.ts";
import { watchFrom } from "../kit/requests.ts";

/** A store that is a list of changes, read from its beginning every time. */
export class ListStore implements HistorySource {
  changes: Change[] = [];
  currentRevision: Revision = revisionOf(1);
  compactRevision: Revision = revisionOf(0);
  /** Of how many keys {@link changesOf} knows where their changes lie. */
  keysOfPartMax = 3;

  /** One revision; undefined deletes. */
  write(...pairs: readonly (readonly [key: string, value: string | undefined])[]): readonly Change[] {
    const revision = revisionOf(this.currentRevision + 1);
    const made = pairs.map(([key, value], subRevision): Change => {
      const before = this.valueAt(utf8Encode(key), this.currentRevision);
      const keyValue: KeyValue = {
        key: utf8Encode(key),
        createRevision: value === undefined ? revisionOf(0) : (before?.createRevision ?? revision),
        modRevision: revision,
        version: value === undefined ? 0 : (before?.version ?? 0) + 1,
        value: value === undefined ? emptyBytes : utf8Encode(value),
        lease: leaseIdOf(0n),
      };
      return { type: value === undefined ? "delete" : "put", keyValue, subRevision };
    });
    this.currentRevision = revision;
    this.changes.push(...made);
    return made;
  }
  changesFrom(from: Revision, revisionsMax: number, bytesMax = Number.POSITIVE_INFINITY): History {
    return this.#part(from, revisionsMax, bytesMax, () => true);
  }
  changesOf(keys: KeyInterval, from: Revision, revisionsMax: number, bytesMax: number): History | undefined {
    const { keysOfPartMax } = this;
    const isIn = (key: string): boolean => key >= keys.from && (keys.to === undefined || key < keys.to);
    const all = new Set(this.changes.map(({ keyValue }) => textOfBytes(keyValue.key)).filter(isIn));
    if (all.size > keysOfPartMax) return undefined;
    return this.#part(from, revisionsMax, bytesMax, isIn);
  }
  #part(from: Revision, revisionsMax: number, bytesMax: number, isIn: (key: string) => boolean): History {
    if (from < this.compactRevision) throw new Error("history before the compaction was asked for");
    const found = this.changes.filter(
      ({ keyValue }) => keyValue.modRevision >= from && isIn(textOfBytes(keyValue.key)),
    );
    const revisions = [...new Set(found.map((change) => change.keyValue.modRevision))];
    let bytes = 0;
    const count = revisions.findIndex((revision, position) => {
      const isFull = position === revisionsMax || bytes >= bytesMax;
      for (const { keyValue } of found) if (keyValue.modRevision === revision) bytes += keyValue.value.length;
      return isFull;
    });
    const next = revisions[count] ?? revisionOf(this.currentRevision + 1);
    return { changes: found.filter((change) => change.keyValue.modRevision < next), next };
  }
  valueAt(key: Uint8Array, revision: Revision): KeyValue | undefined {
    if (revision < this.compactRevision) return undefined;
    const text = textOfBytes(key);
    const found = this.changes.filter(
      (c) => c.keyValue.modRevision <= revision && textOfBytes(c.keyValue.key) === text,
    );
    const last = found[found.length - 1];
    return last?.type === "put" ? last.keyValue : undefined;
  }
}

const config = { ...defaultMemberConfig, watchProgressMs: 1_000_000 };
export const stream = streamIdOf(1);

export const create = (from: string, to: string | undefined, more: Partial<WatchCreateRequest> = {}): WatchRequest => ({
  ...watchFrom(from, to),
  ...more,
});
export const cancel = (watchId: number): WatchRequest => ({ type: "watchCancel", watchId: watchIdOf(BigInt(watchId)) });
export const progress: WatchRequest = { type: "watchProgress" };

/** A reply as one line: what a client would look at. */
export function line(reply: WatchReplyBody): string {
  const parts = [`#${reply.watchId} @${reply.headerRevision}`];
  if (reply.created) parts.push("created");
  if (reply.canceled) parts.push("canceled");
  if (reply.compactRevision > 0) parts.push(`compacted=${reply.compactRevision}`);
  if (reply.cancelReason !== "") parts.push(`"${reply.cancelReason}"`);
  for (const { type, keyValue, prevKv } of reply.events) {
    const value = type === "put" ? `=${textOfBytes(keyValue.value)}` : " deleted";
    parts.push(
      `${textOfBytes(keyValue.key)}${value}@${keyValue.modRevision}${prevKv ? `(was ${textOfBytes(prevKv.value)})` : ""}`,
    );
  }
  return parts.join(" ");
}

/** A hub with one open stream; without notices of progress unless asked for. */
export interface Stage {
  readonly store: ListStore;
  readonly hub: WatchHub;
  /** What the hub emitted and nobody took. */
  readonly replies: { streamId: number; reply: WatchReplyBody }[];
  /** One revision, in the store and to the hub; undefined deletes. */
  readonly write: (...pairs: readonly (readonly [key: string, value: string | undefined])[]) => void;
  /** 100 ms later. */
  readonly tick: () => void;
  readonly taken: () => string[];
}

export function stageOf(changed: Partial<typeof config> = {}): Stage {
  const store = new ListStore();
  const replies: Stage["replies"] = [];
  let nowMs = 0;
  const hub = new WatchHub({
    source: store,
    config: { ...config, ...changed },
    emit: (streamId, reply) => replies.push({ streamId, reply }),
  });
  hub.open(stream);
  return {
    store,
    hub,
    replies,
    write: (...pairs) => {
      const changes = store.write(...pairs);
      hub.notify(changes, store.currentRevision);
    },
    tick: () => {
      nowMs += 100;
      hub.tick(nowMs);
    },
    taken: () => replies.splice(0).map(({ reply }) => line(reply)),
  };
}
