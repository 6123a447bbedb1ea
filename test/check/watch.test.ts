import { describe, expect, test } from "vitest";
import { checkByName } from "../../scenarios/check/all.ts";
import type { CheckOptions } from "../../scenarios/check/context.ts";
import type { CheckResult } from "../../scenarios/check/verdict.ts";
import { deleteEvent, kv, putEvent, Recorder } from "./history-kit.ts";

const check = (recorder: Recorder, options: CheckOptions = {}): CheckResult | undefined =>
  checkByName("watch", options)?.check(recorder.events, { steps: 100_000 });
const accepts = (recorder: Recorder, options: CheckOptions = {}): void => {
  expect(check(recorder, options)).toMatchObject({ verdict: "holds", violations: [] });
};
const rejects = (recorder: Recorder, rule: string, text = "watch 1", options: CheckOptions = {}): void => {
  const result = check(recorder, options);
  expect({ verdict: result?.verdict, rule: result?.violations[0]?.rule }).toEqual({ verdict: "violated", rule });
  expect(result?.detail).toContain(text);
};

const a2 = kv("a", "1", 2);
const b3 = kv("b", "1", 3);
const a4 = kv("a", "2", 4, { createRevision: 2, version: 2 });
/** a = 1 at 2, b = 1 at 3, a = 2 at 4, delete b at 5. */
const written = (): Recorder =>
  new Recorder()
    .put(1, "a", "1", 2)
    .put(2, "b", "1", 3)
    .put(3, "a", "2", 4)
    .call(4, { op: "deleteRange", key: "b" })
    .ok(4, 5, { op: "deleteRange", deleted: 1 });

describe("accepted", () => {
  test("all changes, one revision a reply", () => {
    const recorder = written().watch(1).reply(1, 5, [], { created: true });
    accepts(
      recorder
        .reply(1, 2, [putEvent(a2)])
        .reply(1, 3, [putEvent(b3)])
        .reply(1, 4, [putEvent(a4)]),
    );
  });

  test("revisions merged into one reply, whole revisions together", () => {
    accepts(
      written()
        .watch(1)
        .reply(1, 5, [putEvent(a2), putEvent(b3), putEvent(a4), deleteEvent("b", 5)]),
    );
  });

  test("a resumed watch goes on where the last one ended", () => {
    const recorder = written()
      .watch(1)
      .reply(1, 2, [putEvent(a2)]);
    recorder.add({ type: "watchEnd", watch: 1, atMs: 500, reason: "connection lost" });
    accepts(recorder.watch(2, { startRevision: 3, resumes: 1 }).reply(2, 5, [putEvent(b3), putEvent(a4)]));
  });

  test("a notice of progress at the revision reached, and extra ones", () => {
    const recorder = written()
      .watch(1)
      .reply(1, 4, [putEvent(a2), putEvent(b3), putEvent(a4)]);
    accepts(recorder.reply(1, 4, [], { progress: true }).reply(1, 4, [], { progress: true }));
  });

  test("which of two writes without an answer took effect, where only a later previous value says so", () => {
    for (const gone of ["a", "b"]) {
      const recorder = new Recorder().put(1, "a", "1", 2).put(2, "b", "1", 3);
      for (const [id, key] of [
        [3, "a"],
        [4, "b"],
      ] as const) {
        recorder.call(id, { op: "deleteRange", key }).lost(id);
      }
      recorder.put(5, "a", "2", 5).put(6, "b", "2", 6);
      const a5 = kv("a", "2", 5, gone === "a" ? {} : { createRevision: 2, version: 2 });
      const b6 = kv("b", "2", 6, gone === "b" ? {} : { createRevision: 3, version: 2 });
      for (const [id, key] of [
        [7, "a"],
        [8, "b"],
      ] as const) {
        recorder.call(id, { op: "deleteRange", key }).ok(id, id, { op: "deleteRange", deleted: 1 });
      }
      recorder.watch(1, { startRevision: 7, prevKv: true });
      accepts(recorder.reply(1, 8, [deleteEvent("a", 7, a5), deleteEvent("b", 8, b6)]));
    }
  });

  test("a filtered watch of one key", () => {
    accepts(
      written()
        .watch(1, { key: "b", noPut: true })
        .reply(1, 5, [deleteEvent("b", 5)]),
    );
  });

  test("previous values", () => {
    accepts(
      written()
        .watch(1, { prevKv: true })
        .reply(1, 4, [putEvent(a2), putEvent(b3), putEvent(a4, a2)]),
    );
  });

  test("a previous value that is compacted may be missing", () => {
    const recorder = written().call(9, { op: "compact", revision: 4 }).ok(9, 5, { op: "compact" });
    accepts(recorder.watch(1, { key: "a", prevKv: true, startRevision: 4 }).reply(1, 4, [putEvent(a4)]));
  });

  test("a watch that is behind a compaction is canceled with its revision", () => {
    const recorder = written().call(9, { op: "compact", revision: 4 }).ok(9, 5, { op: "compact" }).watch(1);
    accepts(recorder.reply(1, 0, [], { canceled: true, compactRevision: 4 }));
  });
});

describe("refused", () => {
  test("ordered: an older revision after a newer one", () => {
    const recorder = written()
      .watch(1, { key: "a" })
      .reply(1, 4, [putEvent(a4)]);
    rejects(recorder, "watch-gap", "missed revision 2");
    const back = written()
      .watch(1)
      .reply(1, 3, [putEvent(b3)])
      .reply(1, 2, [putEvent(a2)]);
    expect(check(back)?.violations.map((violation) => violation.rule)).toContain("watch-order");
  });

  test("unique: the same revision twice", () => {
    rejects(
      written()
        .watch(1)
        .reply(1, 2, [putEvent(a2)])
        .reply(1, 2, [putEvent(a2)]),
      "watch-repeat",
    );
  });

  const both = (): Recorder =>
    new Recorder()
      .call(1, {
        op: "txn",
        compares: [],
        success: [
          { op: "put", key: "a", value: "1" },
          { op: "put", key: "b", value: "1" },
        ],
        failure: [],
      })
      .ok(1, 2, { op: "txn", succeeded: true, responses: [put2, put2] });
  const put2 = { op: "put", revision: 2 } as const;
  const b2 = kv("b", "1", 2);

  test("atomic: a revision of two changes in two replies", () => {
    const recorder = both()
      .watch(1)
      .reply(1, 2, [putEvent(a2)])
      .reply(1, 2, [putEvent(b2)]);
    const rules = check(recorder)?.violations.map((violation) => violation.rule);
    expect(rules).toEqual(["watch-incomplete", "watch-split"]);
    accepts(
      both()
        .watch(1)
        .reply(1, 2, [putEvent(a2), putEvent(b2)]),
    );
  });

  test("reliable: a change between two others is missing", () => {
    rejects(
      written()
        .watch(1)
        .reply(1, 4, [putEvent(a2), putEvent(a4)]),
      "watch-gap",
      "missed revision 3",
    );
  });

  test("reliable: a deletion by the end of a lease raises no event", () => {
    const recorder = new Recorder()
      .call(1, { op: "leaseGrant", lease: "7", ttlSeconds: 1 })
      .ok(1, 1, { op: "leaseGrant", lease: "7", ttlSeconds: 1 });
    recorder.put(2, "k", "v", 2, "7").at(9_000).get(3, "k", 3).put(4, "other", "v", 4);
    const k2 = kv("k", "v", 2, { lease: "7" });
    rejects(recorder.watch(1).reply(1, 4, [putEvent(k2), putEvent(kv("other", "v", 4))]), "watch-gap", "delete");
  });

  test("bookmarkable: a change behind a notice that covered it", () => {
    const recorder = written().watch(1, { key: "b", startRevision: 4 }).reply(1, 5, [], { progress: true });
    rejects(recorder.reply(1, 5, [deleteEvent("b", 5)]), "watch-gap", "a notice covered revision 5");
  });

  test("nothing outside the asked range", () => {
    rejects(
      written()
        .watch(1, { key: "a" })
        .reply(1, 3, [putEvent(a2), putEvent(b3)]),
      "watch-range",
      '"b"',
    );
  });

  test("nothing before the asked start", () => {
    rejects(
      written()
        .watch(1, { startRevision: 3 })
        .reply(1, 2, [putEvent(a2)]),
      "watch-before-start",
    );
  });

  test("nothing that was filtered out", () => {
    rejects(
      written()
        .watch(1, { key: "a", noPut: true })
        .reply(1, 2, [putEvent(a2)]),
      "watch-filter",
    );
  });

  test("the value that was written", () => {
    rejects(
      written()
        .watch(1)
        .reply(1, 2, [putEvent(kv("a", "x", 2))]),
      "watch-content",
      'expected "a" = "1"',
    );
  });

  test("the previous value that was there", () => {
    const recorder = written().watch(1, { key: "a", prevKv: true, startRevision: 4 });
    rejects(recorder.reply(1, 4, [putEvent(a4, kv("a", "0", 2))]), "watch-previous");
  });

  test("a revision at which nothing happened", () => {
    rejects(
      written()
        .watch(1)
        .reply(1, 5, [putEvent(kv("a", "9", 1))]),
      "watch-ghost",
    );
  });

  test("a header older than its events", () => {
    rejects(
      written()
        .watch(1)
        .reply(1, 2, [putEvent(a2), putEvent(b3)]),
      "watch-header",
    );
  });

  test("a cancellation for a compaction that nobody asked for", () => {
    rejects(written().watch(1).reply(1, 0, [], { canceled: true, compactRevision: 4 }), "watch-compaction");
  });

  test("a reply after the cancellation", () => {
    const recorder = written().watch(1).reply(1, 5, [], { canceled: true });
    rejects(recorder.reply(1, 2, [putEvent(a2)]), "watch-after-cancel");
  });

  test("a tail that never came, once the final phase was long enough", () => {
    const recorder = written()
      .watch(1)
      .reply(1, 3, [putEvent(a2), putEvent(b3)])
      .phase("final")
      .at(8_000);
    rejects(recorder.get(9, "a", 5, a4), "watch-behind", "revision 4");
    const short = written()
      .watch(1)
      .reply(1, 3, [putEvent(a2), putEvent(b3)])
      .phase("final");
    accepts(short.get(9, "a", 5, a4));
  });

  test("a tail that never came to a watch that its client closed, long after all was healed", () => {
    const told = (): Recorder =>
      written()
        .watch(1)
        .reply(1, 3, [putEvent(a2), putEvent(b3)])
        .healAll();
    rejects(told().at(8_000).closeWatch(1), "watch-behind", "revision 4");
    accepts(told().closeWatch(1));
    const member = { type: "watchEnd", watch: 1, atMs: 8_000, reason: "connection lost" } as const;
    accepts(told().add(member));
  });

  test("a question for progress that nobody answered, long after all was healed", () => {
    const asked = (): Recorder => written().watch(1, { key: "c" }).healAll().ask(1);
    rejects(asked().at(8_000).closeWatch(1), "watch-unanswered");
    accepts(asked().closeWatch(1));
    accepts(asked().reply(1, 5, [], { progress: true }).at(8_000).closeWatch(1));
    const early = written().watch(1, { key: "c" }).reply(1, 5, [], { progress: true });
    rejects(early.healAll().ask(1).at(8_000).closeWatch(1), "watch-unanswered");
  });

  test("of a stock etcd, which lets such a question fall, nobody is asked for an answer", () => {
    const asked = written().watch(1, { key: "c" }).healAll().ask(1).at(8_000).closeWatch(1);
    const [meta, ...rest] = asked.events;
    if (meta?.type !== "meta") throw new Error("a history begins with its meta event");
    const result = checkByName("watch")?.check([{ ...meta, target: "etcd" }, ...rest], { steps: 100_000 });
    expect(result?.verdict).toBe("holds");
  });
});
