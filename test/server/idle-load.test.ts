/*
 * What merely lies there costs nothing while nothing happens to it: no tick and no write walks over all leases, all
 * streams or all watches. Counted, not timed: every walk over a collection is seen, and how long the collection was.
 */
import { expect, test } from "vitest";
import { leaseIdOf } from "../../core/ids.ts";
import type { Request } from "../../core/request.ts";
import { TestCluster } from "../kit/cluster.ts";
import { putOf, watchFrom } from "../kit/requests.ts";

type Walk = (this: unknown, ...args: unknown[]) => unknown;

/** Does the work; says of each walk over more than `longest` entries how many there were and who walked. */
function longWalks(longest: number, work: () => void): string[] {
  const seen: string[] = [];
  const note = (walked: unknown): void => {
    const size = walked instanceof Map || walked instanceof Set ? walked.size : (walked as unknown[]).length;
    if (size <= longest) return;
    // Below it in the stack stand the stand-in of the walk, and whoever walks; what a test's world walks over is its own.
    const caller = new Error().stack?.split("\n")[3] ?? "";
    if (caller.includes("/core/")) seen.push(`${size} entries${caller}`);
  };
  const restore: (() => void)[] = [];
  const watched: readonly [object, readonly PropertyKey[]][] = [
    [Map.prototype, [Symbol.iterator, "entries", "keys", "values", "forEach"]],
    [Set.prototype, [Symbol.iterator, "entries", "keys", "values", "forEach"]],
    [
      Array.prototype,
      [Symbol.iterator, "entries", "every", "some", "find", "findIndex", "filter", "map", "forEach", "reduce", "sort"],
    ],
    [Array.prototype, ["indexOf", "includes"]],
  ];
  for (const [prototype, names] of watched) {
    for (const name of names) {
      const original = Object.getOwnPropertyDescriptor(prototype, name);
      const walk = original?.value as Walk;
      const seeing: Walk = function (...args) {
        note(this);
        return walk.apply(this, args);
      };
      Object.defineProperty(prototype, name, { ...original, value: seeing });
      restore.push(() => Object.defineProperty(prototype, name, original ?? {}));
    }
  }
  try {
    work();
  } finally {
    for (const each of restore) each();
  }
  return seen;
}

const grant = (leaseId: bigint, ttlSeconds: number): Request => ({
  type: "leaseGrant",
  leaseId: leaseIdOf(leaseId),
  ttlSeconds,
});

test("ticks, writes, renewals and expiries with 100,000 leases, 5,000 streams and 20,000 watches walk over none of them", () => {
  const cluster = new TestCluster({ size: 1 });
  const member = cluster.elect();
  for (let first = 1; first <= 100_000; first += 2_000) {
    cluster.submitAll(
      member,
      Array.from({ length: 2_000 }, (_none, place) => grant(BigInt(first + place), 3_600)),
    );
  }
  for (let place = 0; place < 5_000; place++) cluster.openStream(member, "watch");
  const { id: streamId } = cluster.openStream(member, "watch");
  for (let place = 0; place < 20_000; place++) {
    cluster.send(member, streamId, watchFrom(`w${place}`));
  }
  const { id: keepAliveId, stream } = cluster.openStream(member, "leaseKeepAlive");
  // Those that were opened a moment ago get their turns.
  cluster.pass(1_000);
  const walks = longWalks(2_500, () => {
    cluster.call(member, grant(200_000n, 2));
    for (let second = 0; second < 4; second++) {
      cluster.pass(1_000);
      cluster.call(member, { ...putOf(`w${second}`, "1"), lease: leaseIdOf(BigInt(second + 1)) });
      cluster.send(member, keepAliveId, { type: "leaseKeepAlive", leaseId: leaseIdOf(BigInt(second + 1)) });
    }
    cluster.call(member, { type: "leaseRevoke", leaseId: leaseIdOf(5n) });
  });
  expect(walks).toEqual([]);
  // It did what it should have done.
  expect(stream.replies).toHaveLength(4);
  const timeToLive = { type: "leaseTimeToLive", leaseId: leaseIdOf(200_000n), keys: false } as const;
  expect(cluster.call(member, timeToLive)).toMatchObject({ ok: true, answer: { ttlSeconds: -1 } });
});
