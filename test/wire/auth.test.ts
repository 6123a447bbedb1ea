/*
 * The Auth service through etcd's bytes.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type AuthAnswer,
  type AuthRequest,
  clusterIdOf,
  type Header,
  memberIdOf,
  revisionOf,
  termOf,
} from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import * as rpc from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";

const facts = { version: "3.6.14", storageVersion: "3.6.0", quotaBytes: 1 };
const header: Header = {
  clusterId: clusterIdOf(1n),
  memberId: memberIdOf(2n),
  revision: revisionOf(3),
  raftTerm: termOf(4),
};
const text = fc.string({ maxLength: 8 });
const key = fc.uint8Array({ maxLength: 6 });
const rangeEnd = fc.option(fc.uint8Array({ minLength: 1, maxLength: 6 }), { nil: undefined });
const permission = fc.record({
  type: fc.constantFrom("read" as const, "write" as const, "readWrite" as const),
  key,
  rangeEnd,
});
const of = <Type extends string>(...types: Type[]): fc.Arbitrary<{ type: Type }> =>
  fc.constantFrom(...types).map((type) => ({ type }));
const typed = <Type extends string, Fields extends object>(
  types: fc.Arbitrary<{ type: Type }>,
  fields: fc.Arbitrary<Fields>,
) => fc.tuple(types, fields).map(([type, rest]) => ({ ...type, ...rest }));

const requests: fc.Arbitrary<AuthRequest> = fc.oneof(
  of("authEnable", "authDisable", "authStatus", "userList", "roleList"),
  typed(of("authenticate", "userChangePassword"), fc.record({ name: text, password: text })),
  typed(of("userAdd"), fc.record({ name: text, password: text, noPassword: fc.boolean() })),
  typed(of("userGet", "userDelete"), fc.record({ name: text })),
  typed(of("userGrantRole", "userRevokeRole"), fc.record({ name: text, role: text })),
  typed(of("roleAdd", "roleGet", "roleDelete"), fc.record({ role: text })),
  typed(of("roleGrantPermission"), fc.record({ role: text, permission: fc.option(permission, { nil: undefined }) })),
  typed(of("roleRevokePermission"), fc.record({ role: text, key, rangeEnd })),
);
const answers: fc.Arbitrary<AuthAnswer> = fc.oneof(
  of("authEnable", "authDisable", "userAdd", "userDelete", "userChangePassword", "userGrantRole", "userRevokeRole"),
  of("roleAdd", "roleDelete", "roleGrantPermission", "roleRevokePermission"),
  typed(of("authStatus"), fc.record({ enabled: fc.boolean(), authRevision: fc.nat() })),
  typed(of("authenticate"), fc.record({ token: text, user: fc.constant(""), authRevision: fc.constant(0) })),
  typed(of("userGet"), fc.record({ roles: fc.array(text) })),
  typed(of("userList", "roleList"), fc.record({ names: fc.array(text) })),
  typed(of("roleGet"), fc.record({ permissions: fc.array(permission, { maxLength: 3 }) })),
);

test("a request is the same after its trip over the wire", () => {
  fc.assert(
    fc.property(requests, (request) => {
      const call = unaryCalls[request.type];
      expect(call.path).toMatch(/^\/etcdserverpb\.Auth\/[A-Za-z]+$/);
      expect(call.decodeRequest(call.encodeRequest(request))).toEqual(request);
    }),
  );
});

test("an answer and its header are the same after their trip over the wire", () => {
  fc.assert(
    fc.property(answers, (answer) => {
      const call = unaryCalls[answer.type];
      expect(call.decodeAnswer(call.encodeAnswer(header, answer, facts))).toEqual({ header, answer });
    }),
  );
});

test("a hash that a client sends, and a kind of permission that nobody knows, count for nothing", () => {
  const add = create(rpc.AuthUserAddRequestSchema, { name: "u", password: "p", hashedPassword: "aGFzaA==" });
  expect(unaryCalls.userAdd.decodeRequest(toBinary(rpc.AuthUserAddRequestSchema, add))).toEqual({
    type: "userAdd",
    name: "u",
    password: "p",
    noPassword: false,
  });
  const grant = fromBinary(
    rpc.AuthRoleGrantPermissionRequestSchema,
    // name "r", perm { permType 9, key "k" }
    Uint8Array.of(0x0a, 1, 0x72, 0x12, 5, 0x08, 9, 0x12, 1, 0x6b),
  );
  const bytes = toBinary(rpc.AuthRoleGrantPermissionRequestSchema, grant);
  expect(unaryCalls.roleGrantPermission.decodeRequest(bytes)).toEqual({
    type: "roleGrantPermission",
    role: "r",
    permission: undefined,
  });
});
