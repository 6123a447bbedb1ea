/*
 * What a member may rely on from its log disk, simulated or real: order, exact bytes, and what a crash leaves. The
 * simulated disk may be harsher than the real one, never kinder.
 */
import { describe, expect, test } from "vitest";
import type { LogOperation } from "../../core/output.ts";
import { type Contract, testsOf } from "./contract.ts";

export interface LogDiskSubject {
  /** Carries the operations out in order. */
  carryOut(operations: readonly LogOperation[]): Promise<void>;
  /** Makes everything carried out durable. */
  sync(): Promise<void>;
  /** Ends the process, with `powerLoss` the machine too, and opens the disk again. */
  crash(how: { readonly powerLoss: boolean }): Promise<void>;
  /** Segments by name; bytes beyond the end may be zeros when space was set aside. */
  read(): Promise<readonly { readonly name: string; readonly bytes: Uint8Array }[]>;
  close(): Promise<void>;
}

export type LogDiskContract = Contract<LogDiskSubject>;

const bytesFrom = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_none, position) => 1 + ((first + position) % 255));

const append = (segment: string, offset: number, bytes: Uint8Array): LogOperation => ({
  type: "append",
  segment,
  offset,
  bytes,
});
const create = (segment: string): LogOperation => ({ type: "create", segment, expectedBytes: 4_096 });

/** The segment's bytes without the zeros that follow the last byte written; our bytes are never zero. */
async function contentOf(disk: LogDiskSubject, name: string): Promise<Uint8Array | undefined> {
  const bytes = (await disk.read()).find((segment) => segment.name === name)?.bytes;
  if (bytes === undefined) return undefined;
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return Uint8Array.from(bytes.subarray(0, end));
}

export function logDiskSuite(contract: LogDiskContract): void {
  const { powerTest, withSubject: withDisk } = testsOf(contract);

  describe(`log disk: ${contract.name}`, () => {
    test("what was appended is read back in order, byte for byte", () =>
      withDisk(1, async (disk) => {
        await disk.carryOut([create("a"), append("a", 0, bytesFrom(10, 0)), append("a", 10, bytesFrom(700, 10))]);
        await disk.sync();
        expect(await contentOf(disk, "a")).toEqual(bytesFrom(710, 0));
      }));

    test("segments are listed by name", () =>
      withDisk(1, async (disk) => {
        await disk.carryOut([create("0b"), create("0a"), create("0c")]);
        await disk.sync();
        expect((await disk.read()).map((segment) => segment.name)).toEqual(["0a", "0b", "0c"]);
      }));

    test("a cut segment goes on at the cut", () =>
      withDisk(1, async (disk) => {
        await disk.carryOut([create("a"), append("a", 0, bytesFrom(600, 0))]);
        await disk.sync();
        await disk.carryOut([{ type: "truncate", segment: "a", sizeBytes: 515 }, append("a", 515, bytesFrom(4, 9))]);
        await disk.sync();
        expect(await contentOf(disk, "a")).toEqual(Uint8Array.from([...bytesFrom(515, 0), ...bytesFrom(4, 9)]));
      }));

    test("a removed segment is gone, and its name is free again", () =>
      withDisk(1, async (disk) => {
        await disk.carryOut([create("a"), append("a", 0, bytesFrom(9, 0)), create("b")]);
        await disk.sync();
        await disk.carryOut([{ type: "remove", segment: "a" }]);
        await disk.sync();
        expect((await disk.read()).map((segment) => segment.name)).toEqual(["b"]);
        await disk.carryOut([create("a")]);
        await disk.sync();
        expect(await contentOf(disk, "a")).toEqual(new Uint8Array(0));
      }));

    test("the end of the process alone loses nothing that was carried out", () =>
      withDisk(1, async (disk) => {
        await disk.carryOut([create("a"), append("a", 0, bytesFrom(100, 0))]);
        await disk.crash({ powerLoss: false });
        expect(await contentOf(disk, "a")).toEqual(bytesFrom(100, 0));
      }));

    powerTest("a power loss keeps synced bytes and, of the others, no more than a beginning", async () => {
      const synced = bytesFrom(300, 0);
      const later = bytesFrom(200, 300);
      for (let seed = 1; seed <= 20; seed++) {
        await withDisk(seed, async (disk) => {
          await disk.carryOut([create("a"), append("a", 0, synced)]);
          await disk.sync();
          await disk.carryOut([append("a", 300, later)]);
          await disk.crash({ powerLoss: true });
          const found = (await contentOf(disk, "a")) ?? new Uint8Array(0);
          expect(found.subarray(0, 300)).toEqual(synced);
          expect(found.subarray(300)).toEqual(later.subarray(0, found.length - 300));
        });
      }
    });

    powerTest("a power loss right after a sync loses nothing", () =>
      withDisk(3, async (disk) => {
        await disk.carryOut([
          create("a"),
          append("a", 0, bytesFrom(50, 0)),
          create("b"),
          append("b", 0, bytesFrom(5, 7)),
        ]);
        await disk.sync();
        await disk.crash({ powerLoss: true });
        expect(await contentOf(disk, "a")).toEqual(bytesFrom(50, 0));
        expect(await contentOf(disk, "b")).toEqual(bytesFrom(5, 7));
      }),
    );

    powerTest("what a new life found on the disk stays, whatever happens next", () =>
      withDisk(6, async (disk) => {
        await disk.carryOut([create("a"), append("a", 0, bytesFrom(40, 0))]);
        await disk.crash({ powerLoss: false });
        expect(await contentOf(disk, "a")).toEqual(bytesFrom(40, 0));
        await disk.crash({ powerLoss: true });
        expect(await contentOf(disk, "a")).toEqual(bytesFrom(40, 0));
      }),
    );

    powerTest("a synced cut stays cut after a power loss", () =>
      withDisk(4, async (disk) => {
        await disk.carryOut([create("a"), append("a", 0, bytesFrom(50, 0))]);
        await disk.sync();
        await disk.carryOut([{ type: "truncate", segment: "a", sizeBytes: 20 }]);
        await disk.sync();
        await disk.crash({ powerLoss: true });
        expect(await contentOf(disk, "a")).toEqual(bytesFrom(20, 0));
      }),
    );

    test("after a crash the disk takes new operations", () =>
      withDisk(5, async (disk) => {
        await disk.carryOut([create("a"), append("a", 0, bytesFrom(8, 0))]);
        await disk.sync();
        await disk.crash({ powerLoss: contract.canLosePower });
        await disk.carryOut([append("a", 8, bytesFrom(8, 8))]);
        await disk.sync();
        expect(await contentOf(disk, "a")).toEqual(bytesFrom(16, 0));
      }));
  });
}
