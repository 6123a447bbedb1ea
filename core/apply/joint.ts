/*
 * Several changes of members in one step, by joint consensus: when the entry is applied the new voters and the old ones
 * decide together, each by its own majority; the leader then appends, as soon as it has applied that, the entry that
 * leaves the joint configuration. Those who go stay among the members until then, because their word still counts.
 *
 *   voters 1 2 3 ──(+4 −3)──▶ voters 1 2 4, outgoing 1 2 3 ──(leave)──▶ voters 1 2 4        3 is a member until here
 *
 * Here is what such a change means for the list of members, and what speaks against it. What happens to the list is in
 * membership.ts. Stored form: bucket `cluster`, key `joint`, JSON of hex ids; absent: not joint.
 * Source: Raft thesis §4.3. etcd's API has no such call.
 */
import { assert } from "../assert.ts";
import { utf8Decode, utf8Encode } from "../bytes.ts";
import type { RefusalName } from "../errors.ts";
import { compareIds, hexOf, type MemberId, memberIdOf } from "../ids.ts";
import type { MemberRecord } from "../request.ts";
import type { ReconfigureCommand } from "./command.ts";

/** While it lasts the outgoing voters decide too; those who leave have no place in the incoming configuration. */
export interface Joint {
  /** In id order; never empty. */
  readonly outgoing: readonly MemberId[];
  readonly leaving: readonly MemberId[];
}

export const jointKey: Uint8Array = utf8Encode("joint");

export function encodeJoint({ outgoing, leaving }: Joint): Uint8Array {
  return utf8Encode(JSON.stringify({ outgoing: outgoing.map(hexOf), leaving: leaving.map(hexOf) }));
}

export function decodeJoint(bytes: Uint8Array): Joint {
  const fields: unknown = JSON.parse(utf8Decode(bytes));
  assert(typeof fields === "object" && fields !== null, "a stored joint configuration is a JSON object");
  const { outgoing, leaving }: { outgoing?: unknown; leaving?: unknown } = fields;
  return { outgoing: idsOf(outgoing), leaving: idsOf(leaving) };
}

function idsOf(value: unknown): readonly MemberId[] {
  assert(Array.isArray(value), "a stored joint configuration has two lists of ids");
  return value.map((id) => memberIdOf(BigInt(`0x${id}`)));
}

/** The member list after the change, those who leave still in it, in id order; and who they are. */
export function afterChange(
  known: readonly MemberRecord[],
  change: ReconfigureCommand,
): { readonly records: readonly MemberRecord[]; readonly leaving: readonly MemberId[] } {
  const stay = known.map((record): MemberRecord => {
    if (change.promote.includes(record.memberId)) return { ...record, isLearner: false };
    return change.demote.includes(record.memberId) ? { ...record, isLearner: true, wasVoter: true } : record;
  });
  const come = change.add.map((one): MemberRecord => ({ ...one, name: "", clientUrls: [] }));
  const records = [...stay, ...come].sort((a, b) => compareIds(a.memberId, b.memberId));
  return { records, leaving: [...change.remove].sort(compareIds) };
}

/** What the member list has against the change; `isRemoved`: belonged once and never will again. */
export function refusalOfReconfigure(
  known: readonly MemberRecord[],
  change: ReconfigureCommand,
  isRemoved: (id: MemberId) => boolean,
): RefusalName | undefined {
  const named = [...change.add.map(({ memberId }) => memberId), ...change.remove, ...change.promote, ...change.demote];
  if (new Set(named).size < named.length) return "memberNamedTwice";
  const recordOf = (id: MemberId): MemberRecord | undefined => known.find(({ memberId }) => memberId === id);
  const urls = known.flatMap(({ peerUrls }) => peerUrls);
  for (const { memberId, peerUrls } of change.add) {
    if (isRemoved(memberId)) return "memberNotFound";
    if (recordOf(memberId) !== undefined) return "memberExists";
    if (peerUrls.some((url) => urls.includes(url))) return "peerUrlExists";
    urls.push(...peerUrls);
  }
  for (const id of [...change.remove, ...change.promote, ...change.demote]) {
    if (recordOf(id) === undefined) return "memberNotFound";
  }
  if (change.promote.some((id) => recordOf(id)?.isLearner === false)) return "memberNotLearner";
  if (change.demote.some((id) => recordOf(id)?.isLearner === true)) return "memberNotVoter";
  const { records, leaving } = afterChange(known, change);
  const staying = records.filter(({ memberId }) => !leaving.includes(memberId));
  // A cluster without voters could never decide anything again.
  if (staying.every(({ isLearner }) => isLearner)) return "notEnoughStarted";
  const count = (list: readonly MemberRecord[]): number => list.filter(({ isLearner }) => isLearner).length;
  return count(staying) > Math.max(change.learnersMax, count(known)) ? "tooManyLearners" : undefined;
}
