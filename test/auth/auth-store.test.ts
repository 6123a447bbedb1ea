/*
 * Users and roles: every management call's rules, applied through a machine's log.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AuthStore } from "../../core/auth/auth-store.ts";
import type { AuthChange } from "../../core/auth/change.ts";
import { decodeRole, decodeUser, encodeRole, encodeUser } from "../../core/auth/record.ts";
import { bytesOfText } from "../../core/bytes.ts";
import { defaultMemberConfig } from "../../core/config.ts";
import { change, keyRange, permission, userAdd, usersAndRoles } from "../kit/auth.ts";
import { TestMachine } from "../kit/member-kit.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";

class TestAuth {
  readonly backend = new MemoryBackend({ crashes: false });
  readonly store = this.open();
  nowMs = 0;
  #index = 0;

  open(): AuthStore {
    const store = new AuthStore(this.backend, defaultMemberConfig);
    store.reload();
    return store;
  }

  /** "ok", or the refusal. */
  do(...changes: AuthChange[]): string {
    let last = "ok";
    for (const each of changes) {
      this.#index += 1;
      const outcome = this.store.apply(each, { index: this.#index, nowMs: this.nowMs });
      last = outcome.ok ? "ok" : outcome.refusal;
    }
    return last;
  }

  token(name: string): string {
    this.#index += 1;
    const what = { type: "authenticate", name, tokenPrefix: "secret", checkedRevision: this.store.revision } as const;
    const outcome = this.store.apply(what, { index: this.#index, nowMs: this.nowMs });
    if (!outcome.ok || outcome.answer.type !== "authenticate") throw new Error("no token");
    return outcome.answer.token;
  }
}

const rootChanges = usersAndRoles({});

describe("the switch", () => {
  test("wants user root, and that it has role root", () => {
    const auth = new TestAuth();
    expect(auth.do({ type: "authEnable" })).toBe("rootUserNotExist");
    auth.do(userAdd("root"));
    expect(auth.do({ type: "authEnable" })).toBe("rootRoleNotExist");
    expect(auth.do({ type: "userGrantRole", name: "root", role: "root" })).toBe("ok");
    expect(auth.do({ type: "authEnable" })).toBe("ok");
    expect(auth.store.enabled).toBe(true);
    expect(auth.do({ type: "authEnable" })).toBe("ok");
  });

  test("raises the revision when it goes off, never when it goes on or stays", () => {
    const auth = new TestAuth();
    expect(auth.store.revision).toBe(1);
    expect(auth.do({ type: "authDisable" })).toBe("ok");
    expect(auth.store.revision).toBe(1);
    auth.do(...rootChanges);
    expect(auth.store.revision).toBe(3);
    auth.do({ type: "authDisable" });
    expect(auth.store.revision).toBe(4);
    expect(auth.store.enabled).toBe(false);
  });
});

describe("users", () => {
  test("have a name, and each name once", () => {
    const auth = new TestAuth();
    expect(auth.do(userAdd(""))).toBe("userEmpty");
    expect(auth.do(userAdd("ü".repeat(256)))).toBe("requestTooLarge");
    expect(auth.do(userAdd("u"))).toBe("ok");
    expect(auth.do(userAdd("u"))).toBe("userAlreadyExist");
    expect(auth.store.revision).toBe(2);
  });

  test("that are unknown cannot be changed", () => {
    const auth = new TestAuth();
    auth.do({ type: "roleAdd", role: "r" });
    expect(auth.do({ type: "userDelete", name: "u" })).toBe("userNotFound");
    expect(auth.do({ type: "userChangePassword", name: "u", passwordHash: "h" })).toBe("userNotFound");
    expect(auth.do({ type: "userGrantRole", name: "u", role: "nobody" })).toBe("userNotFound");
    expect(auth.do({ type: "userRevokeRole", name: "u", role: "r" })).toBe("userNotFound");
    expect(auth.store.revision).toBe(2);
  });

  test("without password keep none", () => {
    const auth = new TestAuth();
    auth.do({ type: "userAdd", name: "u", passwordHash: "", noPassword: true });
    expect(auth.do({ type: "userChangePassword", name: "u", passwordHash: "new" })).toBe("ok");
    expect(auth.store.user("u")).toEqual({ name: "u", passwordHash: "", noPassword: true, roles: [] });
    expect(auth.store.revision).toBe(3);
  });

  test("hold roles in byte order, each once; granting one again changes nothing", () => {
    const auth = new TestAuth();
    auth.do(userAdd("u"));
    for (const role of ["b", "\u{1f600}", "\uffee", "a"]) {
      auth.do({ type: "roleAdd", role }, { type: "userGrantRole", name: "u", role });
    }
    expect(auth.store.user("u")?.roles).toEqual(["a", "b", "\uffee", "\u{1f600}"]);
    const before = auth.store.revision;
    expect(auth.do({ type: "userGrantRole", name: "u", role: "b" })).toBe("ok");
    expect(auth.store.revision).toBe(before);
    expect(auth.do({ type: "userRevokeRole", name: "u", role: "b" })).toBe("ok");
    expect(auth.do({ type: "userRevokeRole", name: "u", role: "b" })).toBe("roleNotGranted");
    expect(auth.store.revision).toBe(before + 1);
  });

  test("may be granted role root without its existing, and no other such role", () => {
    const auth = new TestAuth();
    auth.do(userAdd("u"));
    expect(auth.do({ type: "userGrantRole", name: "u", role: "r" })).toBe("roleNotFound");
    expect(auth.do({ type: "userGrantRole", name: "u", role: "root" })).toBe("ok");
    expect(auth.store.isRoot("u")).toBe(true);
  });

  test("root stays, with its role, while auth is on", () => {
    const auth = new TestAuth();
    auth.do(...rootChanges, { type: "roleAdd", role: "root" });
    expect(auth.do({ type: "userDelete", name: "root" })).toBe("invalidAuthMgmt");
    expect(auth.do({ type: "userRevokeRole", name: "root", role: "root" })).toBe("invalidAuthMgmt");
    expect(auth.do({ type: "roleDelete", role: "root" })).toBe("invalidAuthMgmt");
    auth.do({ type: "authDisable" });
    expect(auth.do({ type: "roleDelete", role: "root" })).toBe("ok");
    expect(auth.do({ type: "userDelete", name: "root" })).toBe("ok");
  });
});

describe("roles", () => {
  test("have a name, and each name once", () => {
    const auth = new TestAuth();
    expect(auth.do({ type: "roleAdd", role: "" })).toBe("roleEmpty");
    expect(auth.do({ type: "roleAdd", role: "r" })).toBe("ok");
    expect(auth.do({ type: "roleAdd", role: "r" })).toBe("roleAlreadyExist");
    expect(auth.do({ type: "roleDelete", role: "s" })).toBe("roleNotFound");
  });

  test("that go are taken from every user", () => {
    const auth = new TestAuth();
    auth.do(...usersAndRoles({ u: [permission("read", "k")] }));
    expect(auth.store.rightsOf("u")?.read.coversKey("k")).toBe(true);
    auth.do({ type: "roleDelete", role: "u" });
    expect(auth.store.user("u")?.roles).toEqual([]);
    expect(auth.store.rightsOf("u")?.read.coversKey("k")).toBe(false);
  });

  test("hold permissions by key; the same range again replaces the kind", () => {
    const auth = new TestAuth();
    auth.do({ type: "roleAdd", role: "r" });
    const grant = (each: ReturnType<typeof permission>): string =>
      auth.do({ type: "roleGrantPermission", role: "r", permission: each });
    expect(grant(permission("read", "b"))).toBe("ok");
    expect(grant(permission("read", "a", "\0"))).toBe("ok");
    expect(grant(permission("write", "b"))).toBe("ok");
    expect(grant(permission("read", "b", "c"))).toBe("ok");
    expect(auth.store.permissionsOf("r")).toEqual([
      permission("read", "a", "\0"),
      permission("write", "b"),
      permission("read", "b", "c"),
    ]);
  });

  test("refuse a permission that is missing, or whose range is none, before they look whether they exist", () => {
    const auth = new TestAuth();
    const grant = (each: ReturnType<typeof permission> | undefined): string =>
      auth.do({ type: "roleGrantPermission", role: "nobody", permission: each });
    expect(grant(undefined)).toBe("permissionNotGiven");
    expect(grant(permission("read", ""))).toBe("invalidAuthMgmt");
    expect(grant(permission("read", "", "\0"))).toBe("invalidAuthMgmt");
    expect(grant(permission("read", "b", "a"))).toBe("invalidAuthMgmt");
    expect(grant(permission("read", "b", "b"))).toBe("invalidAuthMgmt");
    expect(grant(permission("read", "b", "\0"))).toBe("roleNotFound");
  });

  test("give up a permission only by its exact range", () => {
    const auth = new TestAuth();
    auth.do({ type: "roleAdd", role: "r" });
    auth.do({ type: "roleGrantPermission", role: "r", permission: permission("read", "a", "c") });
    const revoke = (role: string, key: string, end?: string): string =>
      auth.do({ type: "roleRevokePermission", role, ...keyRange(key, end) });
    expect(revoke("s", "a", "c")).toBe("roleNotFound");
    expect(revoke("r", "a")).toBe("permissionNotGranted");
    expect(revoke("r", "a", "b")).toBe("permissionNotGranted");
    expect(revoke("r", "a", "c")).toBe("ok");
    expect(auth.store.permissionsOf("r")).toEqual([]);
  });

  test("of the name root show one permission for everything, once they exist", () => {
    const auth = new TestAuth();
    expect(auth.store.permissionsOf("root")).toBeUndefined();
    auth.do({ type: "roleAdd", role: "root" });
    expect(auth.store.permissionsOf("root")).toEqual([permission("readWrite", "", "\0")]);
  });
});

describe("tokens", () => {
  test("are made only while auth is on, at the revision the password was checked at", () => {
    const auth = new TestAuth();
    const login = (name: string, checkedRevision: number): string =>
      auth.do({ type: "authenticate", name, tokenPrefix: "x", checkedRevision });
    expect(login("root", 1)).toBe("authNotEnabled");
    auth.do(...rootChanges);
    expect(login("root", auth.store.revision - 1)).toBe("authOldRevision");
    expect(login("nobody", auth.store.revision)).toBe("authFailed");
    expect(login("root", auth.store.revision)).toBe("ok");
    expect(auth.store.revision).toBe(3);
  });

  test("live for their time after the last use", () => {
    const auth = new TestAuth();
    auth.do(...rootChanges);
    const token = auth.token("root");
    expect(auth.store.tokens.use(token, 299_000)).toBe("root");
    expect(auth.store.tokens.use(token, 598_000)).toBe("root");
    expect(auth.store.tokens.use(token, 898_001)).toBeUndefined();
    expect(auth.store.tokens.use("secret.999", 0)).toBeUndefined();
  });

  test("end with their user, its password, the switch, and a replaced store", () => {
    const changes: AuthChange[] = [
      { type: "userDelete", name: "u" },
      { type: "userChangePassword", name: "u", passwordHash: "h" },
      { type: "authDisable" },
    ];
    for (const each of changes) {
      const auth = new TestAuth();
      auth.do(...usersAndRoles({ u: [] }));
      const token = auth.token("u");
      const other = auth.token("root");
      auth.do(each);
      expect(auth.store.tokens.use(token, 0)).toBeUndefined();
      expect(auth.store.tokens.use(other, 0)).toBe(each.type === "authDisable" ? undefined : "root");
      auth.store.reload();
      expect(auth.store.tokens.use(other, 0)).toBeUndefined();
    }
  });

  test("are bounded: the one unused for longest makes room", () => {
    const machine = new TestMachine({ tokensMax: 2 });
    for (const each of usersAndRoles({})) machine.do(change(each));
    const { auth } = machine.machine;
    auth.tokens.assign("a.1", "root", 0);
    auth.tokens.assign("b.2", "root", 0);
    auth.tokens.use("a.1", 1);
    auth.tokens.assign("c.3", "root", 2);
    expect(auth.tokens.use("b.2", 2)).toBeUndefined();
    expect(auth.tokens.use("a.1", 2)).toBe("root");
    expect(auth.tokens.count).toBe(2);
  });
});

// ---- stored forms ------------------------------------------------------------------------------------------------

const names = fc.constantFrom("", "u", "root", "ü\u{1f600}", "long".repeat(60));
const keys = fc.constantFrom("\0", "a", "k\xff", "long".repeat(100)).map(bytesOfText);
const permissions = fc.record({
  type: fc.constantFrom("read" as const, "write" as const, "readWrite" as const),
  key: keys,
  rangeEnd: fc.option(keys, { nil: undefined }),
});

test("a user and a role come back from their bytes as they were", () => {
  const users = fc.record({ name: names, passwordHash: names, noPassword: fc.boolean(), roles: fc.array(names) });
  const roles = fc.record({ name: names, permissions: fc.array(permissions) });
  fc.assert(
    fc.property(users, roles, (user, role) => {
      expect(decodeUser(encodeUser(user))).toEqual(user);
      expect(decodeRole(encodeRole(role))).toEqual(role);
    }),
  );
});

const someUser = fc.constantFrom("root", "u", "v");
const someRole = fc.constantFrom("root", "r", "s");
const changes: fc.Arbitrary<AuthChange> = fc.oneof(
  fc.constant({ type: "authEnable" as const }),
  fc.constant({ type: "authDisable" as const }),
  fc.record({ type: fc.constant("userAdd" as const), name: someUser, passwordHash: names, noPassword: fc.boolean() }),
  fc.record({ type: fc.constant("userDelete" as const), name: someUser }),
  fc.record({ type: fc.constant("userChangePassword" as const), name: someUser, passwordHash: names }),
  fc.record({ type: fc.constant("userGrantRole" as const), name: someUser, role: someRole }),
  fc.record({ type: fc.constant("userRevokeRole" as const), name: someUser, role: someRole }),
  fc.record({ type: fc.constant("roleAdd" as const), role: someRole }),
  fc.record({ type: fc.constant("roleDelete" as const), role: someRole }),
  fc.record({ type: fc.constant("roleGrantPermission" as const), role: someRole, permission: permissions }),
  fc
    .record({ type: fc.constant("roleRevokePermission" as const), role: someRole, key: keys })
    .map((each) => ({ ...each, rangeEnd: undefined })),
);

/** What a store judges, asked of every user and some keys. */
const verdicts = (store: AuthStore): unknown => ({
  enabled: store.enabled,
  revision: store.revision,
  users: store.userNames.map((name) => [name, store.user(name), store.isRoot(name)]),
  roles: store.roleNames.map((name) => [name, store.permissionsOf(name)]),
  rights: store.userNames.map((name) =>
    ["\0", "a", "k", "k\xff", "zz"].map((key) => [
      store.rightsOf(name)?.read.coversKey(key),
      store.rightsOf(name)?.write.coversKey(key),
    ]),
  ),
  hash: store.hash(),
});

test("a member that restarts at any moment judges as one that did not", () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 25 }), (history) => {
      const auth = new TestAuth();
      for (const each of history) {
        const before = verdicts(auth.store);
        if (auth.do(each) !== "ok") expect(verdicts(auth.store)).toEqual(before);
        expect(verdicts(auth.open())).toEqual(verdicts(auth.store));
      }
    }),
    { numRuns: 150 },
  );
});
