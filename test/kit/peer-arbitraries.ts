/*
 * fast-check arbitraries for messages between members: well-formed, whoever they may come from.
 */
import fc from "fast-check";
import { type RefusalName, refusals } from "../../core/errors.ts";
import { indexOf, leaseIdOf, memberIdOf, termOf } from "../../core/ids.ts";
import type { PeerMessage } from "../../core/input.ts";
import type { Configuration, Entry, Registration } from "../../core/raft/message.ts";

const count = fc.oneof(fc.nat(300), fc.maxSafeNat());
const place = fc.oneof(fc.nat(300), fc.nat(2 ** 31), fc.integer({ min: 2 ** 52 - 10, max: 2 ** 52 }));
const term = place.map(termOf);
const index = place.map(indexOf);
const memberId = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(memberIdOf);
const leaseId = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(leaseIdOf);
export const bytes = fc.uint8Array({ maxLength: 40 });
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
const committed = fc.record({ index, term });
const kind = <Kind extends string>(type: Kind): fc.Arbitrary<Kind> => fc.constant(type);
const maybeSigned = fc.option(signed, { nil: undefined });

/** One arbitrary a kind: a new kind of message does not compile without one. */
export const arbitraries: {
  readonly [Kind in PeerMessage["type"]]: fc.Arbitrary<Extract<PeerMessage, { type: Kind }>>;
} = {
  preVote: fc.record({ type: kind("preVote"), ...addressed, lastIndex: index, lastTerm: term }),
  preVoteReply: fc.record({ type: kind("preVoteReply"), ...addressed, granted: fc.boolean(), committed }),
  vote: fc.record({ type: kind("vote"), ...addressed, lastIndex: index, lastTerm: term, transfer: fc.boolean() }),
  voteReply: fc.record({
    type: kind("voteReply"),
    ...addressed,
    granted: fc.boolean(),
    committed,
    incarnation: count,
    registrations,
  }),
  append: fc
    .record({
      type: kind("append"),
      from: memberId,
      to: memberId,
      prevIndex: fc.nat(2 ** 31),
      steps: fc.array(fc.record({ step: fc.nat(3), entry }), { maxLength: 5 }),
      prevTerm: fc.nat(2 ** 31),
      beyond: fc.nat(5),
      commitIndex: index,
      toIncarnation: count,
    })
    .map(({ steps, prevIndex, prevTerm, beyond, ...rest }) => {
      let last = prevTerm;
      const entries = steps.map(({ step, entry: { kind: entryKind, data } }, position): Entry => {
        last += step;
        return { index: indexOf(prevIndex + 1 + position), term: termOf(last), kind: entryKind, data };
      });
      return {
        ...rest,
        prevIndex: indexOf(prevIndex),
        prevTerm: termOf(prevTerm),
        term: termOf(last + beyond),
        entries,
      };
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
  proposalRefused: fc.record({
    type: kind("proposalRefused"),
    from: memberId,
    to: memberId,
    incarnation: count,
    proposal: count,
    refusal: fc.constantFrom(...(Object.keys(refusals) as RefusalName[])),
  }),
  timeoutNow: fc.record({ type: kind("timeoutNow"), ...addressed, committed }),
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
    registrations,
  }),
  register: fc.record({ type: kind("register"), ...addressed, incarnation: count, round: count }),
  registerReply: fc.record({
    type: kind("registerReply"),
    ...addressed,
    incarnation: count,
    round: count,
    lastIndex: index,
    lastTerm: term,
    roll: fc.record({ index, configuration }),
    registrations,
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
