import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOfBytes } from "../../core/bytes.ts";
import { revisionOf, streamIdOf } from "../../core/ids.ts";
import type { WatchCreateRequest } from "../../core/request.ts";
import { cancel, create, progress, stageOf } from "./hub-kit.ts";

describe("any sequence of creates, cancels, writes, slow reading, compactions and resets", () => {
  const keys = ["a", "ab", "b", "ba", "c", "cc", "d"];
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant("write" as const),
        keys: fc.array(fc.tuple(fc.nat(6), fc.boolean()), { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("create" as const),
        stream: fc.nat(1),
        from: fc.nat(6),
        to: fc.option(fc.nat(6), { nil: undefined }),
        start: fc.integer({ min: -4, max: 7 }),
        noPut: fc.boolean(),
        noDelete: fc.boolean(),
        prevKv: fc.boolean(),
        fromNow: fc.boolean(),
        toEnd: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel" as const), stream: fc.nat(1), watch: fc.nat(8) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("drain" as const), stream: fc.nat(1), replies: fc.nat(6) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("tick" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(6) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("reset" as const), writes: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("progress" as const), stream: fc.nat(1) }) },
  );

  interface Seen {
    readonly request: WatchCreateRequest;
    /** First revision the watch is owed. */
    readonly start: number;
    readonly events: string[];
    compacted: boolean;
    canceled: boolean;
  }

  it("every watch gets exactly the filtered history, in order, in whole revisions, and no progress mark lies", () => {
    const limits = fc.record({
      watchRepliesMax: fc.integer({ min: 1, max: 6 }),
      watchRevisionsPerReplyMax: fc.integer({ min: 1, max: 4 }),
      watchersPerCatchUpMax: fc.integer({ min: 1, max: 3 }),
      watchVainReadsPerCatchUpMax: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), limits, fc.nat(7), (steps, limit, keysOfPartMax) => {
        const { store, hub, replies, write, tick } = stageOf(limit);
        store.keysOfPartMax = keysOfPartMax;
        hub.open(streamIdOf(2));
        const watches = new Map<string, Seen>();
        const pending: [number, number] = [0, 0];
        let requested: WatchCreateRequest | undefined;

        /** All events the watch is owed from `start` up to and including that revision. */
        const owed = (seen: Seen, upTo: number): string[] =>
          store.changes
            .filter(({ type, keyValue }) => {
              const key = textOfBytes(keyValue.key);
              const from = textOfBytes(seen.request.key);
              const to = seen.request.rangeEnd && textOfBytes(seen.request.rangeEnd);
              const inside = to === undefined ? key === from : key >= from && (to === "\0" || key < to);
              const wanted = type === "put" ? !seen.request.noPut : !seen.request.noDelete;
              return inside && wanted && keyValue.modRevision >= seen.start && keyValue.modRevision <= upTo;
            })
            .map((change) => `${change.keyValue.modRevision}.${change.subRevision}`);

        const look = (): void => {
          for (const { streamId, reply } of replies.splice(0)) {
            const untaken = pending[streamId - 1] ?? 0;
            pending[streamId - 1] = untaken + 1;
            // Only what answers a request may come although the client does not read.
            if (!reply.created && (!reply.canceled || reply.compactRevision > 0)) {
              expect(untaken).toBeLessThan(limit.watchRepliesMax);
            }
            const id = `${streamId}/${reply.watchId}`;
            expect(reply.fragment).toBe(false);
            if (reply.created && !reply.canceled) {
              if (requested === undefined) throw new Error("created without a request");
              expect(watches.has(id)).toBe(false);
              const start = requested.startRevision === 0 ? reply.headerRevision + 1 : requested.startRevision;
              watches.set(id, { request: requested, start, events: [], compacted: false, canceled: false });
              continue;
            }
            if (reply.created) continue;
            if (reply.watchId === -1n) {
              for (const [name, seen] of watches) {
                if (!name.startsWith(`${streamId}/`) || seen.compacted || seen.canceled) continue;
                expect(seen.events).toEqual(owed(seen, reply.headerRevision));
              }
              continue;
            }
            const seen = watches.get(id);
            if (seen === undefined) throw new Error(`reply for unknown watch ${id}`);
            expect(seen.canceled).toBe(false);
            if (reply.canceled && reply.compactRevision > 0) {
              expect(seen.compacted).toBe(false);
              expect(reply.headerRevision).toBe(0);
              seen.compacted = true;
              continue;
            }
            if (reply.canceled) {
              seen.canceled = true;
              continue;
            }
            expect(seen.compacted).toBe(false);
            const last = reply.events[reply.events.length - 1];
            expect(reply.headerRevision).toBeGreaterThanOrEqual(last?.keyValue.modRevision ?? 0);
            for (const event of reply.events) {
              const change = store.changes.find((each) => each.keyValue === event.keyValue);
              if (change === undefined) throw new Error("an event that never happened");
              seen.events.push(`${change.keyValue.modRevision}.${change.subRevision}`);
              if (!seen.request.prevKv) expect(event.prevKv).toBeUndefined();
              else if (event.keyValue.modRevision - 1 >= store.compactRevision) {
                expect(event.prevKv).toBe(
                  store.valueAt(event.keyValue.key, revisionOf(event.keyValue.modRevision - 1)),
                );
              }
            }
            // Whole revisions: all that is owed up to the last one sent.
            expect(seen.events).toEqual(owed(seen, last?.keyValue.modRevision ?? 0));
          }
        };

        for (const each of steps) {
          if (each.type === "write")
            write(...each.keys.map(([k, put]) => [keys[k] ?? "a", put ? `${k}` : undefined] as const));
          else if (each.type === "create") {
            const to = each.toEnd ? "\0" : each.to === undefined ? undefined : keys[each.to];
            const startRevision = each.fromNow ? 0 : Math.max(-1, store.currentRevision - 4 + each.start);
            const request = create(keys[each.from] ?? "a", to, {
              noPut: each.noPut,
              noDelete: each.noDelete,
              prevKv: each.prevKv,
              startRevision,
            });
            requested = request.type === "watchCreate" ? request : undefined;
            hub.request(streamIdOf(each.stream + 1), request);
          } else if (each.type === "cancel") hub.request(streamIdOf(each.stream + 1), cancel(each.watch));
          else if (each.type === "drain") {
            const count = Math.min(each.replies, pending[each.stream] ?? 0);
            pending[each.stream] = (pending[each.stream] ?? 0) - count;
            hub.drained(streamIdOf(each.stream + 1), count);
          } else if (each.type === "tick") tick();
          else if (each.type === "compact") {
            const to = revisionOf(Math.max(store.compactRevision, store.currentRevision - each.back));
            store.compactRevision = to;
          } else if (each.type === "reset") {
            for (let count = 0; count < each.writes; count++) store.write(["a", "r"], ["c", undefined]);
            hub.reset();
          } else hub.request(streamIdOf(each.stream + 1), progress);
          look();
        }
        // In the end everybody reads: nothing that is owed may be missing.
        for (let round = 0; round < 400; round++) {
          for (const id of [0, 1]) {
            hub.drained(streamIdOf(id + 1), pending[id] ?? 0);
            pending[id] = 0;
          }
          tick();
          look();
        }
        for (const seen of watches.values()) {
          if (!seen.compacted && !seen.canceled) expect(seen.events).toEqual(owed(seen, store.currentRevision));
        }
      }),
      { numRuns: 200 },
    );
  });
});
