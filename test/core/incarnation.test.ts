import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../chaos/member/random.ts";
import { incarnationMax, nextIncarnation } from "../../core/incarnation.ts";

const draws = (name: string) => seededRandom(`lives/${name}`);

/** So many lives of members that all have the same disk and the same clock; how many numbers they get. */
function numbersOf(lives: number, start: { readonly previous: number; readonly wallClockMs: number }): number {
  const numbers = Array.from({ length: lives }, (_, life) => nextIncarnation({ ...start, random: draws(`${life}`) }));
  return new Set(numbers).size;
}

describe("incarnations", () => {
  test("rise from life to life, whatever the clock shows", () => {
    const anyMs = fc.oneof(fc.integer(), fc.double({ noNaN: true }));
    fc.assert(
      fc.property(fc.nat(incarnationMax), anyMs, fc.string(), (previous, wallClockMs, seed) => {
        const next = nextIncarnation({ previous, wallClockMs, random: draws(seed) });
        expect(next).toBeGreaterThan(previous);
        expect(Number.isSafeInteger(next)).toBe(true);
      }),
    );
  });

  test("of an old copy of a disk are above those it does not know of, when the clock is right", () => {
    const wallClockMs = Date.UTC(2026, 10, 29);
    let previous = 0;
    for (let life = 0; life < 1_000; life++) {
      // The copy knows of no life at all.
      const next = nextIncarnation({ previous: 0, wallClockMs: wallClockMs + 250 * life, random: draws(`${life}`) });
      expect(next).toBeGreaterThan(previous);
      previous = next;
    }
  });

  test("do not come again, also when the disk is an old copy and the clock was set back to where it was", () => {
    const lives = 100;
    expect(numbersOf(lives, { previous: 7_000, wallClockMs: Date.UTC(2026, 10, 29) })).toBe(lives);
    expect(numbersOf(lives, { previous: 2 ** 52, wallClockMs: 0 })).toBe(lives);
    expect(numbersOf(lives, { previous: 0, wallClockMs: 0 })).toBe(lives);
  });

  test("leave room for more lives than anybody begins, wherever the clock was once", () => {
    const random = draws("far");
    let previous = nextIncarnation({ previous: 0, wallClockMs: Number.MAX_VALUE, random });
    for (let life = 0; life < 100_000; life++) previous = nextIncarnation({ previous, wallClockMs: 0, random });
    expect(previous).toBeLessThan(incarnationMax);
  });
});
