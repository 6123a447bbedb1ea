import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import { type LeaseId, leaseIdOf } from "../../core/ids.ts";
import { decodeLease, encodeLease } from "../../core/lease/lease-record.ts";
import { Lessor, revokeRetryMs } from "../../core/lease/lessor.ts";
import { bytes } from "../kit/member-kit.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";
import { leaseIds } from "../kit/request-arbitraries.ts";

const id = (value: number): LeaseId => leaseIdOf(BigInt(value));
const lessorOf = (config: Partial<MemberConfig> = {}, backend = new MemoryBackend()): Lessor =>
  new Lessor(backend, { ...defaultMemberConfig, ...config });

/** Every question is answered by looking through all leases. */
class NaiveLessor {
  private readonly leases = new Map<bigint, { ttl: number; remaining: number; expiry: number; notBefore: number }>();
  private readonly keys = new Map<string, bigint>();
  primary = false;

  grant(leaseId: bigint, ttl: number, now: number): string | number {
    if (this.leases.has(leaseId)) return "leaseExists";
    const granted = Math.max(ttl, 1);
    this.leases.set(leaseId, { ttl: granted, remaining: 0, expiry: now + granted * 1000, notBefore: 0 });
    return granted;
  }
  revoke(leaseId: bigint): string[] {
    const gone = [...this.keys].filter(([, lease]) => lease === leaseId).map(([key]) => key);
    for (const key of gone) this.keys.delete(key);
    this.leases.delete(leaseId);
    return gone.sort();
  }
  attach(leaseId: bigint, key: string): void {
    if (this.leases.has(leaseId)) this.keys.set(key, leaseId);
  }
  detach = (key: string): boolean => this.keys.delete(key);
  checkpoint(leaseId: bigint, remaining: number): void {
    const lease = this.leases.get(leaseId);
    if (lease !== undefined) lease.remaining = Math.min(remaining, lease.ttl);
  }
  promote(now: number, extend: number): void {
    this.primary = true;
    for (const lease of this.leases.values()) {
      lease.expiry = now + (lease.remaining || lease.ttl) * 1000 + extend;
      lease.notBefore = 0;
    }
  }
  renew(leaseId: bigint, now: number): number {
    const lease = this.leases.get(leaseId);
    if (lease === undefined || lease.expiry <= now) return 0;
    lease.expiry = now + lease.ttl * 1000;
    return lease.ttl;
  }
  left(leaseId: bigint, now: number): number | undefined {
    const lease = this.leases.get(leaseId);
    return lease && Math.max(0, Math.floor((lease.expiry - now) / 1000));
  }
  expired(now: number, max: number): bigint[] {
    if (!this.primary) return [];
    const due = [...this.leases].filter(([, lease]) => lease.expiry <= now && lease.notBefore <= now);
    due.sort(([a, x], [b, y]) => (x.notBefore || x.expiry) - (y.notBefore || y.expiry) || (a < b ? -1 : 1));
    const named = due.slice(0, max);
    for (const [, lease] of named) lease.notBefore = now + revokeRetryMs;
    return named.map(([leaseId]) => leaseId);
  }
}

type Step =
  | { readonly do: "grant"; readonly leaseId: LeaseId; readonly ttl: number }
  | { readonly do: "revoke" | "renew" | "left"; readonly leaseId: LeaseId }
  | { readonly do: "attach"; readonly leaseId: LeaseId; readonly key: string }
  | { readonly do: "detach"; readonly key: string }
  | { readonly do: "checkpoint"; readonly leaseId: LeaseId; readonly remaining: number }
  | { readonly do: "promote"; readonly extend: number }
  | { readonly do: "demote" | "reload" }
  | { readonly do: "expired"; readonly max: number };

const keyNames = fc.constantFrom("a", "b", "c", "\xff");
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("grant" as const), leaseId: leaseIds, ttl: fc.integer({ min: -1, max: 12 }) }),
  fc.record({
    do: fc.constantFrom("revoke" as const, "renew" as const, "renew" as const, "left" as const),
    leaseId: leaseIds,
  }),
  fc.record({ do: fc.constant("attach" as const), leaseId: leaseIds, key: keyNames }),
  fc.record({ do: fc.constant("detach" as const), key: keyNames }),
  fc.record({ do: fc.constant("checkpoint" as const), leaseId: leaseIds, remaining: fc.nat(20) }),
  fc.record({ do: fc.constant("promote" as const), extend: fc.constantFrom(0, 1000) }),
  fc.record({ do: fc.constantFrom("demote" as const, "reload" as const) }),
  fc.record({ do: fc.constant("expired" as const), max: fc.integer({ min: 1, max: 3 }) }),
);

describe("lessor", () => {
  test("keys, time left, expiry and answers equal those of a naive one, through leaderships and restarts", () => {
    const script = fc.array(fc.tuple(steps, fc.nat(2_500)), { maxLength: 80, size: "max" });
    fc.assert(
      fc.property(script, (timed) => {
        const backend = new MemoryBackend();
        const lessor = lessorOf({}, backend);
        const naive = new NaiveLessor();
        let now = 5_000;
        for (const [step, passedMs] of timed) {
          now += passedMs;
          play(lessor, naive, step, now);
        }
      }),
      { numRuns: 300 },
    );
  });

  function play(lessor: Lessor, naive: NaiveLessor, step: Step, now: number): void {
    switch (step.do) {
      case "grant": {
        const granted = lessor.grant(step.leaseId, step.ttl, now);
        expect(granted.ok ? granted.ttlSeconds : granted.refusal).toBe(naive.grant(step.leaseId, step.ttl, now));
        return;
      }
      case "revoke": {
        if (!lessor.has(step.leaseId)) return;
        const keys = lessor.keysOf(step.leaseId);
        for (const key of keys) lessor.detach(key);
        lessor.remove(step.leaseId);
        expect(keys).toEqual(naive.revoke(step.leaseId));
        return;
      }
      case "renew":
        if (lessor.isPrimary) expect(lessor.renew(step.leaseId, now)).toBe(naive.renew(step.leaseId, now));
        return;
      case "left":
        if (lessor.isPrimary)
          expect(lessor.timeToLive(step.leaseId, now)?.ttlSeconds).toBe(naive.left(step.leaseId, now));
        return;
      case "attach":
        if (lessor.has(step.leaseId)) lessor.attach(step.leaseId, step.key);
        naive.attach(step.leaseId, step.key);
        return;
      case "detach":
        lessor.detach(step.key);
        naive.detach(step.key);
        return;
      case "checkpoint":
        lessor.checkpoint(step.leaseId, step.remaining);
        naive.checkpoint(step.leaseId, step.remaining);
        return;
      case "promote":
        lessor.promote(now, step.extend);
        naive.promote(now, step.extend);
        return;
      case "demote":
        lessor.demote();
        naive.primary = false;
        return;
      case "reload": {
        const attached = new Map<string, LeaseId>();
        for (const leaseId of lessor.leaseIds) for (const key of lessor.keysOf(leaseId)) attached.set(key, leaseId);
        lessor.reload(attached);
        naive.primary = false;
        return;
      }
      case "expired":
        expect(lessor.expired(now, step.max)).toEqual(naive.expired(now, step.max));
    }
  }

  test("a renewal of a lease past its time answers 0 and does not bring it back", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    lessor.grant(id(1), 5, 0);
    expect(lessor.renew(id(1), 4_999)).toBe(5);
    expect(lessor.expired(9_998, 10)).toEqual([]);
    expect(lessor.renew(id(1), 9_999)).toBe(0);
    expect(lessor.expired(9_999, 10)).toEqual([id(1)]);
    expect(lessor.timeToLive(id(1), 12_000)).toMatchObject({ ttlSeconds: 0, grantedTtlSeconds: 5 });
    expect(lessor.renew(id(2), 0)).toBe(0);
  });

  test("an expired lease is named again only after the retry interval, as long as its revoke is not applied", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    lessor.grant(id(1), 5, 0);
    expect(lessor.expired(5_000, 10)).toEqual([id(1)]);
    expect(lessor.expired(5_000 + revokeRetryMs - 1, 10)).toEqual([]);
    expect(lessor.expired(5_000 + revokeRetryMs, 10)).toEqual([id(1)]);
    lessor.remove(id(1));
    expect(lessor.expired(1_000_000, 10)).toEqual([]);
  });

  test("a new primary gives every lease its checkpointed or its full time and the extension, every time anew (T05)", () => {
    const lessor = lessorOf();
    lessor.grant(id(1), 60, 0);
    lessor.grant(id(2), 60, 0);
    lessor.checkpoint(id(2), 20);
    for (const now of [10_000, 500_000]) {
      lessor.promote(now, 1_000);
      expect(lessor.timeToLive(id(1), now)?.ttlSeconds).toBe(61);
      expect(lessor.timeToLive(id(2), now)?.ttlSeconds).toBe(21);
      expect(lessor.leaseIds).toEqual([id(2), id(1)]);
    }
    lessor.demote();
    expect(lessor.leaseIds).toEqual([id(1), id(2)]);
  });

  test("only the primary answers for time, and nothing expires without one (T09)", () => {
    const lessor = lessorOf();
    lessor.grant(id(1), 5, 0);
    expect(lessor.expired(1_000_000, 10)).toEqual([]);
    expect(() => lessor.renew(id(1), 0)).toThrow("only the primary");
    expect(() => lessor.timeToLive(id(1), 0)).toThrow("only the primary");
  });

  test("after a promotion no second sees more expiries than looks can revoke, and no lease ends early", () => {
    const lessor = lessorOf({ leaseRevokesPerCheckMax: 10, leaseCheckMs: 500 });
    for (let number = 1; number <= 100; number++) lessor.grant(id(number), 30, 0);
    lessor.promote(0, 0);
    expect(lessor.expired(29_999, 1_000)).toHaveLength(0);
    let total = 0;
    for (let second = 0; total < 100; second++) {
      const due = lessor.expired(30_000 + second * 1_000, 1_000);
      expect(due.length).toBeGreaterThan(0);
      expect(due.length).toBeLessThanOrEqual(15);
      for (const leaseId of due) lessor.remove(leaseId);
      total += due.length;
    }
  });

  test("leases survive a restart, keys hang on them again, and a key that names an unknown lease on none", () => {
    const backend = new MemoryBackend();
    const before = lessorOf({}, backend);
    before.grant(id(-7), 40, 0);
    before.checkpoint(id(-7), 11);
    const after = lessorOf({}, backend);
    after.reload(
      new Map([
        ["b", id(-7)],
        ["a", id(-7)],
        ["c", id(99)],
      ]),
    );
    expect(after.leaseIds).toEqual([id(-7)]);
    expect(after.keysOf(id(-7))).toEqual(["a", "b"]);
    after.promote(0, 0);
    expect(after.timeToLive(id(-7), 0)).toEqual({
      ttlSeconds: 11,
      grantedTtlSeconds: 40,
      keys: [bytes("a"), bytes("b")],
    });
  });

  test("a stored lease is etcd's protobuf and comes back as it was", () => {
    const record = { leaseId: id(300), ttlSeconds: 5, remainingTtlSeconds: 0 };
    expect([...encodeLease(record)]).toEqual([0x08, 0xac, 0x02, 0x10, 5]);
    const records = fc.record({
      leaseId: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(leaseIdOf),
      ttlSeconds: fc.nat(9_000_000_000),
      remainingTtlSeconds: fc.nat(9_000_000_000),
    });
    fc.assert(
      fc.property(records, (each) => {
        expect(decodeLease(encodeLease(each))).toEqual(each);
      }),
    );
  });
});
