import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteSlab } from "../../core/byte-slab.ts";
import { indexOf, memberIdOf, termOf } from "../../core/ids.ts";
import type { HardState } from "../../core/raft/message.ts";
import { decodeWrite, encodeWrite, hardStateAt, WriteHead } from "../../core/storage/log-record.ts";
import { RecordReader } from "../../core/storage/record.ts";
import { UntrustedReader } from "../../core/storage/untrusted-reader.ts";
import { entry } from "./log-kit.ts";

const memberId = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(memberIdOf);
const hardState: fc.Arbitrary<HardState> = fc.record({
  term: fc.maxSafeNat().map(termOf),
  votedFor: fc.option(memberId, { nil: undefined }),
  commitIndex: fc.maxSafeNat().map(indexOf),
  registrations: fc.array(fc.record({ memberId, incarnation: fc.maxSafeNat() }), { maxLength: 4 }),
  isRecovering: fc.boolean(),
});

test("a write is read as it was written, its hard state passed by or made", () => {
  const cases = fc.tuple(fc.option(hardState, { nil: undefined }), fc.nat(3), fc.nat(40));
  fc.assert(
    fc.property(fc.array(cases, { minLength: 1, maxLength: 8 }), (writes) => {
      const head = new WriteHead();
      for (const [state, count, first] of writes) {
        const entries = Array.from({ length: count }, (_none, position) => entry(1 + first + position, 1));
        const owner = 7;
        const place = { sequence: 3, offset: 0 };
        const seal = { kind: "write" as const, place, owner, link: 1, solid: place };
        const { bytes } = encodeWrite(state, entries, { from: 0, to: count }, seal, new ByteSlab());
        const record = new RecordReader(bytes, place.sequence);
        expect(record.read(0, owner)).toBe(true);
        const { payload } = record;
        expect(decodeWrite(bytes, payload, new ByteSlab())).toEqual({ hardState: state, entries });
        const reader = new UntrustedReader(bytes, payload);
        head.read(reader);
        expect(reader.failed).toBe(false);
        expect(head.count).toBe(count);
        expect(head.firstIndex).toBe(count === 0 ? 0 : 1 + first);
        expect(head.hardStateFrom >= 0 ? hardStateAt(bytes, head.hardStateFrom) : undefined).toEqual(state);
      }
    }),
    { numRuns: 100 },
  );
});

test("a hard state that is passed by can be made, whatever the bytes", () => {
  const few = fc.nat(9);
  const rest = fc.array(fc.oneof(few, few, fc.nat(255)), { maxLength: 60 });
  const bytes = fc.tuple(few, few, few, rest).map(([a, b, flags, more]) => Uint8Array.of(1, a, b, flags, ...more));
  let passed = 0;
  fc.assert(
    fc.property(bytes, (content) => {
      const reader = new UntrustedReader(content);
      const head = new WriteHead();
      head.read(reader);
      if (reader.failed) return;
      passed += 1;
      expect(hardStateAt(content, head.hardStateFrom).registrations.length).toBeLessThanOrEqual(content.length / 9);
    }),
    { numRuns: 2_000 },
  );
  expect(passed).toBeGreaterThan(80);
});
