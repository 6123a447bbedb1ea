/*
 * Client requests for property tests. Keys come from a handful of short names, among them ones that differ only in a
 * last zero byte or begin with 0xff, so that intervals, duplicates and re-creations meet often.
 */
import * as fc from "fast-check";
import type { CommandRequest, ConfigurationRequest } from "../../core/apply/command.ts";
import { bytesOfText } from "../../core/bytes.ts";
import { leaseIdOf, memberIdOf } from "../../core/ids.ts";
import type {
  Compare,
  CompareOperand,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnOperation,
  TxnRequest,
} from "../../core/request.ts";

export const keyTexts = ["a", "a\0", "ab", "b", "b\xff", "c", "\xff", "\xff\xff"] as const;

export const keys: fc.Arbitrary<Uint8Array> = fc.constantFrom(...keyTexts).map(bytesOfText);
export const rangeEnds: fc.Arbitrary<Uint8Array | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constant(undefined),
  fc.constant(bytesOfText("\0")),
  fc.constantFrom("a\0", "b", "b\0", "c", "\xff", "zz").map(bytesOfText),
);
const values: fc.Arbitrary<Uint8Array> = fc.constantFrom("", "x", "y", "zz").map(bytesOfText);
/** Few enough that grants collide; 1n..3n are the usual ones. */
export const leaseIds = fc.constantFrom(1n, 2n, 3n, -5n, 0x7fff_ffff_ffff_ffffn).map(leaseIdOf);
const maybeLease = fc.oneof({ weight: 3, arbitrary: fc.constant(leaseIdOf(0n)) }, { weight: 2, arbitrary: leaseIds });
/** Revisions around those a short run reaches, and the odd ones. */
const revisions = fc.oneof(fc.constant(0), fc.integer({ min: -2, max: 30 }));
const anyNumber = fc.oneof(fc.integer({ min: -3, max: 12 }), fc.maxSafeInteger());
const rarely = fc.integer({ min: 0, max: 7 }).map((draw) => draw === 0);

export const ranges: fc.Arbitrary<RangeRequest> = fc.record({
  type: fc.constant("range" as const),
  key: keys,
  rangeEnd: rangeEnds,
  limit: fc.oneof(fc.constant(0), fc.integer({ min: -1, max: 4 })),
  revision: revisions,
  sortOrder: fc.constantFrom("none" as const, "none" as const, "ascend" as const, "descend" as const),
  sortTarget: fc.constantFrom(
    "key" as const,
    "key" as const,
    "version" as const,
    "create" as const,
    "mod" as const,
    "value" as const,
  ),
  serializable: fc.boolean(),
  keysOnly: rarely,
  countOnly: rarely,
  minModRevision: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(12)),
  maxModRevision: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(12)),
  minCreateRevision: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(12)),
  maxCreateRevision: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(12)),
});

export const puts: fc.Arbitrary<PutRequest> = fc
  .record({
    type: fc.constant("put" as const),
    key: keys,
    value: values,
    lease: maybeLease,
    prevKv: fc.boolean(),
    ignoreValue: rarely,
    ignoreLease: rarely,
  })
  .map((put) => ({
    ...put,
    value: put.ignoreValue ? new Uint8Array(0) : put.value,
    lease: put.ignoreLease ? leaseIdOf(0n) : put.lease,
  }));

export const deleteRanges: fc.Arbitrary<DeleteRangeRequest> = fc.record({
  type: fc.constant("deleteRange" as const),
  key: keys,
  rangeEnd: rangeEnds,
  prevKv: fc.boolean(),
});

const operands: fc.Arbitrary<CompareOperand> = fc.oneof(
  fc.record({ target: fc.constantFrom("version" as const, "create" as const, "mod" as const), number: anyNumber }),
  fc.record({ target: fc.constant("value" as const), value: values }),
  fc.record({ target: fc.constant("lease" as const), lease: maybeLease }),
  fc.record({ target: fc.constant("unknown" as const) }),
);
const compares: fc.Arbitrary<Compare> = fc.record({
  key: keys,
  rangeEnd: rangeEnds,
  result: fc.constantFrom(
    "equal" as const,
    "greater" as const,
    "less" as const,
    "notEqual" as const,
    "unknown" as const,
  ),
  operand: operands,
});

/** Nested up to so many levels; may break the static rules. */
export function txns(depth: number): fc.Arbitrary<TxnRequest> {
  const simple: fc.Arbitrary<TxnOperation> = fc.oneof(ranges, puts, puts, deleteRanges);
  const operation: fc.Arbitrary<TxnOperation> =
    depth === 0 ? simple : fc.oneof({ weight: 3, arbitrary: simple }, { weight: 1, arbitrary: txns(depth - 1) });
  return fc.record({
    type: fc.constant("txn" as const),
    compares: fc.array(compares, { maxLength: 2 }),
    success: fc.array(operation, { maxLength: 3 }),
    failure: fc.array(operation, { maxLength: 3 }),
  });
}

const memberIds = fc.constantFrom(1n, 7n, 0xffff_ffff_ffff_fff0n).map(memberIdOf);
const peerUrls = fc.array(fc.constantFrom("http://a:1", "http://b:2"), { minLength: 1, maxLength: 2 });

/** Changes of members; entries of their own kind hold them. */
/** Changes of one member. */
export const singleChanges: fc.Arbitrary<Exclude<ConfigurationRequest, { type: "memberReconfigure" | "leaveJoint" }>> =
  fc.oneof(
    fc.record({
      type: fc.constant("memberAdd" as const),
      memberId: memberIds,
      peerUrls,
      isLearner: fc.boolean(),
      learnersMax: fc.nat(2),
    }),
    fc.record({ type: fc.constant("memberRemove" as const), memberId: memberIds }),
    fc.record({ type: fc.constant("memberUpdate" as const), memberId: memberIds, peerUrls }),
    fc.record({ type: fc.constant("memberPromote" as const), memberId: memberIds }),
  );

const fewMemberIds = fc.array(memberIds, { maxLength: 2 });

/** Changes of several. */
const jointChanges: fc.Arbitrary<Extract<ConfigurationRequest, { type: "memberReconfigure" | "leaveJoint" }>> =
  fc.oneof(
    fc.record({
      type: fc.constant("memberReconfigure" as const),
      add: fc.array(fc.record({ memberId: memberIds, peerUrls, isLearner: fc.boolean() }), { maxLength: 2 }),
      remove: fewMemberIds,
      promote: fewMemberIds,
      demote: fewMemberIds,
      learnersMax: fc.nat(2),
    }),
    fc.constant({ type: "leaveJoint" as const }),
  );

export const configurationRequests: fc.Arbitrary<ConfigurationRequest> = fc.oneof(singleChanges, jointChanges);

export const commandRequests: fc.Arbitrary<CommandRequest> = fc.oneof(
  { weight: 6, arbitrary: puts },
  { weight: 3, arbitrary: deleteRanges },
  { weight: 6, arbitrary: txns(2) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("compact" as const), revision: revisions, physical: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("leaseGrant" as const),
      leaseId: leaseIds,
      ttlSeconds: fc.oneof(fc.integer({ min: -1, max: 20 }), fc.constantFrom(9_000_000_000, 9_000_000_001)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("leaseRevoke" as const), leaseId: leaseIds }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("alarm" as const),
      action: fc.constantFrom(
        "get" as const,
        "activate" as const,
        "deactivate" as const,
        "deactivate" as const,
        "deactivate" as const,
      ),
      memberId: fc.constantFrom(0n, 1n, 0xffff_ffff_ffff_fff0n).map(memberIdOf),
      alarm: fc.constantFrom("none" as const, "noSpace" as const, "corrupt" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("publishMember" as const),
      memberId: fc.constantFrom(1n, 0xffff_ffff_ffff_fff0n).map(memberIdOf),
      name: fc.string({ maxLength: 5 }),
      clientUrls: fc.array(fc.string({ maxLength: 8 }), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("leaseCheckpoint" as const),
      checkpoints: fc.array(fc.record({ leaseId: leaseIds, remainingTtlSeconds: fc.nat(100) }), { maxLength: 2 }),
    }),
  },
);

/** What members and operators say of releases. */
export const versionRequests: fc.Arbitrary<CommandRequest> = fc.oneof(
  fc.record({
    type: fc.constant("memberVersion" as const),
    memberId: memberIds,
    version: fc.constantFrom("3.6.14", "3.5.1"),
  }),
  fc.record({ type: fc.constant("clusterVersion" as const), version: fc.constantFrom("3.6.0", "3.5.0") }),
  fc.record({
    type: fc.constant("downgradeInfo" as const),
    enabled: fc.boolean(),
    targetVersion: fc.constantFrom("3.5.0", "3.4.0"),
  }),
);
