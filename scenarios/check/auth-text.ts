/*
 * Changes of users and roles in words, for verdicts and reports.
 */
import type { AuthOperation } from "../history.ts";

/** A change of users, roles or the switch, for people. */
export function authText(change: AuthOperation): string {
  switch (change.change) {
    case "enable":
      return "auth on";
    case "addUser":
    case "changePassword":
      return `${change.change} ${change.user}`;
    case "addRole":
      return `addRole ${change.role}`;
    case "grantRole":
    case "revokeRole":
      return `${change.change} ${change.role} of ${change.user}`;
    case "grantRange":
      return `grantRange ${change.right} ${rangeText(change)} to ${change.role}`;
    case "revokeRange":
      return `revokeRange ${rangeText(change)} from ${change.role}`;
  }
}

const rangeText = ({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }): string =>
  rangeEnd === undefined ? JSON.stringify(key) : `[${JSON.stringify(key)}, ${JSON.stringify(rangeEnd)})`;
