/*
 * Changes of users, roles and the switch, as they are replicated. They hold hashes, never passwords: hashing is slow and
 * salted, so the member that a password came to does it before it proposes.
 */
import type { Permission } from "../request.ts";

export type AuthChange =
  | { readonly type: "authEnable" }
  | { readonly type: "authDisable" }
  /**
   * A user proved its password to one member, at that auth revision; every member now knows the token, whose name is the
   * prefix and the index of this entry. Without prefix no token is kept.
   */
  | {
      readonly type: "authenticate";
      readonly name: string;
      readonly tokenPrefix: string;
      readonly checkedRevision: number;
    }
  /** `passwordHash` is empty for a user without password. */
  | { readonly type: "userAdd"; readonly name: string; readonly passwordHash: string; readonly noPassword: boolean }
  | { readonly type: "userDelete"; readonly name: string }
  | { readonly type: "userChangePassword"; readonly name: string; readonly passwordHash: string }
  | { readonly type: "userGrantRole"; readonly name: string; readonly role: string }
  | { readonly type: "userRevokeRole"; readonly name: string; readonly role: string }
  | { readonly type: "roleAdd"; readonly role: string }
  | { readonly type: "roleDelete"; readonly role: string }
  | {
      readonly type: "roleGrantPermission";
      readonly role: string;
      /** undefined: the client forgot it. */
      readonly permission: Permission | undefined;
    }
  | {
      readonly type: "roleRevokePermission";
      readonly role: string;
      readonly key: Uint8Array;
      readonly rangeEnd: Uint8Array | undefined;
    };

/** A change on its way through the log. */
export interface AuthCommand {
  readonly type: "auth";
  readonly change: AuthChange;
}
