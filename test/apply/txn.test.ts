import { describe, expect, test } from "vitest";
import { leaseIdOf } from "../../core/ids.ts";
import type { CompareOperand, CompareResult, TxnAnswer, TxnRequest } from "../../core/request.ts";
import { bytes, TestMachine, texts } from "../kit/member-kit.ts";
import { compareOf, deleteOf, putOf, rangeOf, txnOf } from "../kit/requests.ts";

const results: readonly CompareResult[] = ["equal", "greater", "less", "notEqual"];

function txn(member: TestMachine, request: Partial<TxnRequest>): TxnAnswer {
  const answer = member.answer(txnOf(request));
  if (answer.type !== "txn") throw new Error("a transaction answers as one");
  return answer;
}

describe("compares", () => {
  const holding = (member: TestMachine, key: string, operand: CompareOperand, rangeEnd?: string): CompareResult[] =>
    results.filter((result) => txn(member, { compares: [compareOf(key, result, operand, rangeEnd)] }).succeeded);

  test("the value of a missing key compares as false with every operator, not-equal included", () => {
    const member = new TestMachine();
    expect(holding(member, "none", { target: "value", value: bytes("x") })).toEqual([]);
    expect(holding(member, "none", { target: "value", value: bytes("") })).toEqual([]);
    expect(holding(member, "none", { target: "value", value: bytes("x") }, "nonf")).toEqual([]);
  });

  test("version, create, mod and lease of a missing key compare as 0", () => {
    const member = new TestMachine();
    for (const target of ["version", "create", "mod"] as const) {
      expect(holding(member, "none", { target, number: 0 })).toEqual(["equal"]);
      expect(holding(member, "none", { target, number: 1 })).toEqual(["less", "notEqual"]);
    }
    expect(holding(member, "none", { target: "lease", lease: leaseIdOf(-1n) })).toEqual(["greater", "notEqual"]);
  });

  test("an unknown target is stored equals given, an unknown result is true", () => {
    const member = new TestMachine();
    expect(holding(member, "none", { target: "unknown" })).toEqual(["equal"]);
    const odd = compareOf("none", "unknown", { target: "version", number: 7 });
    expect(txn(member, { compares: [odd] }).succeeded).toBe(true);
  });

  test("every live key of a range must satisfy the compare; an empty range acts like one missing key", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    member.do(putOf("b", "2"));
    expect(holding(member, "a", { target: "version", number: 1 }, "c")).toEqual(["equal"]);
    expect(holding(member, "a", { target: "value", value: bytes("1") }, "c")).toEqual([]);
    expect(holding(member, "a", { target: "value", value: bytes("3") }, "c")).toEqual(["less", "notEqual"]);
    expect(holding(member, "p", { target: "version", number: 0 }, "q")).toEqual(["equal"]);
  });

  test("nested compares are evaluated before any operation of the whole transaction runs (X10)", () => {
    const member = new TestMachine();
    member.do(putOf("a", "old"));
    const isOld = compareOf("a", "equal", { target: "value", value: bytes("old") });
    const answer = txn(member, {
      success: [putOf("a", "new"), txnOf({ compares: [isOld], success: [putOf("saw", "old")] })],
    });
    expect(answer.responses[1]?.answer).toMatchObject({ succeeded: true });
    expect(texts(member.range(rangeOf("\0", "\0")).keyValues)).toEqual(["a=new", "saw=old"]);
  });
});

describe("running a transaction", () => {
  test("a range sees what earlier operations of the same transaction did, and inner answers carry the revision then", () => {
    const member = new TestMachine();
    const answer = txn(member, {
      success: [
        rangeOf("a"),
        deleteOf("zzz"),
        putOf("a", "1"),
        rangeOf("a"),
        txnOf({ success: [rangeOf("a")] }),
        deleteOf("zzz"),
      ],
    });
    expect(answer.responses.map(({ revision }) => revision)).toEqual([1, 1, 2, 2, 0, 2]);
    expect(answer.responses[0]?.answer).toMatchObject({ count: 0 });
    expect(answer.responses[3]?.answer).toMatchObject({ count: 1, keyValues: [{ modRevision: 2 }] });
    expect(answer.responses[4]?.answer).toMatchObject({ responses: [{ revision: 2, answer: { count: 1 } }] });
  });

  test("a failed compare with an empty failure branch changes nothing (X07)", () => {
    const member = new TestMachine();
    const never = compareOf("a", "greater", { target: "version", number: 5 });
    expect(txn(member, { compares: [never], success: [putOf("a")] })).toEqual({
      type: "txn",
      succeeded: false,
      responses: [],
    });
    expect(member.revision).toBe(1);
  });

  test("one refused operation of the taken path refuses all of it before anything runs", () => {
    const member = new TestMachine();
    const refusalOf = (operation: TxnRequest["success"][number]) =>
      member.refusal(txnOf({ success: [putOf("b"), txnOf({ success: [operation] })] }));
    expect(refusalOf(putOf("a", "", { ignoreValue: true, lease: leaseIdOf(9n) }))).toBe("keyNotFound");
    expect(refusalOf(putOf("a", "", { lease: leaseIdOf(9n) }))).toBe("leaseNotFound");
    expect(refusalOf(rangeOf("a", undefined, { revision: 2 }))).toBe("futureRevision");
    expect(member.range(rangeOf("b")).count).toBe(0);
    expect(member.revision).toBe(1);
  });

  test("the branch that is not taken is not checked against the state", () => {
    const member = new TestMachine();
    expect(member.refusal(txnOf({ failure: [putOf("a", "", { lease: leaseIdOf(9n) })] }))).toBeUndefined();
  });

  test("a negative range revision inside is refused as compacted once anything was compacted, before that it is current", () => {
    const member = new TestMachine();
    member.do(putOf("a"));
    const past = txnOf({ success: [rangeOf("a", undefined, { revision: -1 })] });
    expect(txn(member, past).responses[0]?.answer).toMatchObject({ count: 1 });
    member.do({ type: "compact", revision: 1, physical: false });
    expect(member.refusal(past)).toBe("compacted");
    expect(member.range(rangeOf("a", undefined, { revision: -1 })).count).toBe(1);
  });

  test("events of one transaction come in execution order", () => {
    const member = new TestMachine();
    const { changes } = member.do(txnOf({ success: [putOf("z"), deleteOf("none"), putOf("a")] }));
    expect(changes.map(({ keyValue }) => keyValue.key)).toEqual([bytes("z"), bytes("a")]);
  });
});

describe("puts", () => {
  const grant = (member: TestMachine, id: bigint) =>
    member.answer({ type: "leaseGrant", leaseId: leaseIdOf(id), ttlSeconds: 60 });
  const leaseOf = (member: TestMachine, key: string) => member.range(rangeOf(key)).keyValues[0]?.lease;

  test("ignoreValue without ignoreLease detaches the lease", () => {
    const member = new TestMachine();
    grant(member, 5n);
    member.do(putOf("a", "kept", { lease: leaseIdOf(5n) }));
    member.do(putOf("a", "", { ignoreValue: true }));
    expect(texts(member.range(rangeOf("a")).keyValues)).toEqual(["a=kept"]);
    expect(leaseOf(member, "a")).toBe(0n);
    member.do({ type: "leaseRevoke", leaseId: leaseIdOf(5n) });
    expect(member.range(rangeOf("a")).count).toBe(1);
  });

  test("a plain put without a lease detaches the key from its old one (T11)", () => {
    const member = new TestMachine();
    grant(member, 5n);
    member.do(putOf("a", "1", { lease: leaseIdOf(5n) }));
    member.do(putOf("a", "2"));
    expect(member.do({ type: "leaseRevoke", leaseId: leaseIdOf(5n) }).changes).toEqual([]);
  });

  test("ignoreLease keeps the lease and replaces the value; another lease moves the key", () => {
    const member = new TestMachine();
    grant(member, 5n);
    grant(member, 6n);
    member.do(putOf("a", "1", { lease: leaseIdOf(5n) }));
    member.do(putOf("a", "2", { ignoreLease: true }));
    expect(leaseOf(member, "a")).toBe(5n);
    member.do(putOf("a", "3", { lease: leaseIdOf(6n) }));
    expect(member.machine.lessor.keysOf(leaseIdOf(5n))).toEqual([]);
    expect(member.machine.lessor.keysOf(leaseIdOf(6n))).toEqual(["a"]);
  });

  test("a plain put looks at the lease first, then at the key", () => {
    const member = new TestMachine();
    expect(member.refusal(putOf("a", "", { lease: leaseIdOf(9n), ignoreValue: true }))).toBe("leaseNotFound");
    expect(member.refusal(putOf("a", "", { ignoreValue: true }))).toBe("keyNotFound");
  });

  test("prevKv is the key-value before, absent for a new key", () => {
    const member = new TestMachine();
    expect(member.answer(putOf("a", "1", { prevKv: true }))).toEqual({ type: "put", prevKv: undefined });
    expect(member.answer(putOf("a", "2", { prevKv: true }))).toMatchObject({
      prevKv: { value: bytes("1"), version: 1 },
    });
    expect(member.answer(putOf("a", "3"))).toEqual({ type: "put", prevKv: undefined });
    expect(member.answer(deleteOf("a", "\0", true))).toMatchObject({ deleted: 1, prevKvs: [{ value: bytes("3") }] });
  });
});
