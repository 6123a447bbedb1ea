import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import type { LinkLaw } from "../../scenarios/faults.ts";
import { messageFate } from "../../scenarios/link-fate.ts";

const lawArbitrary: fc.Arbitrary<LinkLaw> = fc
  .record({
    minDelayMs: fc.nat(200),
    more: fc.nat(2_000),
    lossPpm: fc.nat(1_000_000),
    duplicatePpm: fc.nat(1_000_000),
    reorderPpm: fc.nat(1_000_000),
  })
  .map(({ more, ...law }) => ({ ...law, maxDelayMs: law.minDelayMs + more }));
const message = fc.record({
  seed: fc.maxSafeNat(),
  from: fc.nat(8),
  to: fc.nat(8),
  count: fc.nat(0xffff_ffff),
  law: lawArbitrary,
});

property.prop([message], { numRuns: 300 })(
  "a fate is a whole number of milliseconds within its law, once or twice",
  (of) => {
    const fate = messageFate(of);
    expect(messageFate(of)).toEqual(fate);
    expect(fate.lost).toBe(fate.delaysMs.length === 0);
    expect(fate.delaysMs.length).toBeLessThanOrEqual(2);
    const { minDelayMs, maxDelayMs, reorderPpm, lossPpm, duplicatePpm } = of.law;
    for (const delayMs of fate.delaysMs) {
      expect(Number.isInteger(delayMs)).toBe(true);
      expect(delayMs).toBeGreaterThanOrEqual(minDelayMs);
      expect(delayMs).toBeLessThanOrEqual(reorderPpm === 0 ? maxDelayMs : 10 * maxDelayMs);
    }
    if (lossPpm === 0) expect(fate.lost).toBe(false);
    if (lossPpm === 1_000_000) expect(fate.lost).toBe(true);
    if (duplicatePpm === 0) expect(fate.delaysMs.length).toBeLessThan(2);
  },
);

const law: LinkLaw = { minDelayMs: 2, maxDelayMs: 11, lossPpm: 100_000, duplicatePpm: 50_000, reorderPpm: 20_000 };

test("chances come out as the law says, over many messages of any link", () => {
  const messages = 100_000;
  for (const link of [
    { from: 0, to: 1 },
    { from: 1, to: 0 },
    { from: 2, to: 1 },
  ]) {
    let lost = 0;
    let twice = 0;
    let late = 0;
    const delays = new Map<number, number>();
    for (let count = 0; count < messages; count++) {
      const fate = messageFate({ seed: 5, ...link, count, law });
      if (fate.lost) lost += 1;
      if (fate.delaysMs.length === 2) twice += 1;
      const first = fate.delaysMs[0];
      if (first === undefined) continue;
      if (first > law.maxDelayMs) late += 1;
      else delays.set(first, (delays.get(first) ?? 0) + 1);
    }
    expect(lost / messages).toBeCloseTo(0.1, 1.9);
    expect(twice / (messages - lost)).toBeCloseTo(0.05, 1.9);
    // Of the overtaken ones 99 in 109 are later than any usual one.
    expect(late / (messages - lost)).toBeCloseTo(0.02 * (99 / 109), 2);
    expect([...delays.keys()].toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    for (const times of delays.values()) expect(times / (messages - lost)).toBeCloseTo(0.098, 1.9);
  }
});

test("each direction, each seed and each message has a fate of its own", () => {
  const fates = (of: { seed: number; from: number; to: number }): string =>
    Array.from({ length: 200 }, (_, count) => messageFate({ ...of, count, law }).delaysMs.join("+")).join(" ");
  const all = [
    { seed: 1, from: 0, to: 1 },
    { seed: 1, from: 1, to: 0 },
    { seed: 1, from: 0, to: 2 },
    { seed: 2, from: 0, to: 1 },
    { seed: 1 + 2 ** 40, from: 0, to: 1 },
  ].map(fates);
  expect(new Set(all).size).toBe(all.length);
});

test("fates are the same numbers for ever: recorded plans depend on them", () => {
  const first = Array.from({ length: 8 }, (_, count) => messageFate({ seed: 42, from: 0, to: 1, count, law }).delaysMs);
  expect(first).toMatchInlineSnapshot(`
    [
      [
        4,
      ],
      [
        7,
      ],
      [],
      [],
      [
        6,
      ],
      [
        4,
      ],
      [
        8,
      ],
      [
        5,
      ],
    ]
  `);
});
