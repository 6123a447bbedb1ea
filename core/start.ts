/*
 * How a member comes into being: its disk is read, what does not fit is refused, and what the log holds beyond the
 * backend is replayed as it commits again.
 */
import { compareReleases, releaseOf } from "./apply/cluster-version.ts";
import { foundAlone } from "./apply/found-alone.ts";
import { Machine } from "./apply/machine.ts";
import { checkMemberConfig } from "./config.ts";
import { hexOf, type MemberId } from "./ids.ts";
import { Member, type MemberSurroundings } from "./member.ts";
import { versionOf } from "./member-identity.ts";
import type { Output } from "./output.ts";
import type { MemberRecord } from "./request.ts";
import type { DoubtfulBytes, LogSegment } from "./storage/log-store.ts";
import { openLog } from "./storage/open-log.ts";
import { installedAt } from "./storage/snapshot.ts";

export interface MemberStart extends MemberSurroundings {
  /** Log segments as found on the disk, in any order; empty for a new member. */
  readonly segments: readonly LogSegment[];
  /** Members of a new cluster, this one among them; ignored when the backend holds a member list already. */
  readonly members: readonly MemberRecord[];
  /** By an operator's decree: remove every other member and go on alone (etcd: force-new-cluster). */
  readonly forceNewCluster?: boolean;
}

export type MemberStarted =
  | {
      readonly ok: true;
      readonly member: Member;
      readonly outputs: readonly Output[];
      /** Of the log, as it was found: to be written again and synced before any output, unless that is sure already. */
      readonly doubtful: readonly DoubtfulBytes[];
    }
  /** The disk does not allow it: the reason names the thing, the place and the remedy. Nothing was changed. */
  | { readonly ok: false; readonly reason: string };

/** Recovery: open the backend at its consistent index, read the log, and replay what follows as it commits again. */
export function startMember(start: MemberStart): MemberStarted {
  const wrong = checkMemberConfig(start.config);
  if (wrong !== undefined) return { ok: false, reason: `configuration: ${wrong}` };
  const machine = new Machine({ backend: start.backend, config: start.config, bootstrapMembers: start.members });
  const own = releaseOf(versionOf(start.identity));
  if (own === undefined) return { ok: false, reason: `${versionOf(start.identity)} is no version such as 3.6.14` };
  const { version } = machine.cluster;
  if (version !== undefined && compareReleases(own, version) < 0) {
    return { ok: false, reason: "invalid downgrade; server version is lower than determined cluster version" };
  }
  const applied = { index: machine.appliedIndex, term: machine.appliedTerm };
  const { segments, identity, config } = start;
  const { configuration } = machine.membership;
  const isVoterElsewhere = (id: MemberId): boolean => id !== identity.memberId;
  const canBeFilledUp =
    start.forceNewCluster !== true &&
    machine.membership.records.some(({ memberId }) => memberId === identity.memberId) &&
    configuration.voters.some(isVoterElsewhere);
  const opened = openLog({
    segments,
    identity,
    config,
    applied,
    installedAt: installedAt(start.backend),
    canBeFilledUp,
  });
  if (!opened.ok) return opened;
  const foreign = foreignState(machine, start);
  if (foreign !== undefined) return { ok: false, reason: foreign };
  const { memberId } = identity;
  const log =
    start.forceNewCluster === true ? foundAlone({ memberId, membership: machine.membership, log: opened }) : opened;
  if (!log.ok) return log;
  return { ok: true, ...Member.start(start, machine, log), doubtful: log.doubtful };
}

/** A state whose members are all strangers is of another cluster; members that were removed are remembered. */
function foreignState({ appliedIndex, membership }: Machine, { identity, members }: MemberStart): string | undefined {
  const isKnown = (id: MemberId): boolean =>
    membership.isRemoved(id) || membership.records.some(({ memberId }) => memberId === id);
  if (appliedIndex === 0 || isKnown(identity.memberId) || members.some(({ memberId }) => isKnown(memberId)))
    return undefined;
  const found = membership.records.map(({ memberId }) => hexOf(memberId)).join(", ");
  return `the backend belongs to another cluster: its members are ${found || "none"}, and ${hexOf(identity.memberId)} is none of them; put the backend of this member back, or remove the data directory and add this member anew`;
}
