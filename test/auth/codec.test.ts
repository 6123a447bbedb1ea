import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Command, decodeCommand, encodeCommand } from "../../core/apply/command.ts";
import type { AuthChange } from "../../core/auth/change.ts";
import { type Identity, memberItself } from "../../core/auth/identity.ts";
import { memberIdOf } from "../../core/ids.ts";
import { change, userAdd } from "../kit/auth.ts";
import { plain } from "../kit/plain.ts";
import { keys, rangeEnds } from "../kit/request-arbitraries.ts";
import { putOf } from "../kit/requests.ts";

const text = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("", "ü\u{1f600}"));
const permissions = fc.record({
  type: fc.constantFrom("read" as const, "write" as const, "readWrite" as const),
  key: keys,
  rangeEnd: rangeEnds,
});
const changes: fc.Arbitrary<AuthChange> = fc.oneof(
  fc.record({ type: fc.constantFrom("authEnable" as const, "authDisable" as const) }),
  fc.record({
    type: fc.constant("authenticate" as const),
    name: text,
    tokenPrefix: text,
    checkedRevision: fc.maxSafeInteger().map(Math.abs),
  }),
  fc.record({ type: fc.constant("userAdd" as const), name: text, passwordHash: text, noPassword: fc.boolean() }),
  fc.record({ type: fc.constant("userChangePassword" as const), name: text, passwordHash: text }),
  fc.record({ type: fc.constant("userDelete" as const), name: text }),
  fc.record({
    type: fc.constantFrom("userGrantRole" as const, "userRevokeRole" as const),
    name: text,
    role: text,
  }),
  fc.record({ type: fc.constantFrom("roleAdd" as const, "roleDelete" as const), role: text }),
  fc.record({
    type: fc.constant("roleGrantPermission" as const),
    role: text,
    permission: fc.option(permissions, { nil: undefined }),
  }),
  fc.record({ type: fc.constant("roleRevokePermission" as const), role: text, key: keys, rangeEnd: rangeEnds }),
);
const identities: fc.Arbitrary<Identity> = fc.oneof(
  fc.constant(memberItself),
  fc.record({ type: fc.constant("user" as const), name: text, authRevision: fc.nat() }),
);
const id = { origin: memberIdOf(3n), incarnation: 2, sequence: 9 };

test("changes of users and roles, and identities, come back from their bytes as they were", () => {
  fc.assert(
    fc.property(changes, identities, (what, identity) => {
      const command: Command = { id, identity, request: change(what) };
      expect(plain(decodeCommand(encodeCommand(command)))).toBe(plain(command));
    }),
    { numRuns: 300 },
  );
});

test("a command of nobody has the bytes it had before there were identities", () => {
  const bytes = encodeCommand({ id, identity: { type: "anonymous" }, request: putOf("k", "v") });
  expect(bytes).toEqual(encodeCommand({ id, request: putOf("k", "v") }));
  expect(bytes[0]).toBe(1);
  expect(decodeCommand(bytes)).not.toHaveProperty("identity");
});

test("a change cut short is a broken invariant", () => {
  const bytes = encodeCommand({ id, identity: memberItself, request: change(userAdd("somebody")) });
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeCommand(bytes.subarray(0, length))).toThrow();
  }
});
