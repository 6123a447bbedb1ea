/*
 * Every entry leaves its index in the same batch as its data: a start goes on behind the last entry whose effect is in
 * the backend, and applies none twice.
 */
import { expect } from "vitest";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  for (const value of ["1", "2", "3"]) {
    member.answer(putOf("k", value));
    member.backend.commit();
  }
  const revision = member.revision;
  for (const kept of [3, 2, 1, 0]) {
    member.crash(kept);
    expect(member.revision, `after a crash that kept ${kept} batches`).toBe(revision);
    member.backend.commit();
  }
}
