import { describe, expect, test } from "vitest";
import { collectEvidence, isClaimFault } from "../../scenarios/check/evidence.ts";
import { compileHistory, never } from "../../scenarios/check/operations.ts";
import { type OrderFault, verifyOrder } from "../../scenarios/check/verify-order.ts";
import { kv, Recorder } from "./history-kit.ts";

/** Calls by id, in the order to be judged; a text is a lease that the server ends. */
function judge(recorder: Recorder, order: readonly (number | string)[]): OrderFault["rule"] | undefined {
  const history = compileHistory(recorder.events);
  const evidence = collectEvidence(history);
  const expiries: string[] = [];
  const entries = order.map((entry) => {
    if (typeof entry === "string") return -expiries.push(entry);
    return history.ops.findIndex((op) => op.id === entry);
  });
  return verifyOrder(history, { entries, expiries }, isClaimFault(evidence) ? [] : evidence.seenAt)?.rule;
}

/** Two overlapping puts, then a read. */
const two = (): Recorder =>
  new Recorder()
    .call(1, { op: "put", key: "k", value: "v" })
    .call(2, { op: "put", key: "k", value: "w" })
    .ok(2, 3, { op: "put" })
    .ok(1, 2, { op: "put" })
    .get(3, "k", 3, kv("k", "w", 3, { createRevision: 2, version: 2 }));

describe("an order is a proof only if", () => {
  test("it replays with every recorded answer", () => {
    expect(judge(two(), [1, 2, 3])).toBeUndefined();
    expect(judge(two(), [2, 1, 3])).toBe("wrong-revision");
  });

  test("no answered operation is missing", () => {
    expect(judge(two(), [1, 2])).toBe("missing");
  });

  test("no operation stands in it twice", () => {
    const lost = new Recorder().call(1, { op: "put", key: "k", value: "v" }).lost(1);
    expect(judge(lost, [1])).toBeUndefined();
    expect(judge(lost, [1, 1])).toBe("twice");
  });

  test("no refused operation, no stale read and nothing unheard-of stands in it", () => {
    const refused = new Recorder().call(1, { op: "put", key: "k", value: "v" }).fail(1);
    expect(judge(refused, [])).toBeUndefined();
    expect(judge(refused, [1])).toBe("never-called");
    expect(judge(new Recorder().get(1, "k", 1, undefined, true), [1])).toBe("never-called");
    expect(judge(refused, [99])).toBe("wrong-answer");
  });

  test("nobody stands before an operation that had returned before he was called", () => {
    const apart = new Recorder().put(1, "a", "v", 2).get(2, "b", 1);
    expect(judge(apart, [2, 1])).toBe("real-time");
    const beside = new Recorder().call(2, { op: "range", key: "b" }).put(1, "a", "v", 2);
    beside.ok(2, 1, { op: "range", kvs: [], count: 0, more: false });
    expect(judge(beside, [2, 1])).toBeUndefined();
  });

  test("revisions are the true ones, neither too large nor too small", () => {
    expect(judge(new Recorder().get(1, "k", 1), [1])).toBeUndefined();
    expect(judge(new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 2), [1, 2])).toBe("wrong-revision");
    expect(judge(new Recorder().put(1, "k", "v", 1), [1])).toBe("wrong-revision");
    expect(judge(new Recorder().put(1, "k", "v", 2).get(2, "other", 1), [1, 2])).toBe("wrong-revision");
  });

  test("a lease that ends is alive and has keys", () => {
    const granted = new Recorder()
      .call(1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 })
      .ok(1, 1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 })
      .put(2, "k", "v", 2, "7")
      .get(3, "k", 3);
    expect(judge(granted, [1, 2, "7", 3])).toBeUndefined();
    expect(judge(granted, [1, "7", 2, 3])).toBe("wrong-answer");
    expect(judge(granted, [1, 2, "8", 3])).toBe("wrong-answer");
  });

  test("a lease with keys is not granted again", () => {
    const again = { op: "leaseGrant", lease: "7", ttlSeconds: 5 } as const;
    const twice = new Recorder().call(1, again).ok(1, 1, again).put(2, "k", "v", 2, "7").call(3, again).ok(3, 2, again);
    expect(judge(twice, [1, 2, 3])).toBe("wrong-answer");
    expect(judge(new Recorder().call(1, again).ok(1, 1, again).call(3, again).ok(3, 1, again), [1, 3])).toBeUndefined();
  });

  test("whatever was seen of a revision was seen after the calls before it, and exists", () => {
    const early = new Recorder().watch(1).reply(1, 2, []).put(1, "k", "v", 2);
    expect(judge(early, [1])).toBe("seen-too-early");
    const open = new Recorder().call(1, { op: "put", key: "k", value: "v" }).watch(1).reply(1, 2, []);
    expect(judge(open, [1])).toBeUndefined();
    expect(judge(open, [])).toBe("missing");
    expect(never).toBeGreaterThan(1_000_000_000);
  });
});
