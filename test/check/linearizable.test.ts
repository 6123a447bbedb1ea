import { describe, expect, test } from "vitest";
import { checkByName } from "../../scenarios/check/all.ts";
import { decideLinearizable } from "../../scenarios/check/linearizable.ts";
import { compileHistory } from "../../scenarios/check/operations.ts";
import type { CheckResult } from "../../scenarios/check/verdict.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import { isLinearizable } from "./brute-force.ts";
import { Chance, faultNames, type GenerateOptions, generate } from "./generate.ts";
import { found, kv, Recorder } from "./history-kit.ts";

const check = (recorder: Recorder, steps = 100_000): CheckResult | undefined =>
  checkByName("linearizable")?.check(recorder.events, { steps });
const verdictOf = (events: readonly HistoryEvent[]): string =>
  decideLinearizable(compileHistory(events), 1_000_000).verdict;

function drawOptions(seed: number, blind: boolean): GenerateOptions {
  const chance = new Chance(seed * 7919 + 1);
  return {
    operations: 3 + chance.below(5),
    clients: 1 + chance.below(4),
    keys: 1 + chance.below(3),
    unknownPercent: chance.pick([0, 20, 50]),
    leases: !blind && chance.percent(30),
    txns: chance.percent(40),
    past: !blind && chance.percent(25),
    watch: !blind && chance.percent(30),
    watchLossPercent: 10,
    uniqueValues: chance.percent(75),
    blind,
    fault: chance.pick(faultNames),
  };
}

describe("against brute force", () => {
  test("histories with revisions get the oracle's verdict, whatever fault was put in", () => {
    const seen = { holds: 0, violated: 0 };
    const wrong: number[] = [];
    for (let seed = 0; seed < 4_000; seed++) {
      const history = generate(seed, drawOptions(seed, false));
      const expected = isLinearizable(history) ? "holds" : "violated";
      seen[expected]++;
      if (verdictOf(history) !== expected) wrong.push(seed);
    }
    expect(wrong).toEqual([]);
    expect(seen.holds).toBeGreaterThan(1_000);
    expect(seen.violated).toBeGreaterThan(500);
  });

  test("histories without revisions get the oracle's verdict from the search", () => {
    const seen = { holds: 0, violated: 0 };
    const wrong: number[] = [];
    for (let seed = 0; seed < 2_500; seed++) {
      const history = generate(seed, drawOptions(seed, true));
      const expected = isLinearizable(history) ? "holds" : "violated";
      seen[expected]++;
      if (verdictOf(history) !== expected) wrong.push(seed);
    }
    expect(wrong).toEqual([]);
    expect(seen.violated).toBeGreaterThan(100);
  });
});

describe("many unanswered writes", () => {
  test("a correct history holds, however many of its writes have no answer and no watch helps", () => {
    const wrong: number[] = [];
    let holds = 0;
    for (let seed = 0; seed < 1_200; seed++) {
      const chance = new Chance(seed * 13 + 3);
      const history = generate(seed, {
        ...drawOptions(seed, false),
        operations: 12 + chance.below(60),
        clients: 2 + chance.below(5),
        keys: 1 + chance.below(5),
        unknownPercent: chance.pick([25, 40, 55]),
        watch: chance.percent(15),
        uniqueValues: chance.percent(50),
        past: false,
        fault: "none",
      });
      const verdict = decideLinearizable(compileHistory(history), 30_000).verdict;
      if (verdict === "violated") wrong.push(seed);
      if (verdict === "holds") holds++;
    }
    expect(wrong).toEqual([]);
    // With few values and half of the answers missing, some need more steps than this.
    expect(holds).toBeGreaterThan(1_150);
  });
});

describe("changes that must keep a verdict", () => {
  const options: GenerateOptions = {
    ...drawOptions(1, false),
    operations: 30,
    clients: 5,
    unknownPercent: 10,
    fault: "none",
  };

  test("forgetting an answer keeps holds", () => {
    for (let seed = 0; seed < 60; seed++) {
      const history = generate(seed, { ...options, leases: seed % 2 === 0, txns: true });
      const answers = history.filter((event) => event.type === "return" && event.outcome === "ok");
      const gone = new Chance(seed).pick(answers);
      const shorter = history.filter((event) => event !== gone);
      expect({ seed, verdict: verdictOf(shorter) }).toEqual({ seed, verdict: "holds" });
    }
  });

  test("widening an interval keeps holds", () => {
    for (let seed = 0; seed < 60; seed++) {
      const history = [...generate(seed, { ...options, txns: true })];
      const chance = new Chance(seed);
      const at = 1 + chance.below(history.length - 2);
      const event = history[at];
      if (event?.type !== "return") continue;
      history.splice(at, 1);
      history.push(event);
      expect({ seed, verdict: verdictOf(history) }).toEqual({ seed, verdict: "holds" });
    }
  });
});

describe("accepted", () => {
  test("a read that runs beside a put may show either state", () => {
    const before = new Recorder().call(1, { op: "put", key: "k", value: "v" }).call(2, { op: "range", key: "k" });
    before.ok(2, 1, found()).ok(1, 2, { op: "put" });
    expect(check(before)?.verdict).toBe("holds");
    const after = new Recorder().call(1, { op: "put", key: "k", value: "v" }).call(2, { op: "range", key: "k" });
    after.ok(2, 2, found(kv("k", "v", 2))).ok(1, 2, { op: "put" });
    expect(check(after)?.verdict).toBe("holds");
  });

  test("an unanswered put may take effect late, or never", () => {
    const late = new Recorder().call(1, { op: "put", key: "k", value: "lost" }).lost(1);
    late.put(2, "k", "w", 2).get(3, "k", 3, kv("k", "lost", 3, { createRevision: 2, version: 2 }));
    expect(check(late)?.verdict).toBe("holds");
    const neverAtAll = new Recorder().call(1, { op: "put", key: "k", value: "lost" }).lost(1).put(2, "k", "w", 2);
    expect(check(neverAtAll)?.verdict).toBe("holds");
  });

  test("a lease that ends takes its keys in one revision that nobody claims", () => {
    const recorder = new Recorder()
      .call(1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 })
      .ok(1, 1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 });
    recorder.put(2, "a", "v", 2, "7").put(3, "b", "v", 3, "7").get(4, "a", 4).get(5, "b", 4);
    expect(check(recorder)?.verdict).toBe("holds");
  });

  /** Each has a key, "key1" to "key16", put at revisions 2 to 17. */
  function sixteenLeases() {
    const leases = Array.from({ length: 16 }, (_, position) => `${position + 1}`);
    const recorder = new Recorder();
    for (const [position, lease] of leases.entries()) {
      const id = 2 * position + 1;
      recorder.call(id, { op: "leaseGrant", lease, ttlSeconds: 5 });
      recorder.ok(id, position + 1, { op: "leaseGrant", lease, ttlSeconds: 5 });
      recorder.put(id + 1, `key${lease}`, "v", position + 2, lease);
    }
    return { leases, recorder };
  }

  test("a listing in the end says which leases ended where nobody looked", () => {
    const { leases, recorder } = sixteenLeases();
    // Eight revisions that nobody claims, and that nobody saw.
    const kept = leases.slice(0, 8).map((lease, position) => kv(`key${lease}`, "v", position + 2, { lease }));
    const rows = kept.sort((a, b) => (a.key < b.key ? -1 : 1));
    recorder.at(60_000).call(100, { op: "range", key: "key", rangeEnd: "kez" });
    recorder.ok(100, 25, { op: "range", kvs: rows, count: rows.length, more: false });
    expect(check(recorder, 1_000)?.verdict).toBe("holds");
  });

  test("a lease that is revoked in the end was none of those that ended before, and what a transaction lists is known", () => {
    const { recorder } = sixteenLeases();
    const listing = { op: "range", key: "key", rangeEnd: "kez" } as const;
    const put = { op: "put", key: "key0", value: "w" } as const;
    const rows = [kv("key0", "w", 32), kv("key1", "v", 2, { lease: "1" })];
    // Fourteen of them end where nobody looks, in whatever order.
    recorder.at(60_000).call(100, { op: "txn", compares: [], success: [put, listing], failure: [] });
    recorder.ok(100, 32, {
      op: "txn",
      succeeded: true,
      responses: [
        { op: "put", revision: 32 },
        { op: "range", kvs: [...rows, kv("key2", "v", 3, { lease: "2" })], count: 3, more: false, revision: 32 },
      ],
    });
    for (const lease of ["1", "2"])
      recorder.call(100 + Number(lease), { op: "leaseRevoke", lease }).ok(100 + Number(lease), 32 + Number(lease), {
        op: "leaseRevoke",
      });
    recorder.call(104, listing).ok(104, 34, { op: "range", kvs: rows.slice(0, 1), count: 1, more: false });
    expect(check(recorder, 2_000)?.verdict).toBe("holds");
  });

  test("a read of the past shows the past", () => {
    const recorder = new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 3);
    recorder.call(3, { op: "range", key: "k", revision: 2 }).ok(3, 3, found(kv("k", "v", 2)));
    expect(check(recorder)?.verdict).toBe("holds");
  });
});

describe("refused", () => {
  const rejects = (recorder: Recorder, rule: string, ...texts: readonly string[]): void => {
    const result = check(recorder);
    expect({ verdict: result?.verdict, rule: result?.violations[0]?.rule }).toEqual({ verdict: "violated", rule });
    for (const text of texts) expect(result?.detail).toContain(text);
  };

  test("a stale read: the answer is older than an answered write before its call", () => {
    const recorder = new Recorder()
      .put(1, "k", "v", 2)
      .put(2, "k", "w", 3)
      .get(3, "k", 2, kv("k", "v", 2));
    rejects(recorder, "real-time", "call 3", "the data is wrong");
  });

  test("right data under a lying revision, and says that the data alone would pass", () => {
    const recorder = new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 3);
    recorder.get(3, "k", 2, kv("k", "w", 3, { createRevision: 2, version: 2 }));
    rejects(recorder, "wrong-answer", "the data alone would be linearizable");
  });

  test("one revision claimed by two writes", () => {
    rejects(new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 2), "revision-claimed-twice", "call 1", "call 2");
  });

  test("a revision that nothing can have made", () => {
    rejects(new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 4), "revision-without-author");
  });

  test("a lost write: acknowledged, then never there", () => {
    rejects(new Recorder().put(1, "k", "v", 2).get(2, "k", 2), "wrong-answer", "expected", "absent");
  });

  test("a version that does not count the puts", () => {
    const recorder = new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 3);
    recorder.get(3, "k", 3, kv("k", "w", 3, { createRevision: 2, version: 1 }));
    rejects(recorder, "wrong-answer", "version 2", "the data alone would be linearizable");
  });

  test("the effect of a refused operation, by its name", () => {
    const recorder = new Recorder().call(1, { op: "put", key: "k", value: "ghost" }).fail(1);
    recorder.call(9, { op: "put", key: "other", value: "x" }).lost(9);
    recorder.get(2, "k", 2, kv("k", "ghost", 2));
    rejects(recorder, "revision-without-author", "call 1", "refused");
  });

  test("a delete that finds what is not there", () => {
    const recorder = new Recorder().put(1, "k", "v", 2).call(2, { op: "deleteRange", key: "other" });
    recorder.ok(2, 3, { op: "deleteRange", deleted: 1 });
    rejects(recorder, "wrong-answer", "0 deleted");
  });

  test("a transaction that takes the other branch", () => {
    const recorder = new Recorder().put(1, "k", "v", 2).call(2, {
      op: "txn",
      compares: [{ target: "create", result: "equal", key: "k", operand: 0 }],
      success: [{ op: "put", key: "k", value: "w" }],
      failure: [],
    });
    recorder.ok(2, 3, { op: "txn", succeeded: true, responses: [{ op: "put", revision: 3 }] });
    rejects(recorder, "wrong-answer", "succeeded = false");
  });

  test("a range compare that looks at the first key only", () => {
    const recorder = new Recorder()
      .put(1, "p/a", "v", 2)
      .put(2, "p/b", "w", 3)
      .call(3, {
        op: "txn",
        compares: [{ target: "value", result: "equal", key: "p/", rangeEnd: "p0", operand: "v" }],
        success: [{ op: "put", key: "q", value: "x" }],
        failure: [],
      });
    recorder.ok(3, 4, { op: "txn", succeeded: true, responses: [{ op: "put", revision: 4 }] });
    rejects(recorder, "wrong-answer");
  });

  test("a key that outlives the revoke of its lease", () => {
    const recorder = new Recorder()
      .call(1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 })
      .ok(1, 1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 });
    recorder.put(2, "k", "v", 2, "7").call(3, { op: "leaseRevoke", lease: "7" }).ok(3, 3, { op: "leaseRevoke" });
    recorder.get(4, "k", 3, kv("k", "v", 2, { lease: "7" }));
    rejects(recorder, "revision-without-author", "call 3", "call 4");
  });

  test("a read below a compaction that had returned", () => {
    const recorder = new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 3);
    recorder.call(3, { op: "compact", revision: 3 }).ok(3, 3, { op: "compact" });
    recorder.call(4, { op: "range", key: "k", revision: 2 }).ok(4, 3, found(kv("k", "v", 2)));
    rejects(recorder, "wrong-answer", "compacted to 3");
  });

  test("a count that follows the limit", () => {
    const recorder = new Recorder().put(1, "a", "v", 2).put(2, "b", "w", 3);
    recorder.call(3, { op: "range", key: "a", rangeEnd: "z", limit: 1 });
    recorder.ok(3, 3, { op: "range", kvs: [kv("a", "v", 2)], count: 1, more: true });
    rejects(recorder, "wrong-answer", "count 2");
  });

  test("a revision seen by a watch before its write was called", () => {
    const recorder = new Recorder().watch(1).reply(1, 2, []);
    recorder.put(1, "k", "v", 2);
    rejects(recorder, "seen-too-early");
  });

  test("an unanswered write that would have to act before its call", () => {
    const recorder = new Recorder().put(1, "k", "v", 3).call(2, { op: "put", key: "k", value: "late" }).lost(2);
    recorder.get(3, "k", 3, kv("k", "v", 3, { createRevision: 2, version: 2 }));
    rejects(recorder, "revision-without-author");
  });
});

describe("unknown", () => {
  test("a budget that ends is unknown, never a guess", () => {
    const options: GenerateOptions = {
      ...drawOptions(3, true),
      operations: 14,
      clients: 7,
      keys: 1,
      unknownPercent: 50,
    };
    let unknown = 0;
    for (let seed = 0; seed < 50; seed++) {
      const history = generate(seed, { ...options, uniqueValues: false, fault: "none", txns: true });
      const { verdict } = decideLinearizable(compileHistory(history), 3);
      expect(verdict).not.toBe("violated");
      if (verdict === "unknown") unknown++;
    }
    expect(unknown).toBeGreaterThan(0);
  });

  test("an answer without a call is no history", () => {
    expect(check(new Recorder().ok(1, 2, { op: "put" }))?.verdict).toBe("unknown");
  });
});
