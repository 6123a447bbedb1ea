/*
 * What a member may rely on from its chance, simulated or real: ranges, rough evenness, and streams that do not touch
 * each other.
 */
import { describe, expect, test } from "vitest";
import type { Random } from "../../core/ports.ts";

export interface RandomContract {
  readonly name: string;
  open(): Random;
}

const draws = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.nextUint32());

export function randomSuite(contract: RandomContract): void {
  describe(`random: ${contract.name}`, () => {
    test("draws are whole numbers of 32 bits, and not all alike", () => {
      const seen = draws(contract.open(), 1_000);
      for (const draw of seen) expect(Number.isInteger(draw) && draw >= 0 && draw < 2 ** 32).toBe(true);
      expect(new Set(seen).size).toBeGreaterThan(990);
    });

    test("below stays below its bound, from the smallest bound to the largest", () => {
      const random = contract.open();
      for (const bound of [1, 2, 3, 7, 1_000, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1, 2 ** 32]) {
        for (let draw = 0; draw < 50; draw++) {
          const value = random.below(bound);
          expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
        }
      }
    });

    test("below reaches every value about equally often", () => {
      const random = contract.open();
      const counts = new Array<number>(10).fill(0);
      for (let draw = 0; draw < 20_000; draw++) {
        const value = random.below(10);
        counts[value] = (counts[value] ?? 0) + 1;
      }
      for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(300);
    });

    test("one name always gives one stream from its start, however often its parent or another stream was drawn", () => {
      const random = contract.open();
      const first = draws(random.fork("election"), 20);
      draws(random, 7);
      draws(random.fork("lease"), 3);
      expect(draws(random.fork("election"), 20)).toEqual(first);
    });

    test("different names and different depths give different streams", () => {
      const random = contract.open();
      const streams = [
        random,
        random.fork("a"),
        random.fork("b"),
        random.fork("ab"),
        random.fork("ba"),
        random.fork("a").fork("b"),
        random.fork("b").fork("a"),
        random.fork(""),
      ];
      const beginnings = streams.map((stream) => draws(stream, 4).join());
      expect(new Set(beginnings).size).toBe(streams.length);
    });
  });
}
