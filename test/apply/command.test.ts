import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Command, decodeCommand, encodeCommand } from "../../core/apply/command.ts";
import { ByteSlab } from "../../core/byte-slab.ts";
import { memberIdOf } from "../../core/ids.ts";
import { plain } from "../kit/plain.ts";
import { commandRequests, configurationRequests, versionRequests } from "../kit/request-arbitraries.ts";
import { putOf, rangeOf, txnOf } from "../kit/requests.ts";

const commands: fc.Arbitrary<Command> = fc.record({
  id: fc.record({
    origin: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(memberIdOf),
    incarnation: fc.nat(),
    sequence: fc.maxSafeInteger().map(Math.abs),
  }),
  request: fc.oneof(
    { weight: 4, arbitrary: commandRequests },
    { weight: 1, arbitrary: configurationRequests },
    { weight: 1, arbitrary: versionRequests },
  ),
});

describe("commands", () => {
  test("come back from their bytes as they were, cut from a slab or not", () => {
    const slab = new ByteSlab();
    fc.assert(
      fc.property(commands, (command) => {
        const expected = plain(command);
        expect(plain(decodeCommand(encodeCommand(command)))).toBe(expected);
        expect(plain(decodeCommand(encodeCommand(command, slab)))).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("keep numbers at the ends of their range, large keys and empty operations", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const request = txnOf({
      success: [
        rangeOf("k".repeat(500), "\0", { limit: -most, revision: most, minModRevision: -1, maxCreateRevision: most }),
        putOf("k", "v".repeat(100_000)),
        { type: "empty" },
      ],
    });
    const command = { id: { origin: memberIdOf(2n ** 64n - 1n), incarnation: most, sequence: most }, request };
    expect(plain(decodeCommand(encodeCommand(command)))).toBe(plain(command));
  });

  test("cut short or of another version are a broken invariant", () => {
    fc.assert(
      fc.property(commands, fc.nat(), (command, draw) => {
        const bytes = encodeCommand(command);
        expect(() => decodeCommand(bytes.subarray(0, draw % bytes.length))).toThrow();
        const other = bytes.slice();
        other[0] = 99;
        expect(() => decodeCommand(other)).toThrow("version");
      }),
    );
  });
});
