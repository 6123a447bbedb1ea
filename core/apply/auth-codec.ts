/*
 * The bytes of a change of users and roles inside a replicated command, and of the identity a command was given by. Kinds
 * and positions in the lists below are in logs on disk: append only.
 */
import { assert, unreachable } from "../assert.ts";
import type { AuthChange } from "../auth/change.ts";
import { type Identity, memberItself } from "../auth/identity.ts";
import type { ByteReader, ByteWriter } from "../byte-io.ts";
import type { PermissionType } from "../request.ts";
import { pick } from "./operation-codec.ts";

const kinds: readonly AuthChange["type"][] = [
  "authEnable",
  "authDisable",
  "authenticate",
  "userAdd",
  "userDelete",
  "userChangePassword",
  "userGrantRole",
  "userRevokeRole",
  "roleAdd",
  "roleDelete",
  "roleGrantPermission",
  "roleRevokePermission",
];
const permissionTypes: readonly PermissionType[] = ["read", "write", "readWrite"];

export function writeAuthChange(writer: ByteWriter, change: AuthChange): void {
  writer.byte(kinds.indexOf(change.type));
  switch (change.type) {
    case "authEnable":
    case "authDisable":
      return;
    case "authenticate":
      writer.text(change.name);
      writer.text(change.tokenPrefix);
      writer.varint(change.checkedRevision);
      return;
    case "userAdd":
      writer.text(change.name);
      writer.text(change.passwordHash);
      writer.byte(change.noPassword ? 1 : 0);
      return;
    case "userDelete":
      writer.text(change.name);
      return;
    case "userChangePassword":
      writer.text(change.name);
      writer.text(change.passwordHash);
      return;
    case "userGrantRole":
    case "userRevokeRole":
      writer.text(change.name);
      writer.text(change.role);
      return;
    case "roleAdd":
    case "roleDelete":
      writer.text(change.role);
      return;
    case "roleGrantPermission":
      writer.text(change.role);
      writer.byte(change.permission === undefined ? 0 : 1);
      if (change.permission === undefined) return;
      writer.byte(permissionTypes.indexOf(change.permission.type));
      writer.byteString(change.permission.key);
      writeRangeEnd(writer, change.permission.rangeEnd);
      return;
    case "roleRevokePermission":
      writer.text(change.role);
      writer.byteString(change.key);
      writeRangeEnd(writer, change.rangeEnd);
      return;
    default:
      unreachable(change);
  }
}

export function readAuthChange(reader: ByteReader): AuthChange {
  const type = pick(kinds, reader.byte());
  switch (type) {
    case "authEnable":
    case "authDisable":
      return { type };
    case "authenticate": {
      const name = reader.text();
      const tokenPrefix = reader.text();
      return { type, name, tokenPrefix, checkedRevision: reader.varint() };
    }
    case "userAdd": {
      const name = reader.text();
      const passwordHash = reader.text();
      return { type, name, passwordHash, noPassword: reader.byte() === 1 };
    }
    case "userDelete":
      return { type, name: reader.text() };
    case "userChangePassword": {
      const name = reader.text();
      return { type, name, passwordHash: reader.text() };
    }
    case "userGrantRole":
    case "userRevokeRole": {
      const name = reader.text();
      return { type, name, role: reader.text() };
    }
    case "roleAdd":
    case "roleDelete":
      return { type, role: reader.text() };
    case "roleGrantPermission": {
      const role = reader.text();
      if (reader.byte() === 0) return { type, role, permission: undefined };
      const permissionType = pick(permissionTypes, reader.byte());
      const key = reader.byteString();
      return { type, role, permission: { type: permissionType, key, rangeEnd: readRangeEnd(reader) } };
    }
    case "roleRevokePermission": {
      const role = reader.text();
      const key = reader.byteString();
      return { type, role, key, rangeEnd: readRangeEnd(reader) };
    }
    default:
      return unreachable(type);
  }
}

/** An empty end on the wire is none. */
function writeRangeEnd(writer: ByteWriter, rangeEnd: Uint8Array | undefined): void {
  writer.byte(rangeEnd === undefined ? 0 : 1);
  if (rangeEnd !== undefined) writer.byteString(rangeEnd);
}

const readRangeEnd = (reader: ByteReader): Uint8Array | undefined =>
  reader.byte() === 1 ? reader.byteString() : undefined;

// ---- identity --------------------------------------------------------------------------------------------------

const userKind = 1;
const memberKind = 2;

/** An anonymous identity has no bytes: the command's version says that there are none. */
export function writeIdentity(writer: ByteWriter, identity: Exclude<Identity, { readonly type: "anonymous" }>): void {
  if (identity.type === "member") {
    writer.byte(memberKind);
    return;
  }
  writer.byte(userKind);
  writer.text(identity.name);
  writer.varint(identity.authRevision);
}

export function readIdentity(reader: ByteReader): Identity {
  const kind = reader.byte();
  if (kind === memberKind) return memberItself;
  assert(kind === userKind, "a command comes from somebody this member can name", kind);
  const name = reader.text();
  return { type: "user", name, authRevision: reader.varint() };
}
