/*
 * Users, roles and the switch: the replicated state of buckets `auth`, `authUsers` and `authRoles`, and beside it this
 * member's tokens, which are not replicated but stand and fall with it. Changed only while an entry is applied.
 *
 * What a user may do is derived from users and roles and from nothing else: it is thrown away with every change and made
 * again when it is asked for. So a member that restarted judges as one that did not.
 * Source: etcd v3 API, Auth, state and management calls.
 */
import { assert, unreachable } from "../assert.ts";
import { bytesOfCount, readCount } from "../byte-io.ts";
import { compareBytes, emptyBytes, utf8Encode } from "../bytes.ts";
import { authBounds, type MemberConfig } from "../config.ts";
import { crc32c } from "../crc32c.ts";
import type { RefusalName } from "../errors.ts";
import type { Backend, Bucket } from "../ports.ts";
import type { AuthAnswer, KeyRange, Permission } from "../request.ts";
import type { AuthChange } from "./change.ts";
import { decodeRole, decodeUser, encodeRole, encodeUser, type Role, type User } from "./record.ts";
import { everything, type Interval, intervalOf, Rights, type UserRights } from "./rights.ts";
import { TokenTable } from "./token-table.ts";

/** The user and the role of that name are special: the role may do everything, the user must have it before auth is on. */
const rootName = "root";
const enabledKey = utf8Encode("authEnabled");
const revisionKey = utf8Encode("authRevision");
const openEnd = Uint8Array.of(0);
/** A name is a key of the backend. */
const nameBytesMax = 511;

type Outcome =
  | { readonly ok: true; readonly answer: AuthAnswer }
  | { readonly ok: false; readonly refusal: RefusalName };

export class AuthStore {
  readonly tokens: TokenTable;
  readonly #backend: Backend;
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();
  /** Derived, filled as asked for, emptied by every change. */
  readonly #rights = new Map<string, UserRights>();
  #enabled = false;
  #revision = 1;

  /** Empty until {@link reload}. */
  constructor(backend: Backend, config: Pick<MemberConfig, "tokenTtlSeconds" | "tokensMax">) {
    this.#backend = backend;
    this.tokens = new TokenTable({ ttlSeconds: config.tokenTtlSeconds, max: config.tokensMax });
  }

  /** Takes everything from the backend anew. Tokens are forgotten: they may belong to users that are gone. */
  reload(): void {
    this.tokens.clear();
    this.#rights.clear();
    this.#users.clear();
    this.#roles.clear();
    this.#enabled = this.#backend.get("auth", enabledKey)?.[0] === 1;
    const revision = this.#backend.get("auth", revisionKey);
    this.#revision = revision === undefined ? 1 : readCount(revision, 0);
    const all = { from: openEnd, to: undefined };
    this.#backend.scan("authUsers", all, (_key, value) => {
      const user = decodeUser(value);
      this.#users.set(user.name, user);
      return true;
    });
    this.#backend.scan("authRoles", all, (_key, value) => {
      const role = decodeRole(value);
      this.#roles.set(role.name, role);
      return true;
    });
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** 1 on a fresh store; every change but switching on adds 1. */
  get revision(): number {
    return this.#revision;
  }

  user(name: string): User | undefined {
    return this.#users.get(name);
  }

  /** In byte order. */
  get userNames(): readonly string[] {
    return [...this.#users.keys()].sort(compareNames);
  }

  get roleNames(): readonly string[] {
    return [...this.#roles.keys()].sort(compareNames);
  }

  /** The role `root`, once it exists, shows the one permission it stands for. */
  permissionsOf(role: string): readonly Permission[] | undefined {
    const known = this.#roles.get(role);
    if (known === undefined || role !== rootName) return known?.permissions;
    return [{ type: "readWrite", key: emptyBytes, rangeEnd: openEnd }];
  }

  isRoot(user: string): boolean {
    return this.#users.get(user)?.roles.includes(rootName) === true;
  }

  /** What the user may do; undefined when there is no such user. */
  rightsOf(user: string): UserRights | undefined {
    const derived = this.#rights.get(user);
    if (derived !== undefined) return derived;
    const known = this.#users.get(user);
    if (known === undefined) return undefined;
    const rights = known.roles.includes(rootName) ? everything : this.#derive(known);
    this.#rights.set(user, rights);
    return rights;
  }

  /** Over the whole state, for comparing members at one applied index. */
  hash(): number {
    let hash = 0;
    for (const bucket of ["auth", "authRoles", "authUsers"] as const satisfies readonly Bucket[]) {
      this.#backend.scan(bucket, { from: openEnd, to: undefined }, (key, value) => {
        hash = crc32c(value, crc32c(key, hash));
        return true;
      });
    }
    return hash;
  }

  /** Carries out one change; a refused one leaves everything as it was. `index`: of its entry. */
  apply(change: AuthChange, at: { readonly index: number; readonly nowMs: number }): Outcome {
    const refusal = this.#refusalOf(change);
    if (refusal !== undefined) return { ok: false, refusal };
    if (change.type === "authenticate") {
      const { name, tokenPrefix } = change;
      const token = tokenPrefix === "" ? "" : `${tokenPrefix}.${at.index}`;
      if (token !== "") this.tokens.assign(token, name, at.nowMs);
      return { ok: true, answer: { type: "authenticate", token, user: name, authRevision: this.#revision } };
    }
    if (this.#carryOut(change)) {
      this.#revision += 1;
      this.#backend.put("auth", revisionKey, bytesOfCount(this.#revision));
    }
    this.#rights.clear();
    return { ok: true, answer: { type: change.type } };
  }

  // ---- refusals ------------------------------------------------------------------------------------------------

  #refusalOf(change: AuthChange): RefusalName | undefined {
    switch (change.type) {
      case "authEnable":
        if (this.#enabled) return undefined;
        if (!this.#users.has(rootName)) return "rootUserNotExist";
        return this.isRoot(rootName) ? undefined : "rootRoleNotExist";
      case "authDisable":
        return undefined;
      case "authenticate":
        if (!this.#enabled) return "authNotEnabled";
        // The password was checked against what may have been another one.
        if (change.checkedRevision !== this.#revision) return "authOldRevision";
        return this.#users.has(change.name) ? undefined : "authFailed";
      case "userAdd":
        if (change.name === "") return "userEmpty";
        if (utf8Encode(change.name).length > nameBytesMax) return "requestTooLarge";
        if (this.#users.has(change.name)) return "userAlreadyExist";
        return this.#users.size >= authBounds.usersMax ? "tooManyRequests" : undefined;
      case "userDelete":
        if (this.#enabled && change.name === rootName) return "invalidAuthMgmt";
        return this.#refusalOfUser(change.name);
      case "userChangePassword":
        return this.#refusalOfUser(change.name);
      case "userGrantRole":
        return this.#refusalOfUser(change.name) ?? this.#refusalOfRole(change.role, change.role === rootName);
      case "userRevokeRole":
        if (this.#enabled && change.name === rootName && change.role === rootName) return "invalidAuthMgmt";
        return (
          this.#refusalOfUser(change.name) ??
          (this.#users.get(change.name)?.roles.includes(change.role) === true ? undefined : "roleNotGranted")
        );
      case "roleAdd":
        if (change.role === "") return "roleEmpty";
        if (utf8Encode(change.role).length > nameBytesMax) return "requestTooLarge";
        if (this.#roles.has(change.role)) return "roleAlreadyExist";
        return this.#roles.size >= authBounds.rolesMax ? "tooManyRequests" : undefined;
      case "roleDelete":
        if (this.#enabled && change.role === rootName) return "invalidAuthMgmt";
        return this.#refusalOfRole(change.role, false);
      case "roleGrantPermission":
        if (change.permission === undefined) return "permissionNotGiven";
        if (!isValidRange(change.permission)) return "invalidAuthMgmt";
        if (this.#permissionsExcept(change.role, change.permission).length >= authBounds.permissionsMax) {
          return "tooManyRequests";
        }
        return this.#refusalOfRole(change.role, false);
      case "roleRevokePermission": {
        const role = this.#roles.get(change.role);
        if (role === undefined) return "roleNotFound";
        return role.permissions.some((other) => compareRanges(other, change) === 0)
          ? undefined
          : "permissionNotGranted";
      }
      default:
        return unreachable(change);
    }
  }

  #refusalOfUser(name: string): RefusalName | undefined {
    return this.#users.has(name) ? undefined : "userNotFound";
  }

  #refusalOfRole(name: string, mayBeMissing: boolean): RefusalName | undefined {
    return mayBeMissing || this.#roles.has(name) ? undefined : "roleNotFound";
  }

  // ---- changes -------------------------------------------------------------------------------------------------

  /** True when the auth revision moves on. */
  #carryOut(change: Exclude<AuthChange, { readonly type: "authenticate" }>): boolean {
    switch (change.type) {
      case "authEnable":
        this.#setEnabled(true);
        return false;
      case "authDisable":
        if (!this.#enabled) return false;
        this.#setEnabled(false);
        this.tokens.clear();
        return true;
      case "userAdd":
        this.#storeUser({ ...change, roles: [] });
        return true;
      case "userDelete":
        this.#users.delete(change.name);
        this.#backend.delete("authUsers", utf8Encode(change.name));
        this.tokens.dropUser(change.name);
        return true;
      case "userChangePassword": {
        const user = this.#knownUser(change.name);
        this.#storeUser({ ...user, passwordHash: user.noPassword ? "" : change.passwordHash });
        this.tokens.dropUser(change.name);
        return true;
      }
      case "userGrantRole": {
        const user = this.#knownUser(change.name);
        if (user.roles.includes(change.role)) return false;
        this.#storeUser({ ...user, roles: [...user.roles, change.role].sort(compareNames) });
        return true;
      }
      case "userRevokeRole":
        this.#takeRole(this.#knownUser(change.name), change.role);
        return true;
      case "roleAdd":
        this.#storeRole({ name: change.role, permissions: [] });
        return true;
      case "roleDelete":
        this.#roles.delete(change.role);
        this.#backend.delete("authRoles", utf8Encode(change.role));
        for (const name of this.userNames) {
          const user = this.#knownUser(name);
          if (user.roles.includes(change.role)) this.#takeRole(user, change.role);
        }
        return true;
      case "roleGrantPermission": {
        const { permission } = change;
        assert(permission !== undefined, "a grant without permission is refused");
        const others = this.#permissionsExcept(change.role, permission);
        this.#storeRole({ name: change.role, permissions: [...others, permission].sort(compareRanges) });
        return true;
      }
      case "roleRevokePermission":
        this.#storeRole({ name: change.role, permissions: this.#permissionsExcept(change.role, change) });
        return true;
      default:
        return unreachable(change);
    }
  }

  #setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    this.#backend.put("auth", enabledKey, Uint8Array.of(enabled ? 1 : 0));
  }

  #knownUser(name: string): User {
    const user = this.#users.get(name);
    assert(user !== undefined, "a user that is changed was looked up before");
    return user;
  }

  #permissionsExcept(role: string, range: KeyRange): readonly Permission[] {
    const permissions = this.#roles.get(role)?.permissions ?? [];
    return permissions.filter((permission) => compareRanges(permission, range) !== 0);
  }

  #takeRole(user: User, role: string): void {
    this.#storeUser({ ...user, roles: user.roles.filter((other) => other !== role) });
  }

  #storeUser({ name, passwordHash, noPassword, roles }: User): void {
    const user: User = { name, passwordHash, noPassword, roles };
    this.#users.set(name, user);
    this.#backend.put("authUsers", utf8Encode(name), encodeUser(user));
  }

  #storeRole(role: Role): void {
    this.#roles.set(role.name, role);
    this.#backend.put("authRoles", utf8Encode(role.name), encodeRole(role));
  }

  #derive(user: User): UserRights {
    const read: Interval[] = [];
    const write: Interval[] = [];
    for (const role of user.roles) {
      for (const permission of this.#roles.get(role)?.permissions ?? []) {
        if (permission.type !== "write") read.push(intervalOf(permission));
        if (permission.type !== "read") write.push(intervalOf(permission));
      }
    }
    return { read: new Rights(read), write: new Rights(write) };
  }
}

const compareNames = (a: string, b: string): number => compareBytes(utf8Encode(a), utf8Encode(b));

const compareRanges = (a: KeyRange, b: KeyRange): number =>
  compareBytes(a.key, b.key) || compareBytes(a.rangeEnd ?? emptyBytes, b.rangeEnd ?? emptyBytes);

/** A key, and an end that is absent, or the open one, or beyond the key. */
function isValidRange({ key, rangeEnd }: KeyRange): boolean {
  if (key.length === 0) return false;
  if (rangeEnd === undefined || rangeEnd.length === 0) return true;
  return (rangeEnd.length === 1 && rangeEnd[0] === 0) || compareBytes(rangeEnd, key) > 0;
}
