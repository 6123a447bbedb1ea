import { expect, test } from "vitest";
import { InvariantViolation } from "../../core/assert.ts";
import { SimDisk } from "../../sim/disk.ts";
import { SimRandom } from "../../sim/random.ts";
import { logDiskSuite } from "../contract/log-disk.suite.ts";

logDiskSuite({
  name: "simulated",
  canLosePower: true,
  open: async (seed) => {
    const disk = new SimDisk();
    const random = new SimRandom(seed);
    return {
      carryOut: async (operations) => {
        for (const operation of operations) disk.carryOut(operation);
      },
      sync: async () => disk.synced(disk.unsyncedOperations),
      crash: async ({ powerLoss }) => {
        if (powerLoss) disk.losePower(random);
        disk.open();
      },
      read: async () => disk.read(),
      close: async () => undefined,
    };
  },
});

test("over many seeds a power loss loses all, some and none, and ends missing, torn and in zeros", () => {
  const ends = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const disk = new SimDisk();
    disk.carryOut({ type: "create", segment: "a", expectedBytes: 100 });
    disk.synced(1);
    for (let part = 0; part < 3; part++) {
      disk.carryOut({ type: "append", segment: "a", offset: part * 10, bytes: new Uint8Array(10).fill(7) });
    }
    ends.add(disk.losePower(new SimRandom(seed)).end);
  }
  expect([...ends].sort((a, b) => (a < b ? -1 : 1))).toEqual(["missing", "nothing lost", "torn", "zeros"]);
});

test("an append that does not begin at the end of its segment stops the run", () => {
  const disk = new SimDisk();
  disk.carryOut({ type: "create", segment: "a", expectedBytes: 100 });
  const misplaced = { type: "append", segment: "a", offset: 1, bytes: new Uint8Array(1) } as const;
  expect(() => disk.carryOut(misplaced)).toThrow(InvariantViolation);
});

test("a copy of a disk does not change with the disk", () => {
  const disk = new SimDisk();
  disk.carryOut({ type: "create", segment: "a", expectedBytes: 100 });
  disk.carryOut({ type: "append", segment: "a", offset: 0, bytes: Uint8Array.of(1, 2, 3) });
  const copy = disk.copy();
  disk.carryOut({ type: "truncate", segment: "a", sizeBytes: 1 });
  disk.synced(disk.unsyncedOperations);
  expect(copy.read()).toEqual([{ name: "a", bytes: Uint8Array.of(1, 2, 3) }]);
  expect(disk.read()).toEqual([{ name: "a", bytes: Uint8Array.of(1) }]);
});
