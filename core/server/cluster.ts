/*
 * The Cluster service before the log: answers from the replicated member list, and what speaks against a change of
 * members while it is only asked for. These checks keep an operator from a change that would leave too few voters; they
 * look at who has started and who is connected at this moment, so they are no part of the replicated state. What must
 * hold whatever happens is checked again when the change is applied (core/apply/membership.ts).
 * Source: etcd v3 API, Cluster, MemberAdd to MemberPromote.
 */
import type { Machine } from "../apply/machine.ts";
import type { RefusalName } from "../errors.ts";
import type { MemberId } from "../ids.ts";
import type { ProgressView, Raft } from "../raft/raft.ts";
import type { Answer, MemberAddRequest, MemberReconfigureRequest, MemberRecord } from "../request.ts";
import type { PeerLinks } from "./peer-links.ts";

export function clusterAnswer(machine: Machine): Extract<Answer, { type: "memberList" }> {
  return { type: "memberList", members: machine.membership.records };
}

/** Whom the checks ask about: the member list, and this member's own connections. */
export interface Surroundings {
  readonly selfId: MemberId;
  readonly records: readonly MemberRecord[];
  readonly links: PeerLinks;
  readonly nowMs: number;
}

/** Enough started voters for the new majority, and enough of them connected for a while. */
export function refusalOfAdd(request: MemberAddRequest, around: Surroundings): RefusalName | undefined {
  const voters = votersOf(around.records);
  const started = voters.filter(isStarted).length;
  const after = voters.length + 1;
  // From one member there is no other way than over two, of which one has not started.
  const isFirstGrowth = started === 1 && after === 2;
  if (!request.isLearner && !isFirstGrowth && started < majorityOf(after)) return "notEnoughStarted";
  return voters.length > 1 && steadyVoters(around) < majorityOf(after) ? "unhealthy" : undefined;
}

/** A learner may always go, and so may a voter that nobody hears; else those that stay must be a safe majority. */
export function refusalOfRemove(memberId: MemberId, around: Surroundings): RefusalName | undefined {
  const { records, links, selfId } = around;
  if (records.some((record) => record.memberId === memberId && record.isLearner)) return undefined;
  const voters = votersOf(records);
  const rest = voters.filter((record) => record.memberId !== memberId);
  if (rest.filter(isStarted).length < majorityOf(rest.length)) return "notEnoughStarted";
  if (memberId !== selfId && links.connectedSince(memberId) === undefined) return undefined;
  return steadyVoters(around) - 1 < majorityOf(voters.length - 1) ? "unhealthy" : undefined;
}

/** How far others are, and whether they are there, as the leader knows it. */
interface Followers {
  readonly raft: Raft;
  readonly links: PeerLinks;
}

/**
 * What the leader has against making that learner a voter. The learner counts as started: it has come this far.
 *
 * @param isStrict whether to count started voters too
 */
export function refusalOfPromote(
  memberId: MemberId,
  around: Followers & { readonly records: readonly MemberRecord[]; readonly isStrict: boolean },
): RefusalName | undefined {
  const { raft, records, isStrict } = around;
  if (memberId !== raft.id) {
    const progress = raft.progressOf(memberId);
    if (progress === undefined) return "memberNotFound";
    if (!isInSync(memberId, progress, around)) return "learnerNotReady";
  }
  const voters = votersOf(records);
  const started = voters.filter(isStarted).length + 1;
  return isStrict && started < majorityOf(voters.length + 1) ? "notEnoughStarted" : undefined;
}

/** Whether each learner that the change promotes has caught up, as the leader sees it. */
export function refusalOfPromotions(
  { promote }: MemberReconfigureRequest,
  followers: Followers,
): RefusalName | undefined {
  for (const memberId of promote) {
    const progress = followers.raft.progressOf(memberId);
    if (progress !== undefined && !isInSync(memberId, progress, followers)) return "learnerNotReady";
  }
  return undefined;
}

/**
 * In a short log a single entry on its way is a large share: a member that takes each as it comes is in sync. One that is
 * gone is sent them, too, but as a voter it could cost the cluster its majority.
 */
function isInSync(memberId: MemberId, progress: ProgressView, { raft, links }: Followers): boolean {
  const { state, matchIndex } = progress;
  if (matchIndex >= raft.stableIndex * readyShare) return true;
  return state === "replicate" && !links.isLost(memberId) && raft.stableIndex - matchIndex <= onTheirWayMax;
}

/** Both majorities decide for a while: each needs enough voters that have started and have been connected for a while. */
export function refusalOfReconfigure(request: MemberReconfigureRequest, around: Surroundings): RefusalName | undefined {
  const { records } = around;
  const { remove, promote, demote, add } = request;
  const staying = records.filter(({ memberId, isLearner }) => {
    if (remove.includes(memberId) || demote.includes(memberId)) return false;
    return !isLearner || promote.includes(memberId);
  });
  const after = staying.length + add.filter(({ isLearner }) => !isLearner).length;
  if (staying.filter(isStarted).length < majorityOf(after)) return "notEnoughStarted";
  const steady = (list: readonly MemberRecord[]): number => list.filter((record) => isSteady(record, around)).length;
  const voters = votersOf(records);
  return steady(staying) < majorityOf(after) || steady(voters) < majorityOf(voters.length) ? "unhealthy" : undefined;
}

/** Share of the leader's log that a learner must hold before it may vote. */
const readyShare = 0.9;
/** Entries on their way that a learner may lack all the same. */
const onTheirWayMax = 10;
/** A connection counts once it has stood for so long. */
const steadyMs = 5_000;

const majorityOf = (voters: number): number => Math.floor(voters / 2) + 1;
const votersOf = (records: readonly MemberRecord[]): readonly MemberRecord[] =>
  records.filter((record) => !record.isLearner);
const isStarted = (record: MemberRecord): boolean => record.name !== "";

/** Voters connected for a while, this member included. */
function steadyVoters(around: Surroundings): number {
  return votersOf(around.records).filter((record) => isSteady(record, around)).length;
}

function isSteady({ memberId }: MemberRecord, { selfId, links, nowMs }: Surroundings): boolean {
  const sinceMs = memberId === selfId ? Number.NEGATIVE_INFINITY : links.connectedSince(memberId);
  return sinceMs !== undefined && nowMs - sinceMs > steadyMs;
}
