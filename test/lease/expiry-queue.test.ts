import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareIds, leaseIdOf } from "../../core/ids.ts";
import { type Expiry, ExpiryQueue } from "../../core/lease/expiry-queue.ts";

const expiryOf = (id: number, dueMs: number): Expiry => ({ leaseId: leaseIdOf(BigInt(id)), dueMs, position: -1 });

describe("expiry queue", () => {
  test("the first is always the one due first, ids ascending among equals, after any adds, moves and removals", () => {
    const steps = fc.array(
      fc.record({ id: fc.nat(15), what: fc.constantFrom("add", "move", "remove"), dueMs: fc.nat(20) }),
      { maxLength: 80, size: "max" },
    );
    fc.assert(
      fc.property(steps, (script) => {
        const queue = new ExpiryQueue();
        const present = new Map<number, Expiry>();
        for (const { id, what, dueMs } of script) {
          const known = present.get(id);
          if (known === undefined) {
            if (what !== "add") continue;
            const expiry = expiryOf(id, dueMs);
            present.set(id, expiry);
            queue.add(expiry);
          } else if (what === "move") queue.move(known, dueMs);
          else {
            queue.remove(known);
            present.delete(id);
          }
          const sorted = [...present.values()].sort((a, b) => a.dueMs - b.dueMs || compareIds(a.leaseId, b.leaseId));
          expect(queue.first).toBe(sorted[0]);
          expect(queue.size).toBe(sorted.length);
        }
      }),
    );
  });

  test("a lease is in it at most once, and only what is in it can be taken out", () => {
    const queue = new ExpiryQueue();
    const expiry = expiryOf(1, 5);
    queue.add(expiry);
    expect(() => queue.add(expiry)).toThrow("once");
    queue.clear();
    expect(() => queue.remove(expiry)).toThrow("is in it");
    queue.add(expiry);
    expect(queue.first).toBe(expiry);
  });
});
