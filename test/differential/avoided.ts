/*
 * Differences after which two stores would no longer be the same, so that no sequence may lead there: what generators
 * leave out, why, and a sequence of its own that shows the difference is still there. One that no longer differs can be
 * taken out, and the generators may do it again.
 */
import { alone, type Sequence, type Step, stray } from "./steps.ts";

export interface Avoided {
  readonly name: string;
  /** Why ours is as it is. */
  readonly reason: string;
  /** The differing step is the last. */
  readonly sequence: Sequence;
  /** Parts of the last step's outcome, as printed. */
  readonly ours: string;
  readonly stock: string;
  /** The stock etcd does not live through it. */
  readonly stockDies?: true;
}

const call = (method: string, request: Extract<Step, { do: "call" }>["request"], as?: string): Step => ({
  do: "call",
  method,
  request,
  ...(as === undefined ? {} : { as }),
});

export const avoided: readonly Avoided[] = [
  {
    name: "negative-watch-start-on-a-shared-stream",
    reason: "3.6 refuses it and uses up no id; 3.4 creates it, and every later watch of that stream has another id",
    sequence: [[{ do: "watch", stream: alone, request: { key: "a", startRevision: -1 } }]],
    ours: '"watchId":"-1n","created":true,"canceled":true',
    stock: '"canceled":true,"compactRevision"',
  },
  {
    name: "nested-puts-without-space",
    reason:
      "etcd's quota does not look into nested transactions, so that their puts go on in a full store; ours counts them",
    sequence: [
      [
        call("Alarm", { action: 1, memberID: { self: true }, alarm: 1 }),
        call("Txn", { success: [{ requestTxn: { success: [{ requestPut: { key: "a", value: "v" } }] } }] }),
      ],
    ],
    ours: "etcdserver: mvcc: database space exceeded",
    stock: '"succeeded":true',
  },
  {
    name: "permission-on-no-interval",
    reason: "3.6 refuses a permission whose interval holds nothing or has no key; 3.4 stores it",
    sequence: [
      [call("RoleAdd", { name: "r" }), call("RoleGrantPermission", { name: "r", perm: { key: "c", rangeEnd: "a" } })],
    ],
    ours: "etcdserver: invalid auth management",
    stock: '"outcome":{"header"',
  },
  {
    name: "permission-left-out",
    reason: "3.6 asks first whether a permission is given at all; 3.4 takes it for granted",
    sequence: [[call("RoleGrantPermission", { name: "r" })]],
    ours: "etcdserver: permission not given",
    stock: "etcdserver: role name not found",
  },
  {
    name: "rights-inside-nested-transactions",
    reason: "every operation of a nested transaction needs its right too; 3.4 does not look inside",
    sequence: [
      [
        call("UserAdd", { name: "root", password: "one" }),
        call("RoleAdd", { name: "root" }),
        call("UserGrantRole", { user: "root", role: "root" }),
        call("UserAdd", { name: "alice", password: "one" }),
        call("AuthEnable", {}),
        call("Authenticate", { name: "root", password: "one" }),
        call("Authenticate", { name: "alice", password: "one" }),
        call("Txn", { success: [{ requestTxn: { success: [{ requestPut: { key: "a" } }] } }] }, "alice"),
      ],
    ],
    ours: "etcdserver: permission denied",
    stock: '"succeeded":true',
  },
  {
    name: "right-to-an-open-ended-watch",
    reason: "a watch without an upper end needs a right without one; 3.4 asks only for the right to its first key",
    sequence: [
      [
        call("UserAdd", { name: "root", password: "one" }),
        call("RoleAdd", { name: "root" }),
        call("UserGrantRole", { user: "root", role: "root" }),
        call("UserAdd", { name: "alice", password: "one" }),
        call("RoleAdd", { name: "r" }),
        call("RoleGrantPermission", { name: "r", perm: { key: "a" } }),
        call("UserGrantRole", { user: "alice", role: "r" }),
        call("AuthEnable", {}),
        call("Authenticate", { name: "root", password: "one" }),
        call("Authenticate", { name: "alice", password: "one" }),
        { do: "watch", stream: alone, request: { key: "a", rangeEnd: "\0" }, as: "alice" },
      ],
    ],
    ours: "etcdserver: permission denied",
    stock: '"created":true}]',
  },
  {
    name: "two-permissions-of-one-key",
    reason: "ours are in order of key and end, each once; etcd orders by key alone and then may keep one twice",
    sequence: [
      [
        call("RoleAdd", { name: "r" }),
        call("RoleGrantPermission", { name: "r", perm: { key: "a", rangeEnd: "c" } }),
        call("RoleGrantPermission", { name: "r", perm: { key: "a", rangeEnd: "b" } }),
        call("RoleGet", { role: "r" }),
      ],
    ],
    ours: '[{"key":"a","rangeEnd":"b"},{"key":"a","rangeEnd":"c"}]',
    stock: '[{"key":"a","rangeEnd":"c"},{"key":"a","rangeEnd":"b"}]',
  },
  {
    name: "lease-without-keys-revoked-by-nobody",
    reason: "3.6 wants a user to revoke a lease; 3.4 asks only for the right to write its keys, and there are none",
    sequence: [
      [
        call("UserAdd", { name: "root", password: "one" }),
        call("RoleAdd", { name: "root" }),
        call("UserGrantRole", { user: "root", role: "root" }),
        call("LeaseGrant", { ID: 1, TTL: 1_000 }),
        call("AuthEnable", {}),
        call("LeaseRevoke", { ID: 1 }),
      ],
    ],
    ours: "etcdserver: user name is empty",
    stock: '"outcome":{"header"',
  },
  {
    name: "alarm-of-no-kind",
    reason: "3.6 does nothing with an alarm of kind NONE; 3.4 stores it, and lists it ever after",
    sequence: [[call("Alarm", { action: 1, memberID: 7, alarm: 0 })]],
    ours: '"outcome":{"header":{"clusterId":"cluster","memberId":"member","revision":"+0","raftTerm":"term"}}',
    stock: '"alarms":[{"memberID":"7n"}]',
  },
  {
    name: "token-while-auth-is-off",
    reason: "since 3.5 nobody looks at a token while auth is off; 3.4 refuses one it did not give out",
    sequence: [[call("RoleGet", { role: "r" }, stray)]],
    ours: "etcdserver: role name not found",
    stock: "etcdserver: invalid auth token",
  },
  {
    name: "unknown-sort-target",
    reason: "3.6 refuses a sort target there is not; 3.4 panics on it",
    sequence: [[call("Range", { key: "a", sortTarget: 9 })]],
    ours: "etcdserver: invalid sort option",
    stock: "UNAVAILABLE",
    stockDies: true,
  },
];
