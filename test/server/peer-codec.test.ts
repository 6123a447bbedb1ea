import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c } from "../../core/crc32c.ts";
import { indexOf, memberIdOf, termOf } from "../../core/ids.ts";
import type { PeerMessage } from "../../core/input.ts";
import type { Entry } from "../../core/raft/message.ts";
import { decodePeerMessage, encodePeerMessage, peerCodecVersion } from "../../core/server/peer-codec.ts";
import { arbitraries, bytes } from "../kit/peer-arbitraries.ts";

const message: fc.Arbitrary<PeerMessage> = fc.oneof(...Object.values(arbitraries));

/** Those bytes with a sound checksum behind them. */
function sealed(...content: readonly number[]): Uint8Array {
  const sum = crc32c(Uint8Array.from(content));
  return Uint8Array.from([...content, sum >>> 24, (sum >>> 16) & 255, (sum >>> 8) & 255, sum & 255]);
}

describe("peer messages as bytes", () => {
  for (const [type, arbitrary] of Object.entries(arbitraries)) {
    it(`a ${type} message is decoded as it was sent`, () => {
      fc.assert(
        fc.property(arbitrary as fc.Arbitrary<PeerMessage>, (sent) => {
          expect(decodePeerMessage(encodePeerMessage(sent))).toEqual(sent);
        }),
        { numRuns: 50 },
      );
    });
  }

  it("a message cut short anywhere, or with anything after its end, is malformed", () => {
    fc.assert(
      fc.property(message, bytes, (sent, more) => {
        const whole = encodePeerMessage(sent);
        for (let length = 0; length < whole.length; length++) {
          expect(decodePeerMessage(whole.subarray(0, length))).toHaveProperty("malformed");
        }
        if (more.length === 0) return;
        expect(decodePeerMessage(Uint8Array.from([...whole, ...more]))).toHaveProperty("malformed");
      }),
      { numRuns: 200 },
    );
  });

  it("no bytes at all make the decoder throw: they are a message or malformed", () => {
    const framed = fc
      .tuple(fc.nat(20), fc.uint8Array({ maxLength: 80 }))
      .map(([kindByte, rest]) => sealed(peerCodecVersion, kindByte, ...rest));
    fc.assert(
      fc.property(fc.oneof(framed, fc.uint8Array({ maxLength: 80 })), (received) => {
        const decoded = decodePeerMessage(received);
        if ("malformed" in decoded) expect(decoded.malformed).not.toBe("");
        else expect(decodePeerMessage(encodePeerMessage(decoded))).toEqual(decoded);
      }),
      { numRuns: 300 },
    );
  });

  it("a message of which a byte or a whole stretch was changed is malformed, never another message", () => {
    const change = fc.uint8Array({ minLength: 1, maxLength: 4 }).filter((some) => some.some((byte) => byte !== 0));
    fc.assert(
      fc.property(message, fc.nat(), change, (sent, from, masks) => {
        const changed = encodePeerMessage(sent).slice();
        for (const [position, mask] of masks.entries()) {
          const offset = (from + position) % changed.length;
          changed[offset] = (changed[offset] as number) ^ mask;
        }
        expect(decodePeerMessage(changed)).toHaveProperty("malformed");
      }),
      { numRuns: 500 },
    );
  });

  it("what no leader can mean is malformed: a gap, a term that falls, one beyond its own, and places nobody counted to", () => {
    const at = (index: number, term: number): Entry => ({
      index: indexOf(index),
      term: termOf(term),
      kind: "command",
      data: Uint8Array.of(1),
    });
    const append = (term: number, entries: readonly Entry[], prevTerm = 2): PeerMessage => ({
      type: "append",
      from: memberIdOf(1n),
      to: memberIdOf(2n),
      term: termOf(term),
      prevIndex: indexOf(4),
      prevTerm: termOf(prevTerm),
      entries,
      commitIndex: indexOf(4),
      toIncarnation: 1,
    });
    const sound = append(3, [at(5, 2), at(6, 3)]);
    expect(decodePeerMessage(encodePeerMessage(sound))).toEqual(sound);
    for (const wrong of [
      append(3, [at(6, 3)]),
      append(3, [at(5, 2), at(7, 2)]),
      append(3, [at(5, 2), at(5, 2)]),
      append(3, [at(5, 1)]),
      append(3, [at(5, 3), at(6, 2)]),
      append(3, [at(5, 4)]),
      append(3, [], 4),
      append(2 ** 52 + 1, []),
    ]) {
      expect(decodePeerMessage(encodePeerMessage(wrong))).toEqual({
        malformed: "peer message of kind append is cut short or has an impossible field",
      });
    }
  });

  it("another format version and an unknown kind are named", () => {
    expect(decodePeerMessage(Uint8Array.of(10, 0))).toEqual({
      malformed: "peer message has format version 10, expected 9",
    });
    expect(decodePeerMessage(sealed(peerCodecVersion, 200))).toEqual({
      malformed: "peer message has unknown kind 200",
    });
    expect(decodePeerMessage(new Uint8Array())).toEqual({ malformed: "peer message is empty" });
  });

  it("a count larger than the bytes that follow costs no memory", () => {
    const sent = encodePeerMessage({
      type: "propose",
      from: memberIdOf(1n),
      to: memberIdOf(2n),
      term: termOf(1),
      incarnation: 1,
      sequence: 1,
      commands: [],
    });
    const huge = sealed(...sent.subarray(0, sent.length - 5), 255, 255, 255, 255, 255, 255, 15);
    expect(decodePeerMessage(huge)).toHaveProperty("malformed");
  });

  it("byte strings of a decoded message are its own: the input may be used again", () => {
    const data = Uint8Array.of(1, 2, 3);
    const input = encodePeerMessage({
      type: "propose",
      from: memberIdOf(1n),
      to: memberIdOf(2n),
      term: termOf(1),
      incarnation: 1,
      sequence: 1,
      commands: [data],
    }).slice();
    const decoded = decodePeerMessage(input);
    input.fill(0xee);
    expect(decoded).toMatchObject({ commands: [data] });
  });
});
