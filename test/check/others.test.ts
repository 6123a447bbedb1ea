import { describe, expect, test } from "vitest";
import { allChecks, checkByName, checksByNames } from "../../scenarios/check/all.ts";
import type { CheckOptions } from "../../scenarios/check/context.ts";
import type { CheckResult } from "../../scenarios/check/verdict.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import { Chance, generate } from "./generate.ts";
import { deleteEvent, found, kv, putEvent, Recorder } from "./history-kit.ts";

function judge(name: string, recorder: Recorder, options: CheckOptions = {}): CheckResult | undefined {
  return checkByName(name, options)?.check(recorder.events, { steps: 100_000 });
}
function rejects(name: string, recorder: Recorder, rule: string, options: CheckOptions = {}): void {
  const result = judge(name, recorder, options);
  expect({ verdict: result?.verdict, rule: result?.violations[0]?.rule }).toEqual({ verdict: "violated", rule });
}

/** What checks say against so many correct histories; `leases` and `watch` are in so many of a hundred. */
function foundInCorrect(histories: {
  readonly count: number;
  readonly chanceOf: (seed: number) => Chance;
  readonly leases: number;
  readonly watch: number;
  readonly staleReads: boolean;
}): string[] {
  const { count, chanceOf, leases, watch, staleReads } = histories;
  const found: string[] = [];
  for (let seed = 0; seed < count; seed++) {
    const chance = chanceOf(seed);
    const history = generate(seed, {
      operations: 3 + chance.below(60),
      clients: 1 + chance.below(6),
      keys: 1 + chance.below(4),
      unknownPercent: chance.pick([0, 5, 20]),
      leases: chance.percent(leases),
      txns: chance.percent(50),
      past: chance.percent(25),
      staleReads,
      watch: chance.percent(watch),
      watchLossPercent: 0,
      uniqueValues: true,
      blind: false,
      fault: "none",
    });
    // The generator ends leases when it likes: its clock means nothing.
    for (const check of allChecks({ leaseEarlySlackMs: 1e9, leaseLateSlackMs: 1e9 })) {
      const { verdict, detail } = check.check(history, { steps: 100_000 });
      if (verdict !== "holds") found.push(`${seed} ${check.name}: ${detail}`);
    }
  }
  return found;
}

test("no check finds anything in a correct store", () => {
  const chanceOf = (seed: number): Chance => new Chance(seed * 31 + 5);
  expect(foundInCorrect({ count: 400, chanceOf, leases: 50, watch: 60, staleReads: false })).toEqual([]);
});

test("nor where reads show old states, and say less than which of several legal orders it was", () => {
  const chanceOf = (seed: number): Chance => new Chance(seed * 77 + 5);
  expect(foundInCorrect({ count: 1_500, chanceOf, leases: 80, watch: 30, staleReads: true })).toEqual([]);
});

describe("the list of checks", () => {
  test("knows each by its name and refuses a name it does not know", () => {
    for (const check of allChecks()) expect(checkByName(check.name)?.meaning).toBe(check.meaning);
    expect(checkByName("linearisable")).toBeUndefined();
    expect(checksByNames(["watch", "nothing"])).toBeUndefined();
  });

  test("does not mistake a grown history for the one it has judged", () => {
    const check = checkByName("linearizable");
    const recorder = new Recorder().put(1, "k", "v", 2);
    expect(check?.check(recorder.events, { steps: 1_000 }).verdict).toBe("holds");
    recorder.get(2, "k", 2);
    expect(check?.check(recorder.events, { steps: 1_000 }).verdict).toBe("violated");
  });
});

describe("leases", () => {
  const granted = (): Recorder =>
    new Recorder()
      .at(100)
      .call(1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 })
      .ok(1, 1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 })
      .put(2, "k", "v", 2, "7");
  const k2 = kv("k", "v", 2, { lease: "7" });

  test("a lease that ends after its time to live is right", () => {
    const recorder = granted().at(5_200).get(3, "k", 3);
    expect(judge("leases", recorder)?.verdict).toBe("holds");
  });

  test("nothing dies early", () => {
    rejects("leases", granted().at(3_000).get(3, "k", 3), "lease-early");
  });

  test("a renewal counts from its call on", () => {
    const renewed = granted()
      .at(4_000)
      .call(5, { op: "leaseKeepAlive", lease: "7" })
      .ok(5, 2, { op: "leaseKeepAlive", ttlSeconds: 5 });
    rejects("leases", renewed.at(8_000).get(3, "k", 3), "lease-early");
  });

  test("an early end is not judged after a clock jump", () => {
    const jump: HistoryEvent = {
      type: "fault",
      atMs: 200,
      fault: "clockJump",
      members: ["a"],
      result: "done",
      detail: "",
    };
    expect(judge("leases", granted().add(jump).at(3_000).get(3, "k", 3))?.verdict).toBe("holds");
  });

  test("nothing lives past its lease by more than the bound", () => {
    rejects("leases", granted().at(20_000).get(3, "k", 2, k2), "lease-late");
  });

  test("an end that nobody saw may have been that of any lease: only what was shown lives too long", () => {
    const two = (): Recorder =>
      granted()
        .call(10, { op: "leaseGrant", lease: "5", ttlSeconds: 60 })
        .ok(10, 2, { op: "leaseGrant", lease: "5", ttlSeconds: 60 })
        .put(11, "l", "v", 3, "5")
        .at(20_000)
        .put(12, "m", "v", 5);
    expect(judge("leases", two())?.verdict).toBe("holds");
    rejects("leases", two().get(13, "k", 5, k2), "lease-late");
  });

  const besides = (recorder: Recorder, revision: number): Recorder =>
    recorder
      .call(10, { op: "leaseGrant", lease: "5", ttlSeconds: 60 })
      .ok(10, revision, { op: "leaseGrant", lease: "5", ttlSeconds: 60 });

  test("whatever an answer shows of a lease shows that it lives, be it the value before or a put that takes it", () => {
    const unseen = (): Recorder => besides(granted(), 2).put(11, "l", "v", 3, "5").at(20_000);
    rejects("leases", unseen().put(12, "other", "v", 5, "7"), "lease-late");
    const replaced = unseen().put(12, "m", "v", 5).call(13, { op: "put", key: "k", value: "w", prevKv: true });
    rejects("leases", replaced.ok(13, 6, { op: "put", prevKv: k2 }), "lease-late");
  });

  test("so does a watch, of a put without an answer", () => {
    const recorder = besides(new Recorder().at(100), 1).watch(1, { key: "k" });
    recorder.call(1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 });
    recorder.ok(1, 1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 });
    recorder
      .call(2, { op: "put", key: "k", value: "v", lease: "7" })
      .lost(2)
      .reply(1, 2, [putEvent(k2)]);
    rejects("leases", recorder.at(20_000).put(3, "m", "v", 3), "lease-late");
  });

  test("what nobody saw may have been the only lease's end as well, or an unanswered write", () => {
    const open = granted().call(3, { op: "put", key: "x", value: "x" }).lost(3).at(20_000).put(4, "m", "v", 4);
    expect(judge("leases", open)?.verdict).toBe("holds");
    const written = granted().call(3, { op: "put", key: "y", value: "y" }).lost(3);
    written.call(4, { op: "put", key: "x", value: "x" }).lost(4).call(5, { op: "deleteRange", key: "x" }).lost(5);
    expect(judge("leases", written.get(6, "x", 4))?.verdict).toBe("holds");
  });

  test("a lease that only an unanswered put may have given a key need not have had any", () => {
    const recorder = besides(new Recorder().at(100), 1);
    recorder.call(1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 });
    recorder.ok(1, 1, { op: "leaseGrant", lease: "7", ttlSeconds: 5 });
    recorder.call(3, { op: "put", key: "k", value: "v", lease: "7" }).lost(3);
    recorder.call(4, { op: "put", key: "x", value: "x" }).lost(4).at(20_000).put(5, "m", "v", 3);
    expect(judge("leases", recorder)?.verdict).toBe("holds");
  });

  test("a delete that a watch of one key saw may have been the end of its lease; a watch of all keys tells", () => {
    const seenBy = (rangeEnd: { readonly rangeEnd?: string }): Recorder => {
      const recorder = besides(granted(), 2).put(3, "k2", "v", 3, "7").call(4, { op: "deleteRange", key: "k" }).lost(4);
      recorder.watch(1, { key: "k", ...rangeEnd }).reply(1, 2, [putEvent(k2)]);
      if (rangeEnd.rangeEnd !== undefined) recorder.reply(1, 3, [putEvent(kv("k2", "v", 3, { lease: "7" }))]);
      return recorder
        .at(6_000)
        .reply(1, 4, [deleteEvent("k", 4)])
        .at(20_000)
        .put(12, "m", "v", 5);
    };
    expect(judge("leases", seenBy({}))?.verdict).toBe("holds");
    rejects("leases", seenBy({ rangeEnd: "l" }), "lease-late");
  });

  test("an end that a watch of one key saw may have been unanswered deletes", () => {
    const recorder = besides(granted(), 2).put(3, "k2", "v", 3, "7").watch(1, { key: "k" });
    recorder
      .reply(1, 2, [putEvent(k2)])
      .call(4, { op: "deleteRange", key: "k" })
      .lost(4);
    recorder.call(5, { op: "deleteRange", key: "k2" }).lost(5).call(6, { op: "put", key: "z", value: "z" }).lost(6);
    recorder
      .reply(1, 4, [deleteEvent("k", 4)])
      .put(12, "m", "v", 6)
      .get(13, "k2", 6);
    expect(judge("leases", recorder)?.verdict).toBe("holds");
  });

  test("a new leader gives every lease its time anew", () => {
    const leader: HistoryEvent = { type: "role", atMs: 14_000, member: "b", role: "leader", term: 3 };
    expect(judge("leases", granted().add(leader).at(20_000).get(3, "k", 2, k2))?.verdict).toBe("holds");
  });

  const asked = (recorder: Recorder, atMs: number, ttlSeconds: number): Recorder =>
    recorder
      .at(atMs)
      .call(8, { op: "leaseTimeToLive", lease: "7" })
      .ok(8, 2, { op: "leaseTimeToLive", ttlSeconds, grantedTtlSeconds: 5 });

  test("the time a lease is said to have left is what was promised at least, and what is owed at most", () => {
    expect(judge("leases", asked(granted(), 2_000, 3))?.verdict).toBe("holds");
    rejects("leases", asked(granted(), 2_000, 1), "lease-time-left");
    rejects("leases", asked(granted(), 4_000, 7), "lease-time-left");
  });

  test("where leases are checkpointed, new leaders do not give them their time anew", () => {
    const history = granted();
    for (const atMs of [4_000, 8_000, 12_000]) {
      history.add({ type: "role", atMs, member: "b", role: "leader", term: atMs });
    }
    history.at(16_500).get(3, "k", 2, k2);
    expect(judge("leases", history, { electionTimeoutMs: 200 })?.verdict).toBe("holds");
    const checkpointed = { electionTimeoutMs: 200, leaseCheckpointMs: 300 };
    const result = judge("leases", history, checkpointed);
    expect(result?.violations.map(({ rule }) => rule)).toEqual(["lease-late"]);
  });

  test("a lease that was seen to have ended is not renewed", () => {
    const recorder = granted().at(5_200).get(3, "k", 3).call(4, { op: "leaseKeepAlive", lease: "7" });
    rejects("leases", recorder.ok(4, 3, { op: "leaseKeepAlive", ttlSeconds: 5 }), "lease-renewed-after-end");
  });

  test("a revoked lease is not renewed", () => {
    const recorder = granted().call(3, { op: "leaseRevoke", lease: "7" }).ok(3, 3, { op: "leaseRevoke" });
    recorder.call(4, { op: "leaseKeepAlive", lease: "7" }).ok(4, 3, { op: "leaseKeepAlive", ttlSeconds: 5 });
    rejects("leases", recorder, "lease-renewed-after-end");
  });

  test("a live lease is not denied", () => {
    const recorder = granted().call(4, { op: "leaseKeepAlive", lease: "7" });
    rejects("leases", recorder.ok(4, 2, { op: "leaseKeepAlive", ttlSeconds: 0 }), "lease-early");
  });
});

describe("serializable", () => {
  const written = (): Recorder => new Recorder().put(1, "k", "v", 2).put(2, "k", "w", 3);
  const w3 = kv("k", "w", 3, { createRevision: 2, version: 2 });

  test("an old state under its own revision is right", () => {
    expect(judge("serializable", written().get(3, "k", 2, kv("k", "v", 2), true))?.verdict).toBe("holds");
  });

  test("the state is that of the reported revision", () => {
    rejects("serializable", written().get(3, "k", 3, kv("k", "v", 2), true), "serializable-state");
    rejects("serializable", written().get(3, "k", 2, w3, true), "serializable-state");
  });

  test("a read of the past uses the keys of the past", () => {
    const recorder = new Recorder().put(1, "a", "1", 2).put(2, "b", "1", 3);
    recorder.call(3, { op: "range", key: "a", rangeEnd: "z", revision: 2, serializable: true });
    recorder.ok(3, 3, { op: "range", kvs: [kv("a", "1", 2)], count: 2, more: false });
    rejects("serializable", recorder, "serializable-state");
  });

  test("what such a read shows, or does not, says which lease ended where nobody looked", () => {
    const recorder = new Recorder();
    for (const [position, lease] of ["1", "2", "3"].entries()) {
      const id = 10 * (position + 1);
      recorder.call(id, { op: "leaseGrant", lease, ttlSeconds: 5 });
      recorder.ok(id, position + 1, { op: "leaseGrant", lease, ttlSeconds: 5 });
      recorder.put(id + 1, `key${lease}`, "v", position + 2, lease);
    }
    const listing = { op: "range", key: "key", rangeEnd: "kez" } as const;
    const rows = [1, 3].map((lease) => kv(`key${lease}`, "v", lease + 1, { lease: `${lease}` }));
    recorder.at(6_000).call(40, { ...listing, serializable: true });
    recorder.ok(40, 5, { op: "range", kvs: rows, count: 2, more: false });
    recorder.call(41, listing).ok(41, 7, { op: "range", kvs: [], count: 0, more: false });
    expect(judge("serializable", recorder)?.verdict).toBe("holds");
    // The same keys cannot be gone and there again.
    recorder.call(42, { ...listing, serializable: true });
    recorder.ok(42, 6, { op: "range", kvs: rows, count: 2, more: false });
    rejects("serializable", recorder, "serializable-state");
  });

  test("nor is the first order that fits all answers the only one, where a read says less than which keys there are", () => {
    const ended = (count: number): Recorder => {
      const recorder = new Recorder();
      for (const [position, lease] of ["1", "2"].entries()) {
        const id = 10 * (position + 1);
        recorder.call(id, { op: "leaseGrant", lease, ttlSeconds: 5 });
        recorder.ok(id, 2 * position + 1, { op: "leaseGrant", lease, ttlSeconds: 5 });
        recorder.put(id + 1, `key${lease}`, "v", 2 * position + 2, lease);
        recorder.put(id + 2, `key${lease}more`, "v", 2 * position + 3, position === 0 ? "0" : lease);
      }
      recorder.at(6_000).call(40, { op: "range", key: "key", rangeEnd: "kez", countOnly: true, serializable: true });
      recorder.ok(40, 6, { op: "range", kvs: [], count, more: false });
      recorder.call(41, { op: "range", key: "key", rangeEnd: "kez" });
      return recorder.ok(41, 7, { op: "range", kvs: [kv("key1more", "v", 3)], count: 1, more: false });
    };
    // Either lease may be the first to end.
    for (const count of [2, 3]) expect(judge("serializable", ended(count))?.verdict).toBe("holds");
    rejects("serializable", ended(4), "serializable-state");
  });

  const twoEnds = (): Recorder => {
    const recorder = new Recorder();
    for (const [position, lease] of ["1", "2"].entries()) {
      recorder.call(position + 1, { op: "leaseGrant", lease, ttlSeconds: 5 });
      recorder.ok(position + 1, position + 1, { op: "leaseGrant", lease, ttlSeconds: 5 });
      recorder.put(position + 3, `key${lease}`, "v", position + 2, lease);
    }
    return recorder.at(20_000);
  };
  const key1 = kv("key1", "v", 2, { lease: "1" });

  test("reads of the past say too which of several orders it was", () => {
    const recorder = twoEnds().put(5, "m", "v", 6);
    recorder.call(6, { op: "range", key: "key1", revision: 4, serializable: true }).ok(6, 6, found(key1));
    recorder.call(7, { op: "range", key: "key2", revision: 4, serializable: true }).ok(7, 6, found());
    expect(judge("serializable", recorder)?.verdict).toBe("holds");
  });

  test("a member that lags has not compacted yet what a transaction reads there", () => {
    const recorder = twoEnds().call(5, { op: "compact", revision: 3 }).ok(5, 4, { op: "compact" });
    const read = { op: "range", serializable: true } as const;
    const success = [
      { ...read, key: "key1", revision: 2 },
      { ...read, key: "key2" },
      { ...read, key: "key1" },
    ];
    recorder.call(6, { op: "txn", compares: [], success, failure: [] });
    const responses = [found(key1), found(), found(key1)].map((answer) => ({ ...answer, revision: 4 }));
    expect(judge("serializable", recorder.ok(6, 4, { op: "txn", succeeded: true, responses }))?.verdict).toBe("holds");
  });

  test("what answered writes contradict is wrong at once, however many others have no answer", () => {
    const recorder = new Recorder();
    for (let id = 1; id <= 30; id++) recorder.call(id, { op: "put", key: "k", value: `v${id}` }).lost(id);
    recorder.put(40, "k", "v", 22);
    const wrong = kv("k", "nonsense", 22, { createRevision: 2, version: 21 });
    rejects("serializable", recorder.get(41, "k", 22, wrong, true), "serializable-state");
  });

  test("where a watch showed everything a wrong read is wrong, however much the watch may lie", () => {
    const recorder = new Recorder().watch(1);
    for (let id = 1; id <= 30; id++) recorder.call(id, { op: "put", key: "k", value: `v${id}` }).lost(id);
    for (let id = 1; id <= 20; id++) {
      recorder.reply(1, id + 1, [putEvent(kv("k", `v${id}`, id + 1, { createRevision: 2, version: id }))]);
    }
    const counted = { op: "range", key: "k", countOnly: true, serializable: true } as const;
    recorder.put(40, "k", "v", 22).call(41, counted).ok(41, 22, { op: "range", kvs: [], count: 2, more: false });
    rejects("serializable", recorder, "serializable-state");
  });

  test("no member goes back within one life of its process", () => {
    const started = (atMs: number): HistoryEvent => ({ type: "life", atMs, member: "a", event: "started", detail: "" });
    const recorder = written().add(started(0)).get(3, "k", 3, w3, true);
    rejects("serializable", recorder.get(4, "k", 2, kv("k", "v", 2), true), "serializable-back");
    const restarted = written().add(started(0)).get(3, "k", 3, w3, true).add(started(500));
    expect(judge("serializable", restarted.get(4, "k", 2, kv("k", "v", 2), true))?.verdict).toBe("holds");
    const elsewhere = written().add(started(0)).get(3, "k", 3, w3, true, "b");
    expect(judge("serializable", elsewhere.get(4, "k", 2, kv("k", "v", 2), true))?.verdict).toBe("holds");
  });

  test("without an order of writes there is no verdict on reads", () => {
    const broken = written()
      .get(3, "k", 3)
      .get(4, "k", 2, kv("k", "v", 2), true);
    expect(judge("serializable", broken)?.verdict).toBe("unknown");
  });
});

describe("replicas", () => {
  const replica = (member: string, revision: number, hash: number, compactRevision = 0): HistoryEvent => ({
    type: "replica",
    atMs: 9_000,
    member,
    revision,
    compactRevision,
    hash,
  });
  const final = (): Recorder => new Recorder().phase("final");

  test("equal members are right, also when one is compacted and hashes differ for that", () => {
    const recorder = final()
      .add(replica("a", 5, 1))
      .add(replica("b", 5, 1))
      .add(replica("c", 5, 2, 3));
    expect(judge("replicas", recorder)).toMatchObject({ verdict: "holds", judged: 3 });
  });

  test("one revision, one hash", () => {
    rejects(
      "replicas",
      final()
        .add(replica("a", 5, 1))
        .add(replica("b", 5, 2)),
      "replica-hash",
    );
  });

  test("all members end at one revision", () => {
    rejects(
      "replicas",
      final()
        .add(replica("a", 5, 1))
        .add(replica("b", 4, 2)),
      "replica-behind",
    );
    expect(judge("replicas", new Recorder().add(replica("a", 5, 1)).add(replica("b", 4, 2)))?.verdict).toBe("holds");
  });

  test("hashes asked for by clients count too", () => {
    const recorder = new Recorder();
    for (const [id, hash] of [
      [1, 10],
      [2, 11],
    ] as const) {
      const answer = { op: "hashKv", hash, compactRevision: 0, hashRevision: 1 } as const;
      recorder.call(id, { op: "hashKv", revision: 0 }, id === 1 ? "a" : "b").ok(id, 1, answer);
    }
    rejects("replicas", recorder, "replica-hash");
  });
});

describe("durable", () => {
  test("a write overwritten or deleted later is not lost", () => {
    const recorder = new Recorder()
      .put(1, "k", "v", 2)
      .put(2, "k", "w", 3)
      .get(3, "k", 3, kv("k", "w", 3));
    expect(judge("durable", recorder)).toMatchObject({ verdict: "holds", judged: 1 });
    const gone = new Recorder().put(1, "k", "v", 2).call(2, { op: "deleteRange", key: "k" }).lost(2).get(3, "k", 3);
    expect(judge("durable", gone)?.verdict).toBe("holds");
  });

  test("an acknowledged write that the final read does not show is named", () => {
    const older = new Recorder()
      .put(1, "k", "v", 2)
      .put(2, "k", "w", 3)
      .get(3, "k", 3, kv("k", "v", 2));
    rejects("durable", older, "lost-write");
    expect(judge("durable", older)?.violations[0]?.calls).toEqual([2, 3]);
    rejects("durable", new Recorder().put(1, "k", "v", 2).get(2, "k", 2), "lost-write");
    rejects("durable", new Recorder().put(1, "k", "v", 2).get(2, "k", 1), "lost-write");
  });

  test("two writes acknowledged at one revision: one of them is lost", () => {
    rejects("durable", new Recorder().put(1, "k", "v", 2).put(2, "other", "w", 2), "lost-write");
  });

  test("something else seen where a write was acknowledged", () => {
    const recorder = new Recorder().put(1, "k", "v", 2).call(2, { op: "range", key: "j" });
    rejects("durable", recorder.ok(2, 2, found(kv("j", "x", 2))), "lost-write");
  });
});

describe("progress", () => {
  test("a write acknowledged within the bound is progress", () => {
    expect(judge("progress", new Recorder().phase("liveness").put(1, "k", "v", 2))?.verdict).toBe("holds");
  });

  test("no write within the bound is none", () => {
    const stuck = new Recorder().phase("liveness").call(1, { op: "put", key: "k", value: "v" }).at(90_000).lost(1);
    rejects("progress", stuck, "no-progress", { progressBoundMs: 5_000 });
    const late = new Recorder().phase("liveness").at(9_000).put(1, "k", "v", 2);
    expect(judge("progress", late, { progressBoundMs: 5_000 })?.verdict).not.toBe("holds");
  });

  test("a run that ended too soon, or in which nobody wrote, proves nothing", () => {
    const short = new Recorder().phase("liveness").call(1, { op: "put", key: "k", value: "v" }).lost(1);
    expect(judge("progress", short)?.verdict).toBe("unknown");
    expect(judge("progress", new Recorder().phase("liveness").at(60_000).get(1, "k", 1))?.verdict).toBe("unknown");
  });
});

describe("locks", () => {
  const oldest = {
    op: "range",
    key: "lock/x/",
    rangeEnd: "lock/x0",
    limit: 1,
    sortOrder: "ascend",
    sortTarget: "create",
  } as const;
  const told = (recorder: Recorder, id: number, revision: number, holder: string, createRevision: number): Recorder => {
    const row = kv(`lock/x/${holder}`, "", createRevision);
    return recorder.call(id, oldest).ok(id, revision, { op: "range", kvs: [row], count: 2, more: true });
  };

  test("a lock handed on by rising create revisions is right", () => {
    const recorder = told(new Recorder(), 1, 4, "a", 2);
    expect(judge("locks", told(recorder, 2, 6, "b", 3))).toMatchObject({ verdict: "holds", judged: 2 });
  });

  test("two clients are never told that they hold one lock", () => {
    rejects("locks", told(told(new Recorder(), 1, 4, "b", 3), 2, 5, "a", 2), "two-holders");
  });

  test("a write fenced by an older key than the holder's shows a second holder", () => {
    const recorder = told(new Recorder(), 1, 4, "b", 3).call(2, {
      op: "txn",
      compares: [{ target: "create", result: "equal", key: "lock/x/a", operand: 2 }],
      success: [{ op: "put", key: "data", value: "v" }],
      failure: [],
    });
    recorder.ok(2, 5, { op: "txn", succeeded: true, responses: [{ op: "put", revision: 5 }] });
    rejects("locks", recorder, "two-holders");
  });
});
