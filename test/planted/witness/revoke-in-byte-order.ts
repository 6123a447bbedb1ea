/*
 * The end of a lease deletes its keys in byte order on every member, however each came to know them: one that restarted
 * has read them from its disk, the others in the order in which they were attached.
 */
import { expect } from "vitest";
import { textOfBytes } from "../../../core/bytes.ts";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const leaseId = leaseIdOf(7n);
  const orders = [false, true].map((restarts) => {
    const member = new TestMachine();
    member.answer({ type: "leaseGrant", leaseId, ttlSeconds: 60 });
    for (const key of ["c", "a", "b"]) member.answer(putOf(key, "1", { lease: leaseId }));
    member.backend.sync();
    if (restarts) member.crash(0);
    const { changes } = member.do({ type: "leaseRevoke", leaseId });
    return changes.map(({ keyValue }) => textOfBytes(keyValue.key));
  });
  expect(orders).toEqual([
    ["a", "b", "c"],
    ["a", "b", "c"],
  ]);
}
