/*
 * Watch replies that are the same for many watchers are encoded once; those that differ in anything are not mixed up.
 */
import { expect, test } from "vitest";
import { SharedReplies } from "../../chaos/member/shared-replies.ts";
import {
  bytesOfText,
  clusterIdOf,
  memberIdOf,
  revisionOf,
  type StreamReply,
  termOf,
  type WatchEvent,
  type WatchReply,
  watchIdOf,
} from "../../core/index.ts";
import { streamCalls } from "../../core/wire/calls.ts";

const event = (key: string): WatchEvent => ({
  type: "put",
  keyValue: {
    ...{ key: bytesOfText(key), value: bytesOfText("v"), lease: 0n },
    ...{ createRevision: 2, modRevision: 2, version: 1 },
  } as WatchEvent["keyValue"],
  prevKv: undefined,
});
const shared = event("a");
const reply = (changes: Partial<WatchReply> = {}): WatchReply => ({
  type: "watch",
  header: { clusterId: clusterIdOf(1n), memberId: memberIdOf(2n), revision: revisionOf(2), raftTerm: termOf(3) },
  ...{ watchId: watchIdOf(0n), created: false, canceled: false, compactRevision: 0, cancelReason: "" },
  ...{ fragment: false, events: [shared] },
  ...changes,
});

function counting() {
  const encoded: StreamReply[] = [];
  const replies = new SharedReplies();
  const bytesOf = (each: WatchReply): Uint8Array =>
    replies.bytesOf(each, (to) => {
      encoded.push(to);
      return streamCalls.watch.encodeReply(to);
    });
  return { encoded, bytesOf };
}

test("the same events for many watchers are encoded once", () => {
  const { encoded, bytesOf } = counting();
  const first = bytesOf(reply());
  for (let watcher = 0; watcher < 10; watcher++) expect(bytesOf(reply())).toBe(first);
  expect(encoded).toHaveLength(1);
});

test("whatever differs between two replies is in their bytes", () => {
  const header = reply().header;
  const others: WatchReply[] = [
    reply({ header: { ...header, revision: revisionOf(5) } }),
    reply({ header: { ...header, raftTerm: termOf(5) } }),
    reply({ header: { ...header, memberId: memberIdOf(5n) } }),
    reply({ header: { ...header, clusterId: clusterIdOf(5n) } }),
    reply({ watchId: watchIdOf(5n) }),
    reply({ created: true }),
    reply({ canceled: true }),
    reply({ compactRevision: 5 }),
    reply({ cancelReason: "gone" }),
    reply({ fragment: true }),
    reply({ events: [event("b")] }),
    reply({ events: [shared, shared] }),
  ];
  for (const other of others) {
    const { bytesOf } = counting();
    bytesOf(reply());
    expect(bytesOf(other)).toEqual(streamCalls.watch.encodeReply(other));
    expect(bytesOf(reply())).toEqual(streamCalls.watch.encodeReply(reply()));
  }
});
