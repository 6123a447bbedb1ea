import { describe, expect, test } from "vitest";
import { TestMachine } from "../kit/member-kit.ts";
import { deleteOf, putOf } from "../kit/requests.ts";

describe("HashKV", () => {
  test("equals etcd's for a fresh store and after one put", () => {
    const member = new TestMachine();
    expect(member.machine.hashKv(0)).toEqual({ ok: true, hash: 1084519789, compactRevision: -1, hashRevision: 1 });
    member.do(putOf("a", "1"));
    expect(member.machine.hashKv(0)).toEqual({ ok: true, hash: 2587454935, compactRevision: -1, hashRevision: 2 });
    expect(member.machine.hashKv(1)).toMatchObject({ hash: 1084519789, hashRevision: 1 });
  });

  test("a revision below 0 is a time before every entry, not the current one", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    const ofNothing = { ok: true, hash: 1084519789, compactRevision: -1 };
    expect(member.machine.hashKv(-1)).toEqual({ ...ofNothing, hashRevision: -1 });
  });

  test("a revision in the future or compacted is refused, the compacted one itself is not", () => {
    const member = new TestMachine();
    for (const value of ["1", "2", "3"]) member.do(putOf("a", value));
    member.do({ type: "compact", revision: 3, physical: false });
    expect(member.machine.hashKv(5)).toEqual({ ok: false, refusal: "futureRevision" });
    expect(member.machine.hashKv(2)).toEqual({ ok: false, refusal: "compacted" });
    expect(member.machine.hashKv(3)).toMatchObject({ ok: true, compactRevision: 3, hashRevision: 3 });
  });

  test("does not depend on how far this member's compaction got (K19)", () => {
    const script = [
      putOf("a", "1"),
      putOf("b", "1"),
      putOf("a", "2"),
      deleteOf("b"),
      putOf("c", "1"),
      deleteOf("a"),
      putOf("a", "3"),
      deleteOf("c"),
    ];
    for (let compactRevision = 2; compactRevision <= script.length + 1; compactRevision++) {
      const lazy = new TestMachine({ compactionEntriesPerTickMax: 1 });
      const eager = new TestMachine({ compactionEntriesPerTickMax: 100 });
      for (const member of [lazy, eager]) {
        for (const request of script) member.do(request);
        member.do({ type: "compact", revision: compactRevision, physical: false });
      }
      eager.settle();
      for (let piece = 0; piece < 12; piece++) {
        for (let revision = compactRevision; revision <= script.length + 1; revision++) {
          expect(lazy.machine.hashKv(revision)).toEqual(eager.machine.hashKv(revision));
        }
        lazy.machine.tick();
      }
    }
  });

  test("does not depend on progress when no key at all is live any more", () => {
    const lazy = new TestMachine({ compactionEntriesPerTickMax: 1 });
    for (const request of [putOf("a", "1"), putOf("b", "1"), putOf("a", "2"), deleteOf("a", "\0")]) lazy.do(request);
    lazy.do({ type: "compact", revision: 4, physical: false });
    const before = lazy.machine.hashKv(0);
    lazy.settle();
    expect(lazy.machine.hashKv(0)).toEqual(before);
  });

  test("the running hash follows when the last live key goes and when one comes back", () => {
    const member = new TestMachine();
    const compare = (): void => {
      expect({ ok: true, ...member.machine.runningHash() }).toEqual(member.machine.hashKv(0));
    };
    member.do(putOf("a", "1"));
    member.do({ type: "compact", revision: 2, physical: false });
    for (const request of [putOf("a", "2"), putOf("a", "3"), deleteOf("a"), putOf("b", "1"), deleteOf("b")]) {
      member.do(request);
      compare();
    }
  });
});
