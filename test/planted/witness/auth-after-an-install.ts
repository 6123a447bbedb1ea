/*
 * A snapshot replaces users and roles under a member. Nothing it had worked out or remembered of them counts any more:
 * neither rights that were taken away meanwhile, nor tokens given out for a password that was changed.
 */
import { expect } from "vitest";
import { AuthStore } from "../../../core/auth/auth-store.ts";
import type { AuthChange } from "../../../core/auth/change.ts";
import { defaultMemberConfig } from "../../../core/config.ts";
import { permission, usersAndRoles } from "../../kit/auth.ts";
import { MemoryBackend } from "../../kit/memory-backend.ts";

export function witness(): void {
  const backend = new MemoryBackend();
  const [behind, ahead] = [new AuthStore(backend, defaultMemberConfig), new AuthStore(backend, defaultMemberConfig)];
  behind.reload();
  let index = 0;
  const apply = (store: AuthStore, change: AuthChange): string | undefined => {
    index += 1;
    const outcome = store.apply(change, { index, nowMs: 0 });
    if (!outcome.ok) throw new Error(`refused: ${outcome.refusal}`);
    return outcome.answer.type === "authenticate" ? outcome.answer.token : undefined;
  };
  for (const each of usersAndRoles({ u: [permission("readWrite", "k")] })) apply(behind, each);
  const checkedRevision = behind.revision;
  const token = apply(behind, { type: "authenticate", name: "u", tokenPrefix: "prefix", checkedRevision }) ?? "";
  expect(behind.tokens.use(token, 0)).toBe("u");
  expect(behind.rightsOf("u")?.write.coversKey("k")).toBe(true);
  // The others go on without it; what they have come to is installed here.
  ahead.reload();
  apply(ahead, { type: "userChangePassword", name: "u", passwordHash: "another" });
  apply(ahead, { type: "userRevokeRole", name: "u", role: "u" });
  behind.reload();
  expect(behind.tokens.use(token, 0)).toBeUndefined();
  expect(behind.rightsOf("u")?.write.coversKey("k")).toBe(false);
}
