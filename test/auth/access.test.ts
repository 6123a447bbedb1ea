/*
 * Who may do what: judged by a machine as entries are applied.
 */
import { describe, expect, test } from "vitest";
import { refusalOfCall, refusalOfKeepAlive, refusalOfShownKeys, refusalOfWatch } from "../../core/auth/access.ts";
import { anonymous, type Identity, memberItself } from "../../core/auth/identity.ts";
import { bytesOfText } from "../../core/bytes.ts";
import { leaseIdOf, memberIdOf } from "../../core/ids.ts";
import type { Permission, Request, TxnOperation, TxnRequest } from "../../core/request.ts";
import { as, change, keyRange, permission, userAdd, usersAndRoles } from "../kit/auth.ts";
import { TestMachine } from "../kit/member-kit.ts";
import { compareOf, deleteOf, putOf, rangeOf, txnOf } from "../kit/requests.ts";

const lease = leaseIdOf(9n);

class Judged extends TestMachine {
  constructor(users: { readonly [user: string]: readonly Permission[] }) {
    super();
    for (const each of usersAndRoles(users)) this.do(change(each));
  }

  /** The identity a simple token gives now. */
  as(name: string): Identity {
    return as(name, this.machine.auth.revision);
  }

  /** What auth has against a call that is not replicated. */
  judge(identity: Identity, request: Request): string | undefined {
    return refusalOfCall(this.machine.auth, this.machine.lessor, identity, request);
  }
}

const readA = permission("read", "a");
const writeA = permission("write", "a");

describe("who calls", () => {
  test("nobody may write while auth is on; anybody while it is off", () => {
    const machine = new Judged({});
    expect(machine.refusal(putOf("k"))).toBe("userEmpty");
    machine.do(change({ type: "authDisable" }), 0, machine.as("root"));
    expect(machine.refusal(putOf("k"))).toBeUndefined();
  });

  test("who shows nothing may ask for the user without a name, and have a transaction answered that touches nothing", () => {
    const machine = new Judged({});
    expect(machine.judge(anonymous, { type: "userGet", name: "" })).toBeUndefined();
    expect(machine.judge(anonymous, { type: "userGet", name: "root" })).toBe("userEmpty");
    expect(machine.judge(anonymous, txnOf({}))).toBeUndefined();
    expect(machine.judge(anonymous, txnOf({ success: [txnOf({})] }))).toBeUndefined();
    expect(machine.judge(anonymous, txnOf({ failure: [txnOf({ success: [rangeOf("a")] })] }))).toBe("userEmpty");
    const compares = [compareOf("a", "equal", { target: "version", number: 0 })];
    expect(machine.judge(anonymous, txnOf({ compares }))).toBe("userEmpty");
  });

  test("an identity older than the last change of users and roles is refused, whatever changed", () => {
    const machine = new Judged({ u: [writeA] });
    const identity = machine.as("u");
    expect(machine.refusal(putOf("a"), identity)).toBeUndefined();
    machine.do(change({ type: "roleAdd", role: "other" }), 0, machine.as("root"));
    expect(machine.refusal(putOf("a"), identity)).toBe("authOldRevision");
    expect(machine.refusal(putOf("a"), machine.as("u"))).toBeUndefined();
  });

  test("an operator's call asks for the role alone, not for the age of the identity", () => {
    const machine = new Judged({ u: [] });
    const old = as("root", 1);
    expect(machine.refusal(change({ type: "roleAdd", role: "r" }), old)).toBeUndefined();
    expect(machine.refusal(change({ type: "roleAdd", role: "s" }), machine.as("u"))).toBe("permissionDenied");
    expect(machine.refusal(change({ type: "roleAdd", role: "s" }), as("gone", 99))).toBe("userNotFound");
    expect(machine.refusal(change({ type: "roleAdd", role: "s" }))).toBe("userEmpty");
  });

  test("a user that is gone may nothing", () => {
    const machine = new Judged({ u: [writeA] });
    machine.do(change({ type: "userDelete", name: "u" }), 0, machine.as("root"));
    expect(machine.refusal(putOf("a"), machine.as("u"))).toBe("permissionDenied");
  });

  test("role root may everything, and a member for itself", () => {
    const machine = new Judged({});
    for (const identity of [machine.as("root"), memberItself]) {
      expect(machine.refusal(putOf("k", "v", { prevKv: true }), identity)).toBeUndefined();
      expect(machine.refusal(deleteOf("\0", "\0", true), identity)).toBeUndefined();
    }
  });

  test("alarms speak before rights", () => {
    const machine = new Judged({});
    const alarm = { type: "alarm", action: "activate", memberId: memberIdOf(1n), alarm: "noSpace" } as const;
    expect(machine.refusal(alarm)).toBe("userEmpty");
    expect(machine.refusal(alarm, memberItself)).toBeUndefined();
    expect(machine.refusal(putOf("k"))).toBe("noSpace");
  });

  test("a lease that expired is revoked by the member, with auth on too", () => {
    const machine = new Judged({});
    machine.do({ type: "leaseGrant", leaseId: lease, ttlSeconds: 5 }, 0, machine.as("root"));
    machine.do(putOf("secret", "", { lease }), 0, machine.as("root"));
    expect(machine.refusal({ type: "leaseRevoke", leaseId: lease }, memberItself)).toBeUndefined();
    expect(machine.machine.lessor.has(lease)).toBe(false);
  });
});

describe("keys", () => {
  test("a put needs to write its key, and to read it when it wants the old value", () => {
    const machine = new Judged({ writer: [writeA], both: [readA, permission("readWrite", "a")], reader: [readA] });
    expect(machine.refusal(putOf("a"), machine.as("writer"))).toBeUndefined();
    expect(machine.refusal(putOf("b"), machine.as("writer"))).toBe("permissionDenied");
    expect(machine.refusal(putOf("a"), machine.as("reader"))).toBe("permissionDenied");
    expect(machine.refusal(putOf("a", "", { prevKv: true }), machine.as("writer"))).toBe("permissionDenied");
    expect(machine.refusal(putOf("a", "", { prevKv: true }), machine.as("both"))).toBeUndefined();
  });

  test("a delete needs to write its range, and to read it when it wants the old values", () => {
    const machine = new Judged({
      writer: [permission("write", "a", "c")],
      both: [permission("write", "a", "c"), permission("read", "a", "b"), permission("read", "b", "c")],
    });
    expect(machine.refusal(deleteOf("a", "c"), machine.as("writer"))).toBeUndefined();
    expect(machine.refusal(deleteOf("a", "c\0"), machine.as("writer"))).toBe("permissionDenied");
    expect(machine.refusal(deleteOf("a", "\0"), machine.as("writer"))).toBe("permissionDenied");
    expect(machine.refusal(deleteOf("a", "c", true), machine.as("writer"))).toBe("permissionDenied");
    expect(machine.refusal(deleteOf("a", "c", true), machine.as("both"))).toBeUndefined();
  });

  test("a put on a lease needs to write every key that hangs on it already", () => {
    const machine = new Judged({ u: [writeA], v: [writeA, permission("write", "b")] });
    machine.do({ type: "leaseGrant", leaseId: lease, ttlSeconds: 5 }, 0, machine.as("root"));
    expect(machine.refusal(putOf("a", "", { lease }), machine.as("u"))).toBeUndefined();
    machine.do(putOf("b", "", { lease }), 0, machine.as("root"));
    expect(machine.refusal(putOf("a", "", { lease }), machine.as("u"))).toBe("permissionDenied");
    expect(machine.refusal(txnOf({ success: [putOf("a", "", { lease })] }), machine.as("u"))).toBe("permissionDenied");
    expect(machine.refusal(putOf("a", "", { lease }), machine.as("v"))).toBeUndefined();
    expect(machine.refusal({ type: "leaseRevoke", leaseId: lease }, machine.as("u"))).toBe("permissionDenied");
    expect(machine.refusal({ type: "leaseRevoke", leaseId: lease }, machine.as("v"))).toBeUndefined();
  });

  test("a transaction needs all of it: compares, both branches, nested ones", () => {
    const machine = new Judged({ u: [permission("readWrite", "a"), permission("write", "w")] });
    const compare = (key: string) => compareOf(key, "equal", { target: "version", number: 0 });
    const nested = (...operations: TxnOperation[]): TxnRequest => txnOf({ failure: [txnOf({ success: operations })] });
    const allowed = txnOf({ compares: [compare("a")], success: [putOf("w")], failure: [rangeOf("a"), deleteOf("w")] });
    expect(machine.refusal(allowed, machine.as("u"))).toBeUndefined();
    const denied: TxnRequest[] = [
      txnOf({ compares: [compare("w")], success: [putOf("a")] }),
      txnOf({ success: [putOf("a")], failure: [rangeOf("w")] }),
      txnOf({ success: [putOf("x")], failure: [putOf("a")] }),
      txnOf({ success: [putOf("w", "", { prevKv: true })] }),
      txnOf({ success: [deleteOf("w", undefined, true)] }),
      nested(putOf("x")),
      nested(putOf("w"), rangeOf("w")),
      txnOf({ success: [putOf("a"), { ...txnOf({}), compares: [compare("w")] }] }),
    ];
    for (const each of denied) expect(machine.refusal(each, machine.as("u"))).toBe("permissionDenied");
    expect(machine.refusal(nested(putOf("w"), rangeOf("a")), machine.as("u"))).toBeUndefined();
  });

  test("a refused write changes nothing, and moves no revision", () => {
    const machine = new Judged({ u: [] });
    const before = machine.revision;
    machine.do(putOf("a"), 0, machine.as("u"));
    expect(machine.revision).toBe(before);
    expect(machine.range(rangeOf("a")).count).toBe(0);
  });
});

describe("other calls", () => {
  const machine = new Judged({ u: [readA], w: [writeA] });
  machine.do({ type: "leaseGrant", leaseId: lease, ttlSeconds: 5 }, 0, machine.as("root"));
  machine.do(putOf("a", "", { lease }), 0, machine.as("root"));
  const list = { type: "memberList", linearizable: true } as const;

  test("any user may ask for members, status and alarms, and grant a lease", () => {
    const grant = { type: "leaseGrant", leaseId: leaseIdOf(3n), ttlSeconds: 5 } as const;
    const alarms = { type: "alarm", action: "get", memberId: memberIdOf(0n), alarm: "none" } as const;
    for (const request of [list, { type: "status" } as const, alarms, grant]) {
      expect(machine.judge(machine.as("u"), request)).toBeUndefined();
      expect(machine.judge(anonymous, request)).toBe("userEmpty");
    }
  });

  test("operators alone may compact, move the lead, hash and change members", () => {
    const requests: Request[] = [
      { type: "compact", revision: 1, physical: false },
      { type: "hashKv", revision: 0 },
      { type: "moveLeader", targetId: memberIdOf(2n) },
      { type: "memberRemove", memberId: memberIdOf(2n) },
      { type: "userList" },
      { type: "roleList" },
      { type: "authStatus" },
      { type: "authDisable" },
    ];
    for (const request of requests) {
      expect(machine.judge(machine.as("u"), request)).toBe("permissionDenied");
      expect(machine.judge(anonymous, request)).toBe("userEmpty");
      expect(machine.judge(machine.as("root"), request)).toBeUndefined();
    }
  });

  test("a user may look at itself and at its roles", () => {
    expect(machine.judge(machine.as("u"), { type: "userGet", name: "u" })).toBeUndefined();
    expect(machine.judge(machine.as("u"), { type: "userGet", name: "w" })).toBe("permissionDenied");
    expect(machine.judge(machine.as("u"), { type: "roleGet", role: "u" })).toBeUndefined();
    expect(machine.judge(machine.as("u"), { type: "roleGet", role: "w" })).toBe("permissionDenied");
    expect(machine.judge(anonymous, { type: "authenticate", name: "u", password: "" })).toBeUndefined();
  });

  test("the keys of a lease are shown to who may read them, and kept alive by who may write them", () => {
    const { auth, lessor } = machine.machine;
    const ask = (keys: boolean) => ({ type: "leaseTimeToLive", leaseId: lease, keys }) as const;
    expect(machine.judge(machine.as("w"), ask(false))).toBeUndefined();
    expect(machine.judge(machine.as("w"), ask(true))).toBe("permissionDenied");
    expect(machine.judge(machine.as("u"), ask(true))).toBeUndefined();
    expect(machine.judge(machine.as("w"), { type: "leaseLeases" })).toBe("permissionDenied");
    expect(machine.judge(machine.as("u"), { type: "leaseLeases" })).toBeUndefined();
    expect(refusalOfShownKeys(auth, machine.as("w"), [bytesOfText("a")])).toBe("permissionDenied");
    expect(refusalOfShownKeys(auth, machine.as("u"), [bytesOfText("a")])).toBeUndefined();
    expect(refusalOfKeepAlive(auth, lessor, machine.as("w"), lease)).toBeUndefined();
    expect(refusalOfKeepAlive(auth, lessor, machine.as("u"), lease)).toBe("permissionDenied");
  });

  test("a watch reads its range", () => {
    const { auth } = machine.machine;
    expect(refusalOfWatch(auth, machine.as("u"), keyRange("a"))).toBeUndefined();
    expect(refusalOfWatch(auth, machine.as("u"), keyRange("a", "b"))).toBe("permissionDenied");
    expect(refusalOfWatch(auth, machine.as("w"), keyRange("a"))).toBe("permissionDenied");
    expect(refusalOfWatch(auth, anonymous, keyRange("a"))).toBe("userEmpty");
  });
});

test("a machine that lost its last commits and replays them comes to the same verdicts", () => {
  const machine = new Judged({ u: [writeA] });
  machine.backend.sync();
  machine.do(putOf("a"), 0, machine.as("u"));
  machine.do(change(userAdd("late")), 0, machine.as("root"));
  machine.do(putOf("b"), 0, machine.as("u"));
  machine.do(change({ type: "roleDelete", role: "u" }), 0, machine.as("root"));
  machine.do(putOf("a", "again"), 0, machine.as("u"));
  const before = [machine.revision, machine.machine.auth.hash(), machine.machine.runningHash()];
  machine.crash(0);
  expect([machine.revision, machine.machine.auth.hash(), machine.machine.runningHash()]).toEqual(before);
  expect(machine.range(rangeOf("a")).keyValues.map(({ version }) => version)).toEqual([1]);
});
