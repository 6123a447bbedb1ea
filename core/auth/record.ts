/*
 * Stored users and roles: etcd's authpb.User and authpb.Role, by hand, because the protobuf runtime lives at the edge.
 *
 *   User  1 name, 2 password hash, 3 role name (repeated), 4 options { 1 no_password }
 *   Role  1 name, 2 permission (repeated) { 1 type, 2 key, 3 range_end }
 */
import { assert } from "../assert.ts";
import { ByteReader, ByteWriter } from "../byte-io.ts";
import { emptyBytes, utf8Decode, utf8Encode } from "../bytes.ts";
import type { Permission, PermissionType } from "../request.ts";

export interface User {
  readonly name: string;
  /** Empty without password. */
  readonly passwordHash: string;
  readonly noPassword: boolean;
  /** In byte order, each once. */
  readonly roles: readonly string[];
}

export interface Role {
  readonly name: string;
  /** By key, then range end; no two with both alike. */
  readonly permissions: readonly Permission[];
}

/** Position is etcd's number. */
const permissionTypes: readonly PermissionType[] = ["read", "write", "readWrite"];

export function encodeUser(user: User): Uint8Array {
  const writer = new ByteWriter(new Uint8Array(128));
  writeText(writer, 1, user.name);
  if (user.passwordHash !== "") writeText(writer, 2, user.passwordHash);
  for (const role of user.roles) writeText(writer, 3, role);
  writeBytes(writer, 4, user.noPassword ? Uint8Array.of(0x08, 1) : emptyBytes);
  return writer.finish();
}

export function decodeUser(bytes: Uint8Array): User {
  let name = "";
  let passwordHash = "";
  let noPassword = false;
  const roles: string[] = [];
  readFields(bytes, (field, content) => {
    if (field === 1) name = utf8Decode(content);
    else if (field === 2) passwordHash = utf8Decode(content);
    else if (field === 3) roles.push(utf8Decode(content));
    else if (field === 4) noPassword = content[0] === 0x08 && content[1] === 1;
  });
  return { name, passwordHash, noPassword, roles };
}

export function encodeRole(role: Role): Uint8Array {
  const writer = new ByteWriter(new Uint8Array(128));
  writeText(writer, 1, role.name);
  for (const permission of role.permissions) writeBytes(writer, 2, encodePermission(permission));
  return writer.finish();
}

export function decodeRole(bytes: Uint8Array): Role {
  let name = "";
  const permissions: Permission[] = [];
  readFields(bytes, (field, content) => {
    if (field === 1) name = utf8Decode(content);
    else if (field === 2) permissions.push(decodePermission(content));
  });
  return { name, permissions };
}

function encodePermission({ type, key, rangeEnd }: Permission): Uint8Array {
  const writer = new ByteWriter(new Uint8Array(key.length + (rangeEnd?.length ?? 0) + 16));
  const number = permissionTypes.indexOf(type);
  if (number > 0) {
    writer.byte(0x08);
    writer.byte(number);
  }
  writeBytes(writer, 2, key);
  if (rangeEnd !== undefined) writeBytes(writer, 3, rangeEnd);
  return writer.finish();
}

function decodePermission(bytes: Uint8Array): Permission {
  let type: PermissionType = "read";
  let key = emptyBytes;
  let rangeEnd: Uint8Array | undefined;
  readFields(bytes, (field, content, number) => {
    if (field === 1) type = permissionTypes[number] ?? "read";
    else if (field === 2) key = content;
    else if (field === 3 && content.length > 0) rangeEnd = content;
  });
  return { type, key, rangeEnd };
}

// ---- protobuf --------------------------------------------------------------------------------------------------

const writeText = (writer: ByteWriter, field: number, text: string): void =>
  writeBytes(writer, field, utf8Encode(text));

function writeBytes(writer: ByteWriter, field: number, bytes: Uint8Array): void {
  writer.byte((field << 3) | 2);
  writer.byteString(bytes);
}

/** Calls for each field: bytes with `number` 0, or no bytes with the number. */
function readFields(bytes: Uint8Array, visit: (field: number, content: Uint8Array, number: number) => void): void {
  const reader = new ByteReader(bytes);
  while (!reader.atEnd) {
    const tag = reader.varint();
    const kind = tag & 7;
    assert(kind === 0 || kind === 2, "a stored user or role has fields this member knows", tag);
    if (kind === 0) visit(tag >> 3, emptyBytes, reader.varint());
    else visit(tag >> 3, reader.byteString(), 0);
  }
}
