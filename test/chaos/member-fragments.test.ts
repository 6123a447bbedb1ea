/*
 * Pieces of a watch reply hold every event once, in order, each piece below the bound unless it is a single event; only
 * watches that allow it are split.
 */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { Fragments } from "../../chaos/member/fragments.ts";
import {
  clusterIdOf,
  memberIdOf,
  noLease,
  revisionOf,
  termOf,
  type WatchEvent,
  type WatchReply,
  watchIdOf,
} from "../../core/index.ts";
import { streamCalls } from "../../core/wire/calls.ts";

const plainReply: WatchReply = {
  type: "watch",
  header: { clusterId: clusterIdOf(1n), memberId: memberIdOf(2n), revision: revisionOf(3), raftTerm: termOf(4) },
  watchId: watchIdOf(7n),
  created: false,
  canceled: false,
  compactRevision: 0,
  cancelReason: "",
  fragment: false,
  events: [],
};
const eventOf = (position: number, bytes: number): WatchEvent => {
  const keyValue = {
    key: new Uint8Array([1, position & 255]),
    createRevision: revisionOf(position + 1),
    modRevision: revisionOf(position + 1),
    version: 1,
    value: new Uint8Array(bytes),
    lease: noLease,
  };
  return { type: "put", keyValue, prevKv: bytes % 2 === 0 ? keyValue : undefined };
};
function fragments(bytesMax: number, allowed: boolean): Fragments {
  const found = new Fragments(bytesMax);
  found.requested({
    ...{ type: "watchCreate", key: new Uint8Array([1]), rangeEnd: undefined, startRevision: 0, progressNotify: false },
    ...{ noPut: false, noDelete: false, prevKv: true, watchId: watchIdOf(7n), fragment: allowed },
  });
  expect(found.split({ ...plainReply, created: true })).toHaveLength(1);
  return found;
}
const sizeOf = (reply: WatchReply): number => streamCalls.watch.encodeReply(reply).length;

describe("fragments", () => {
  test.prop([fc.array(fc.nat(4_000), { minLength: 2, maxLength: 60 }), fc.integer({ min: 500, max: 20_000 })])(
    "hold every event once and in order, below the bound, all but the last marked",
    (sizes, bytesMax) => {
      const events = sizes.map((bytes, position) => eventOf(position, bytes));
      const reply = { ...plainReply, events };
      const pieces = fragments(bytesMax, true).split(reply);
      expect(pieces.flatMap((piece) => piece.events)).toEqual(events);
      expect(pieces.map((piece) => piece.fragment)).toEqual(pieces.map((_piece, at) => at < pieces.length - 1));
      for (const piece of pieces) if (piece.events.length > 1) expect(sizeOf(piece)).toBeLessThan(bytesMax);
      if (sizeOf(reply) >= bytesMax) expect(pieces.length).toBeGreaterThan(1);
    },
  );

  test("a watch that does not allow them, or is no more, is never split", () => {
    const reply = { ...plainReply, events: [eventOf(1, 5_000), eventOf(2, 5_000)] };
    expect(fragments(1_000, false).split(reply)).toEqual([reply]);
    const ended = fragments(1_000, true);
    expect(ended.split(reply)).toHaveLength(2);
    ended.split({ ...plainReply, canceled: true });
    expect(ended.split(reply)).toEqual([reply]);
    expect(fragments(1_000, true).split({ ...reply, watchId: watchIdOf(8n) })).toHaveLength(1);
  });
});
