import { describe, expect, test } from "vitest";
import { Membership } from "../../core/apply/membership.ts";
import { isReadOnly, quotaCost } from "../../core/apply/quota.ts";
import { textOfBytes, utf8Decode } from "../../core/bytes.ts";
import { indexOf, leaseIdOf, memberIdOf, termOf } from "../../core/ids.ts";
import type { AlarmRequest } from "../../core/request.ts";
import { bytes, memberRecord, TestMachine } from "../kit/member-kit.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";
import { compareOf, deleteOf, putOf, rangeOf, txnOf } from "../kit/requests.ts";

const grantOf = (id: bigint, ttlSeconds: number) => ({
  type: "leaseGrant" as const,
  leaseId: leaseIdOf(id),
  ttlSeconds,
});
const alarmOf = (action: AlarmRequest["action"], alarm: AlarmRequest["alarm"], id = 1n): AlarmRequest => ({
  type: "alarm",
  action,
  alarm,
  memberId: memberIdOf(id),
});

describe("entries", () => {
  test("an entry at or below the applied index is a broken invariant, as is a gap", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    const [entry] = member.log;
    if (entry === undefined) throw new Error("one entry was applied");
    expect(() => member.machine.apply(entry, 0)).toThrow("each once");
    expect(() => member.machine.apply({ ...entry, index: indexOf(3) }, 0)).toThrow("each once");
  });

  test("index and term travel in the batch of the data, so a replay after a lost commit applies each entry once (C15)", () => {
    const member = new TestMachine();
    for (let number = 0; number < 10; number++) {
      member.do(putOf("counted", `${number}`));
      if (number % 2 === 0) member.backend.commit();
    }
    const expected = member.machine.hashKv(0);
    for (let kept = member.backend.commitsAtRisk; kept >= 0; kept--) {
      member.crash(kept);
      expect(member.machine.appliedIndex).toBe(10);
      expect(member.range(rangeOf("counted")).keyValues[0]?.version).toBe(10);
      expect(member.machine.hashKv(0)).toEqual(expected);
    }
  });

  test("entries that are no commands move index and term and answer nobody", () => {
    const member = new TestMachine();
    const empty = { index: indexOf(1), term: termOf(4), kind: "empty" as const, data: bytes("") };
    expect(member.machine.apply(empty, 0)).toEqual({
      id: undefined,
      result: undefined,
      changes: [],
      published: undefined,
      reconfigured: false,
    });
    member.machine.reload();
    expect([member.machine.appliedIndex, member.machine.appliedTerm]).toEqual([1, 4]);
  });

  test("the answer's revision is the one of the write itself (K26)", () => {
    const member = new TestMachine();
    const first = member.do(putOf("a", "1")).result;
    member.do(putOf("a", "2"));
    expect(first).toMatchObject({ revision: 2 });
  });

  test("a snapshot put in place of the backend replaces everything", () => {
    const source = new TestMachine();
    source.do(grantOf(3n, 60));
    source.do(putOf("a", "1", { lease: leaseIdOf(3n) }));
    source.do(alarmOf("activate", "noSpace"));
    const target = new TestMachine();
    for (let number = 0; number < 9; number++) target.do(putOf("old", `${number}`));
    const install = target.backend.beginInstall();
    for (const bucket of ["alarm", "key", "lease", "members", "meta"] as const) {
      source.backend.scan(bucket, { from: bytes("\0"), to: undefined }, (key, value) => {
        install.put(bucket, key, value);
        return true;
      });
    }
    install.finish();
    target.machine.reload();
    expect(target.machine.appliedIndex).toBe(3);
    expect(target.machine.hashKv(0)).toEqual(source.machine.hashKv(0));
    expect(target.machine.lessor.keysOf(leaseIdOf(3n))).toEqual(["a"]);
    expect(target.machine.alarms.records).toEqual(source.machine.alarms.records);
    expect(target.range(rangeOf("old")).count).toBe(0);
  });
});

describe("leases and keys", () => {
  test("a revoke deletes the keys in byte order in one revision, on a restarted member too (T17)", () => {
    const order = (restart: boolean): string[] => {
      const member = new TestMachine();
      member.do(grantOf(7n, 60));
      for (const key of ["c", "\xff", "a", "b"]) member.do(putOf(key, "", { lease: leaseIdOf(7n) }));
      if (restart) member.machine.reload();
      const { changes, result } = member.do({ type: "leaseRevoke", leaseId: leaseIdOf(7n) });
      expect(result).toMatchObject({ ok: true, revision: 6 });
      return changes.map(
        ({ keyValue, subRevision }) => `${keyValue.modRevision}.${subRevision} ${textOfBytes(keyValue.key)}`,
      );
    };
    expect(order(false)).toEqual(["6.0 a", "6.1 b", "6.2 c", "6.3 \xff"]);
    expect(order(true)).toEqual(order(false));
  });

  test("a deleted key leaves its lease", () => {
    const member = new TestMachine();
    member.do(grantOf(7n, 60));
    member.do(putOf("a", "", { lease: leaseIdOf(7n) }));
    member.do(deleteOf("a"));
    member.do(putOf("a", "again"));
    member.do({ type: "leaseRevoke", leaseId: leaseIdOf(7n) });
    expect(member.range(rangeOf("a")).count).toBe(1);
  });

  test("grant: too long before exists, any id as given, the verdict not a matter of configuration; revoke of none is refused", () => {
    const member = new TestMachine({ leaseTtlMaxSeconds: 3, electionTicks: 500 });
    expect(member.answer(grantOf(-3n, 5))).toEqual({ type: "leaseGrant", leaseId: -3n, ttlSeconds: 5 });
    expect(member.refusal(grantOf(-3n, 10))).toBe("leaseExists");
    expect(member.refusal(grantOf(-3n, 9_000_000_001))).toBe("leaseTtlTooLarge");
    expect(member.answer(grantOf(4n, 9_000_000_000))).toMatchObject({ ttlSeconds: 9_000_000_000 });
    expect(member.refusal({ type: "leaseRevoke", leaseId: leaseIdOf(99n) })).toBe("leaseNotFound");
  });
});

describe("alarms", () => {
  test("no space: what may add bytes is refused, all else goes on, until the alarm is taken away (O01, O02)", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    member.do(grantOf(5n, 60));
    member.do(alarmOf("activate", "noSpace"));
    expect(member.refusal(putOf("b"))).toBe("noSpace");
    expect(member.refusal(grantOf(6n, 60))).toBe("noSpace");
    expect(member.refusal(txnOf({ success: [rangeOf("a")], failure: [putOf("b")] }))).toBe("noSpace");
    expect(member.refusal(txnOf({ success: [rangeOf("a"), deleteOf("b")] }))).toBeUndefined();
    expect(member.refusal({ type: "leaseRevoke", leaseId: leaseIdOf(5n) })).toBeUndefined();
    expect(member.refusal({ type: "compact", revision: 1, physical: false })).toBeUndefined();
    expect(member.answer(deleteOf("a"))).toMatchObject({ deleted: 1 });
    member.do(alarmOf("deactivate", "noSpace"));
    expect(member.refusal(putOf("b"))).toBeUndefined();
  });

  test("corrupt: every write is refused, before the space is looked at; reads go on", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    member.do(alarmOf("activate", "noSpace"));
    member.do(alarmOf("activate", "corrupt", 2n));
    const writes = [
      putOf("b"),
      deleteOf("a"),
      txnOf({ success: [deleteOf("a")] }),
      grantOf(6n, 60),
      { type: "leaseRevoke" as const, leaseId: leaseIdOf(6n) },
      { type: "compact" as const, revision: 1, physical: false },
    ];
    for (const write of writes) expect(member.refusal(write)).toBe("corrupt");
    expect(member.range(rangeOf("a")).count).toBe(1);
    expect(member.machine.readTxn(txnOf({ success: [rangeOf("a")] }))).toMatchObject({ ok: true });
  });

  test("activate answers that alarm also when it was active; deactivate answers what it removed; kind none does nothing", () => {
    const member = new TestMachine();
    const alarms = (request: AlarmRequest) => {
      const answer = member.answer(request);
      return answer.type === "alarm" ? answer.alarms.map(({ memberId, alarm }) => `${memberId} ${alarm}`) : undefined;
    };
    expect(alarms(alarmOf("activate", "noSpace", 0xffff_ffff_ffff_ffffn))).toEqual(["18446744073709551615 noSpace"]);
    expect(alarms(alarmOf("activate", "noSpace", 0xffff_ffff_ffff_ffffn))).toEqual(["18446744073709551615 noSpace"]);
    expect(alarms(alarmOf("activate", "corrupt", 0n))).toEqual(["0 corrupt"]);
    expect(alarms(alarmOf("activate", "none"))).toEqual([]);
    member.machine.reload();
    expect(alarms(alarmOf("get", "none", 77n))).toEqual(["0 corrupt", "18446744073709551615 noSpace"]);
    expect(alarms(alarmOf("get", "corrupt"))).toEqual(["0 corrupt"]);
    expect(alarms(alarmOf("deactivate", "noSpace"))).toEqual([]);
    expect(alarms(alarmOf("deactivate", "corrupt", 0n))).toEqual(["0 corrupt"]);
    expect(alarms(alarmOf("get", "none"))).toEqual(["18446744073709551615 noSpace"]);
  });

  test("the cost of a request is what it may add: 256 and its bytes a put, the dearer branch of a transaction, 64 a lease", () => {
    expect(quotaCost(putOf("ab", "123"))).toBe(261);
    expect(quotaCost(deleteOf("a"))).toBe(0);
    expect(quotaCost(rangeOf("a"))).toBe(0);
    expect(quotaCost(grantOf(1n, 1))).toBe(64);
    expect(quotaCost(txnOf({ success: [putOf("a")], failure: [putOf("a"), txnOf({ success: [putOf("b")] })] }))).toBe(
      514,
    );
    expect(quotaCost(txnOf({ success: [deleteOf("a"), rangeOf("a")] }))).toBe(0);
  });
});

describe("read-only transactions", () => {
  test("only ranges in both branches, or no operation at all; a nested transaction is not read-only", () => {
    expect(isReadOnly(txnOf({ success: [rangeOf("a")], failure: [rangeOf("b")] }))).toBe(true);
    expect(isReadOnly(txnOf({}))).toBe(true);
    expect(isReadOnly(txnOf({ success: [txnOf({})] }))).toBe(false);
    expect(isReadOnly(txnOf({ failure: [deleteOf("a")] }))).toBe(false);
  });

  test("are answered from the state as it is and leave it so", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    const request = txnOf({
      compares: [compareOf("a", "equal", { target: "version", number: 1 })],
      success: [rangeOf("a")],
    });
    expect(member.machine.readTxn(request)).toMatchObject({
      ok: true,
      revision: 2,
      answer: { succeeded: true, responses: [{ revision: 2, answer: { count: 1 } }] },
    });
    expect(() => member.machine.readTxn(txnOf({ success: [putOf("a")] }))).toThrow("is replicated");
  });
});

describe("membership", () => {
  test("bootstrap members are written to an empty backend and never again", () => {
    const backend = new MemoryBackend();
    const member = new TestMachine({}, backend);
    expect(member.machine.membership.records).toEqual([memberRecord(1n)]);
    member.do({ type: "publishMember", memberId: memberIdOf(1n), name: "n1", clientUrls: ["http://c:1"] });
    member.backend.sync();
    member.crash(0);
    expect(member.machine.membership.records).toEqual([memberRecord(1n, { name: "n1", clientUrls: ["http://c:1"] })]);
  });

  test("a published member is named in the result; one that does not belong is ignored", () => {
    const member = new TestMachine();
    const publish = (id: bigint) =>
      member.do({ type: "publishMember", memberId: memberIdOf(id), name: "n", clientUrls: [] });
    expect(publish(1n)).toMatchObject({ published: 1n, result: undefined, changes: [] });
    expect(publish(2n)).toMatchObject({ published: undefined, result: undefined });
    expect(member.machine.membership.records).toHaveLength(1);
  });

  test("ids above 2^53 survive as bare JSON numbers, records come in id order", () => {
    const backend = new MemoryBackend();
    const records = [memberRecord(0x8e9e05c52164694dn, { isLearner: true, name: 'q"' }), memberRecord(0x10n)];
    new Membership(backend).bootstrap(records);
    const reopened = new Membership(backend);
    reopened.reload();
    expect(reopened.records).toEqual([records[1], records[0]]);
    const stored = backend.get("members", bytes("8e9e05c52164694d")) ?? bytes("");
    expect(utf8Decode(stored)).toContain('"id":10276657743932975437,');
  });
});
