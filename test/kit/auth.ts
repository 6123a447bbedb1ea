/*
 * Requests and changes of users and roles, for tests.
 */
import type { AuthChange, AuthCommand } from "../../core/auth/change.ts";
import type { Identity } from "../../core/auth/identity.ts";
import { bytesOfText } from "../../core/bytes.ts";
import type { AuthRequest, KeyRange, Permission, PermissionType } from "../../core/request.ts";

export const change = (what: AuthChange): AuthCommand => ({ type: "auth", change: what });

export const keyRange = (key: string, rangeEnd?: string): KeyRange => ({
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
});

export const permission = (type: PermissionType, key: string, rangeEnd?: string): Permission => ({
  type,
  ...keyRange(key, rangeEnd),
});

export const userAdd = (name: string, passwordHash = `hash of ${name}`): AuthChange => ({
  type: "userAdd",
  name,
  passwordHash,
  noPassword: false,
});

export const as = (name: string, authRevision: number): Identity => ({ type: "user", name, authRevision });

/** Root with its role, one role of that name and rights for each user but root, who has it; then auth is on. */
export function usersAndRoles(users: { readonly [user: string]: readonly Permission[] }): AuthChange[] {
  const changes: AuthChange[] = [userAdd("root"), { type: "userGrantRole", name: "root", role: "root" }];
  for (const [name, permissions] of Object.entries(users)) {
    changes.push(userAdd(name), { type: "roleAdd", role: name });
    for (const each of permissions) changes.push({ type: "roleGrantPermission", role: name, permission: each });
    changes.push({ type: "userGrantRole", name, role: name });
  }
  return [...changes, { type: "authEnable" }];
}

/** The same as calls; passwords are "pw of NAME". */
export function callsOf(changes: readonly AuthChange[]): AuthRequest[] {
  return changes.map((each) => {
    if (each.type === "authenticate") throw new Error("a login is no change that a client asks for");
    if (each.type === "userAdd") {
      return { type: each.type, name: each.name, password: `pw of ${each.name}`, noPassword: each.noPassword };
    }
    if (each.type === "userChangePassword") return { type: each.type, name: each.name, password: each.passwordHash };
    return each;
  });
}
