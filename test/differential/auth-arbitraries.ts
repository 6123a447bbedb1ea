/*
 * Sequences over users, roles, permissions and tokens: made while auth is off, then used while it is on, by root, by
 * users with some rights, by nobody, and with tokens nobody gave. Names and passwords are few, so that they meet; root's
 * password is always one of those a session knows, so that it can be undone.
 */
import * as fc from "fast-check";
import type { Plain } from "./messages.ts";
import type { Sequence, Step } from "./steps.ts";

const names = ["root", "alice", "bob"] as const;
const user = fc.constantFrom<string>(...names, "alice", "bob", "carol", "");
const role = fc.constantFrom("root", "r", "s", "r", "s", "t", "");
const password = fc.constantFrom("", "one", "two");
const key = fc.constantFrom("a", "b", "c", "d");
/** Adjoining, overlapping, single, open-ended; intervals that are none are in `avoided.ts`. */
const interval: fc.Arbitrary<{ readonly [field: string]: Plain }> = fc.oneof(
  key.map((from) => ({ key: from })),
  fc.constantFrom({ key: "a", rangeEnd: "c" }, { key: "b", rangeEnd: "d" }, { key: "c", rangeEnd: "e" }),
  fc.constantFrom({ key: "a", rangeEnd: "\0" }, { key: "c", rangeEnd: "\0" }, { key: "\0", rangeEnd: "\0" }),
);
/** Each first key with one end: how etcd keeps two of one key is in `avoided.ts`. */
const granted: fc.Arbitrary<{ readonly [field: string]: Plain }> = fc.constantFrom(
  { key: "a", rangeEnd: "c" },
  { key: "b" },
  { key: "c", rangeEnd: "\0" },
  { key: "d" },
  { key: "\0", rangeEnd: "\0" },
);
const permission: fc.Arbitrary<Plain> = fc
  .tuple(fc.constantFrom(0, 1, 2), granted)
  .map(([permType, range]): Plain => ({ permType, ...range }));

/** Who asks: mostly somebody who may. */
const asker = fc.constantFrom<string | undefined>("root", "root", "root", "alice", "bob", undefined, "nonsense");

const call = (method: string, request: fc.Arbitrary<Plain>): fc.Arbitrary<Step> =>
  fc.tuple(request, asker).map(
    ([drawn, as]): Step => ({
      do: "call",
      method,
      request: drawn,
      ...(as === undefined ? {} : { as }),
    }),
  );
const fields = (of: { readonly [name: string]: fc.Arbitrary<Plain> }): fc.Arbitrary<Plain> => fc.record(of);

const manage: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: call("UserAdd", fields({ name: user, password })) },
  { weight: 1, arbitrary: call("UserAdd", fields({ name: user, options: fc.constant({ noPassword: true }) })) },
  { weight: 2, arbitrary: call("UserGet", fields({ name: user })) },
  { weight: 1, arbitrary: call("UserList", fields({})) },
  { weight: 2, arbitrary: call("UserDelete", fields({ name: user })) },
  {
    weight: 2,
    arbitrary: call("UserChangePassword", fields({ name: user.filter((name) => name !== "root"), password })),
  },
  { weight: 4, arbitrary: call("UserGrantRole", fields({ user, role })) },
  { weight: 2, arbitrary: call("UserRevokeRole", fields({ name: user, role })) },
  { weight: 3, arbitrary: call("RoleAdd", fields({ name: role })) },
  { weight: 2, arbitrary: call("RoleGet", fields({ role })) },
  { weight: 1, arbitrary: call("RoleList", fields({})) },
  { weight: 1, arbitrary: call("RoleDelete", fields({ role })) },
  { weight: 5, arbitrary: call("RoleGrantPermission", fields({ name: role, perm: permission })) },
  {
    weight: 2,
    arbitrary: call(
      "RoleRevokePermission",
      fc.tuple(role, interval).map(([of, range]): Plain => ({ role: of, ...range })),
    ),
  },
  // By nobody: once it is off, 3.4 would still judge the tokens of streams that were opened before (`avoided.ts`).
  { weight: 1, arbitrary: fc.constant<Step>({ do: "call", method: "AuthDisable", request: {} }) },
  { weight: 1, arbitrary: call("AuthEnable", fields({})) },
);

const authenticate: fc.Arbitrary<Step> = fc
  .tuple(user, password)
  .map(([name, shown]): Step => ({ do: "call", method: "Authenticate", request: { name, password: shown } }));

const lease = fc.constantFrom(1, 2);
const put = fc
  .tuple(key, fc.constantFrom<Plain>({}, {}, { lease: 1 }, { prevKv: true }, { lease: 2 }))
  .map(([of, more]): Plain => ({ key: of, value: "v", ...(more as { readonly [field: string]: Plain }) }));
const deletion = fc
  .tuple(interval, fc.constantFrom<Plain>({}, { prevKv: true }))
  .map(([range, more]): Plain => ({ ...range, ...(more as { readonly [field: string]: Plain }) }));
const operation: fc.Arbitrary<Plain> = fc.oneof(
  put.map((requestPut): Plain => ({ requestPut })),
  interval.map((requestRange): Plain => ({ requestRange })),
  key.map((of): Plain => ({ requestDeleteRange: { key: of } })),
  // Empty: 3.4 does not ask for rights inside (`avoided.ts`).
  fc.constant<Plain>({ requestTxn: {} }),
);
const use: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: call("Put", put) },
  { weight: 4, arbitrary: call("Range", interval) },
  {
    weight: 1,
    arbitrary: call(
      "Range",
      interval.map((range): Plain => ({ ...range, serializable: true })),
    ),
  },
  { weight: 2, arbitrary: call("DeleteRange", deletion) },
  {
    weight: 3,
    arbitrary: call(
      "Txn",
      fields({
        compare: fc.array(
          interval.map((range): Plain => ({ ...range, target: 0, version: 0 })),
          { maxLength: 1 },
        ),
        success: fc.array(operation, { maxLength: 2 }),
        failure: fc.array(operation, { maxLength: 1 }),
      }),
    ),
  },
  {
    weight: 2,
    // By root alone: 3.4 lets anybody revoke a lease without keys (`avoided.ts`).
    arbitrary: lease.map((ID): Step => ({ do: "call", method: "LeaseRevoke", request: { ID }, as: "root" })),
  },
  {
    weight: 2,
    // Not open-ended: 3.4 takes such a watch for one of a single key (`avoided.ts`).
    arbitrary: fc
      .tuple(
        interval.filter(({ rangeEnd }) => rangeEnd !== "\0"),
        asker,
        fc.nat(2),
      )
      .map(
        ([request, as, stream]): Step => ({
          do: "watch",
          stream,
          request,
          ...(as === undefined ? {} : { as }),
        }),
      ),
  },
);

/** What 3.6 asks rights for and 3.4 does not; asked by root alone where it would change something. */
const laterGuarded: fc.Arbitrary<Step> = fc.oneof(
  call("LeaseTimeToLive", fields({ ID: lease, keys: fc.boolean() })),
  call("LeaseLeases", fields({})),
  call("Status", fields({})),
  call("MemberList", fields({})),
  call("Alarm", fields({})),
  call("HashKV", fields({})),
);

const grant = (ID: number): Step => ({ do: "call", method: "LeaseGrant", request: { ID, TTL: 1_000 }, as: "root" });
const asRoot = (method: string, request: Plain): Step => ({ do: "call", method, request, as: "root" });

/** Users and roles as most sequences want them, before anything else. */
const common: readonly Step[] = [
  asRoot("UserAdd", { name: "root", password: "one" }),
  asRoot("RoleAdd", { name: "root" }),
  asRoot("UserGrantRole", { user: "root", role: "root" }),
  asRoot("UserAdd", { name: "alice", password: "one" }),
  asRoot("UserAdd", { name: "bob", password: "two" }),
  asRoot("RoleAdd", { name: "r" }),
  asRoot("RoleAdd", { name: "s" }),
  asRoot("RoleGrantPermission", { name: "r", perm: { permType: 2, key: "a", rangeEnd: "c" } }),
  asRoot("UserGrantRole", { user: "alice", role: "r" }),
  grant(1),
  grant(2),
];
const enabled: readonly Step[] = [
  asRoot("AuthEnable", {}),
  ...[
    { name: "root", password: "one" },
    { name: "alice", password: "one" },
    { name: "bob", password: "two" },
  ].map((request): Step => ({ do: "call", method: "Authenticate", request })),
];

const disabled: readonly Step[] = [asRoot("UserList", {}), asRoot("AuthDisable", {}), asRoot("RoleList", {})];

const alone = (step: Step): readonly Step[] => [step];
const offSequences = fc.array(manage.map(alone), { minLength: 1, maxLength: 40, size: "max" });
const onSequences = fc
  .tuple(
    fc.array(manage.map(alone), { maxLength: 8 }),
    fc.array(
      fc
        .oneof(
          { weight: 4, arbitrary: manage },
          { weight: 2, arbitrary: authenticate },
          { weight: 8, arbitrary: use },
          { weight: 1, arbitrary: laterGuarded },
        )
        .map(alone),
      { minLength: 1, maxLength: 50, size: "max" },
    ),
  )
  .map(([before, after]): Sequence => [common, ...before, enabled, ...after, disabled]);

export const authSequences: fc.Arbitrary<Sequence> = fc.oneof(
  { weight: 1, arbitrary: offSequences },
  { weight: 4, arbitrary: onSequences },
);
