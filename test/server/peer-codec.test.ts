import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RefusalName, refusals } from "../../core/errors.ts";
import { indexOf, leaseIdOf, memberIdOf, termOf } from "../../core/ids.ts";
import type { PeerMessage } from "../../core/input.ts";
import type { Configuration, Entry, Registration } from "../../core/raft/message.ts";
import { decodePeerMessage, encodePeerMessage, peerCodecVersion } from "../../core/server/peer-codec.ts";

const count = fc.oneof(fc.nat(300), fc.maxSafeNat());
const term = count.map(termOf);
const index = count.map(indexOf);
const memberId = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(memberIdOf);
const leaseId = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(leaseIdOf);
const bytes = fc.uint8Array({ maxLength: 40 });
const signed = fc
  .oneof(fc.integer({ min: -100, max: 100 }), fc.maxSafeInteger())
  .map((value) => (value === 0 ? 0 : value));
const ids = fc.uniqueArray(memberId, { maxLength: 5 }).map((some) => some.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
const configuration: fc.Arbitrary<Configuration> = fc.record({ voters: ids, outgoing: ids, learners: ids });
const entry: fc.Arbitrary<Entry> = fc.record({
  index,
  term,
  kind: fc.constantFrom("empty" as const, "command" as const, "configuration" as const),
  data: bytes,
});
const addressed = { from: memberId, to: memberId, term };
const call = { from: memberId, to: memberId, callId: count, incarnation: count };
const life = { incarnation: count, isRecovering: fc.boolean() };
const registrations: fc.Arbitrary<readonly Registration[]> = ids.chain((some) =>
  fc.tuple(...some.map((id) => count.map((incarnation) => ({ memberId: id, incarnation })))),
);
const kind = <Kind extends string>(type: Kind): fc.Arbitrary<Kind> => fc.constant(type);
const maybeSigned = fc.option(signed, { nil: undefined });

/** One arbitrary a kind: a new kind of message does not compile without one. */
const arbitraries: { readonly [Kind in PeerMessage["type"]]: fc.Arbitrary<Extract<PeerMessage, { type: Kind }>> } = {
  preVote: fc.record({ type: kind("preVote"), ...addressed, lastIndex: index, lastTerm: term }),
  preVoteReply: fc.record({ type: kind("preVoteReply"), ...addressed, granted: fc.boolean() }),
  vote: fc.record({ type: kind("vote"), ...addressed, lastIndex: index, lastTerm: term, transfer: fc.boolean() }),
  voteReply: fc.record({
    type: kind("voteReply"),
    ...addressed,
    granted: fc.boolean(),
    incarnation: count,
    registrations,
  }),
  append: fc.record({
    type: kind("append"),
    ...addressed,
    prevIndex: index,
    prevTerm: term,
    entries: fc.array(entry, { maxLength: 5 }),
    commitIndex: index,
    toIncarnation: count,
  }),
  appendAccepted: fc.record({ type: kind("appendAccepted"), ...addressed, matchIndex: index, ...life, registrations }),
  appendRejected: fc.record({
    type: kind("appendRejected"),
    ...addressed,
    rejectedIndex: index,
    hintIndex: index,
    hintTerm: term,
    incarnation: count,
  }),
  heartbeat: fc.record({
    type: kind("heartbeat"),
    ...addressed,
    commitIndex: index,
    toIncarnation: count,
    readRound: count,
    held: fc.option(fc.record({ memberId, index, term }), { nil: undefined }),
  }),
  heartbeatReply: fc.record({
    type: kind("heartbeatReply"),
    ...addressed,
    readRound: count,
    ...life,
    promisedMs: count,
  }),
  readIndex: fc.record({ type: kind("readIndex"), ...addressed, readContext: count, incarnation: count }),
  readIndexReply: fc.record({
    type: kind("readIndexReply"),
    ...addressed,
    readContext: count,
    incarnation: count,
    readIndex: index,
  }),
  propose: fc.record({
    type: kind("propose"),
    ...addressed,
    incarnation: count,
    sequence: count,
    commands: fc.array(bytes, { maxLength: 4 }),
  }),
  proposeConfiguration: fc.record({
    type: kind("proposeConfiguration"),
    ...addressed,
    incarnation: count,
    sequence: count,
    command: bytes,
  }),
  memberRemoved: fc.record({ type: kind("memberRemoved"), from: memberId, to: memberId }),
  configurationRefused: fc.record({
    type: kind("configurationRefused"),
    from: memberId,
    to: memberId,
    incarnation: count,
    proposal: count,
    refusal: fc.constantFrom(...(Object.keys(refusals) as RefusalName[])),
  }),
  timeoutNow: fc.record({ type: kind("timeoutNow"), ...addressed }),
  snapshotChunk: fc.record({
    type: kind("snapshotChunk"),
    ...addressed,
    transferId: count,
    snapshotIndex: index,
    snapshotTerm: term,
    configuration,
    chunk: count,
    last: fc.boolean(),
    bytes,
  }),
  snapshotChunkReply: fc.record({
    type: kind("snapshotChunkReply"),
    ...addressed,
    transferId: count,
    nextChunk: count,
  }),
  hello: fc.record({ type: kind("hello"), ...addressed, incarnation: count }),
  helloReply: fc.record({
    type: kind("helloReply"),
    ...addressed,
    incarnation: count,
    seenTerm: term,
    heldIndex: index,
    heldTerm: term,
    hasServed: fc.boolean(),
    leads: fc.boolean(),
    roll: fc.record({ index, configuration }),
  }),
  register: fc.record({ type: kind("register"), ...addressed, incarnation: count }),
  registerReply: fc.record({
    type: kind("registerReply"),
    ...addressed,
    incarnation: count,
    lastIndex: index,
    lastTerm: term,
    roll: fc.record({ index, configuration }),
  }),
  hashQuery: fc.record({ type: kind("hashQuery"), ...call, index, revision: count }),
  hashReply: fc.record({
    type: kind("hashReply"),
    ...call,
    appliedIndex: index,
    currentRevision: count,
    compactRevision: fc.integer({ min: -1, max: 2 ** 40 }),
    hash: fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
    compactions: fc.array(fc.record({ revision: count, hash: fc.nat(0xffff_ffff) }), { maxLength: 3 }),
  }),
  leaseRenew: fc.record({ type: kind("leaseRenew"), ...call, leaseId }),
  leaseRenewReply: fc.record({ type: kind("leaseRenewReply"), ...call, ttlSeconds: maybeSigned }),
  leaseQuery: fc.record({ type: kind("leaseQuery"), ...call, leaseId, keys: fc.boolean() }),
  leaseQueryReply: fc.record({
    type: kind("leaseQueryReply"),
    ...call,
    ttlSeconds: maybeSigned,
    grantedTtlSeconds: signed,
    keys: fc.array(bytes, { maxLength: 3 }),
  }),
};
const message: fc.Arbitrary<PeerMessage> = fc.oneof(...Object.values(arbitraries));

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
      .map(([kindByte, rest]) => Uint8Array.from([peerCodecVersion, kindByte, ...rest]));
    fc.assert(
      fc.property(fc.oneof(framed, fc.uint8Array({ maxLength: 80 })), (received) => {
        const decoded = decodePeerMessage(received);
        if ("malformed" in decoded) expect(decoded.malformed).not.toBe("");
        else expect(decodePeerMessage(encodePeerMessage(decoded))).toEqual(decoded);
      }),
      { numRuns: 300 },
    );
  });

  it("any changed byte gives a message or malformed, never a throw", () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, place, mask) => {
        const changed = encodePeerMessage(sent).slice();
        const offset = place % changed.length;
        changed[offset] = (changed[offset] as number) ^ mask;
        expect(decodePeerMessage(changed)).toBeTypeOf("object");
      }),
      { numRuns: 300 },
    );
  });

  it("another format version and an unknown kind are named", () => {
    expect(decodePeerMessage(Uint8Array.of(9, 0))).toEqual({
      malformed: "peer message has format version 9, expected 5",
    });
    expect(decodePeerMessage(Uint8Array.of(peerCodecVersion, 200))).toEqual({
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
    const huge = Uint8Array.from([...sent.subarray(0, sent.length - 1), 255, 255, 255, 255, 255, 255, 15]);
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
