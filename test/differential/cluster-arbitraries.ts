/*
 * Sequences over the calls of operators: members that are added as learners, promoted too early
 * and removed; leadership, downgrades, hashes, snapshots and defragmentation; and who leads an election, as a stream
 * tells it. No voter comes or goes: each of the processes is a cluster of one, and would wait for ever for its second.
 */
import * as fc from "fast-check";
import type { Plain } from "./messages.ts";
import type { Sequence, Step } from "./steps.ts";

const call = (method: string, request: Plain): Step => ({ do: "call", method, request });

/** Drawn from many: one that is removed and added again within a second would get its old id, and be refused for ever. */
const host = fc.noBias(fc.integer({ min: 1, max: 2 ** 24 }));
const goodUrl = host.map((number) => `http://10.${number >> 16}.${(number >> 8) & 255}.${number & 255}:2380`);
const badUrl = fc.constantFrom("", "nowhere", "http://nowhere", "ftp://a:1", "http://a:1/path", "unix://");
const urls = fc.oneof(
  { weight: 8, arbitrary: fc.array(goodUrl, { minLength: 1, maxLength: 2 }) },
  { weight: 1, arbitrary: badUrl.map((url) => [url]) },
  { weight: 1, arbitrary: fc.tuple(goodUrl, badUrl).map((both) => [...both]) },
  { weight: 1, arbitrary: fc.constant<string[]>([]) },
);
/** Mostly the learner that was added last; the server itself, which is a voter; nobody. */
const added = fc.nat(2).map((position): Plain => ({ added: position }));
const anyMember = fc.oneof(
  { weight: 6, arbitrary: added },
  { weight: 2, arbitrary: fc.constant<Plain>({ self: true }) },
  { weight: 2, arbitrary: fc.constantFrom<Plain>(7, 0, 0xffff_ffff_ffff_fff0n) },
);
const otherMember = fc.oneof(
  { weight: 6, arbitrary: added },
  { weight: 2, arbitrary: fc.constantFrom<Plain>(7, 0, 0xffff_ffff_ffff_fff0n) },
);

const addLearner = urls.map((peerURLs) => call("MemberAdd", { peerURLs, isLearner: true }));
const removeOther = otherMember.map((ID) => call("MemberRemove", { ID }));
/** Of members there are not: 3.4 takes a learner whose addresses it changed for a voter from then on, in its list. */
const updateNobody = fc
  .tuple(fc.constantFrom<Plain>(7, 0, 0xffff_ffff_ffff_fff0n), urls)
  .map(([ID, peerURLs]) => call("MemberUpdate", { ID, peerURLs }));
const promote = anyMember.map((ID) => call("MemberPromote", { ID }));
const moveLeader = anyMember.map((targetID) => call("MoveLeader", { targetID }));
/** Never one that begins: the cluster would keep to the older release from then on. */
const downgrade = fc.oneof(
  fc
    .constantFrom("", "3.5", "3.5.0", "3.6", "3.4", "3.4.0", "4.0", "x", "3", "3.5.0.0")
    .map((version) => call("Downgrade", { version })),
  fc.constant(call("Downgrade", { action: 2 })),
  fc.constant(call("Downgrade", { action: 9, version: "3.5" })),
  fc.constantFrom("", "x", "3.4", "3.7").map((version) => call("Downgrade", { action: 1, version })),
);
const observe = fc.constantFrom("e", "f").map((name): Step => ({ do: "observe", name }));
const campaign = fc.tuple(fc.constantFrom("e", "f"), fc.constantFrom(0x21, 0x22), fc.constantFrom("v", "w")).map(
  ([name, lease, value]): Step => ({
    do: "queue",
    method: "Campaign",
    label: `${name}${lease.toString(16)}`,
    name,
    lease,
    value,
  }),
);
const resign = fc.tuple(fc.constantFrom("e", "f"), fc.constantFrom(0x21, 0x22)).map(([name, lease]) => {
  const key = `${name}/${lease.toString(16)}`;
  return call("Resign", { leader: { name, key, lease, rev: { createOf: key } } });
});
const look = fc.constantFrom("e", "f").map((name) => call("Range", { key: `${name}/`, rangeEnd: `${name}0` }));
const sortOrderThereIsNot = fc.constant(call("Range", { key: "a", rangeEnd: "\0", sortOrder: 9 }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: addLearner },
  { weight: 4, arbitrary: removeOther },
  { weight: 3, arbitrary: updateNobody },
  { weight: 4, arbitrary: promote },
  { weight: 3, arbitrary: fc.constantFrom({}, { linearizable: true }).map((request) => call("MemberList", request)) },
  { weight: 2, arbitrary: fc.constant(call("Status", {})) },
  { weight: 2, arbitrary: moveLeader },
  { weight: 4, arbitrary: downgrade },
  { weight: 1, arbitrary: fc.constant(call("AuthStatus", {})) },
  { weight: 1, arbitrary: fc.constant(call("Hash", {})) },
  { weight: 1, arbitrary: fc.constant(call("Defragment", {})) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "snapshot" }) },
  { weight: 3, arbitrary: observe },
  { weight: 3, arbitrary: campaign },
  { weight: 2, arbitrary: resign },
  { weight: 2, arbitrary: look },
  { weight: 1, arbitrary: sortOrderThereIsNot },
  { weight: 2, arbitrary: fc.constantFrom("a", "b").map((key) => call("Put", { key, value: "v" })) },
);

export const clusterSequences: fc.Arbitrary<Sequence> = fc
  .array(
    step.map((each): readonly Step[] => [each]),
    { minLength: 1, maxLength: 20, size: "max" },
  )
  .map((steps): Sequence => [[0x21, 0x22].map((ID) => call("LeaseGrant", { ID, TTL: 1_000 })), ...steps]);
