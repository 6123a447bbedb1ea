/*
 * Disaster: the majority of a cluster is lost, and one member with its data is left. By decree of an operator everything
 * in its log counts as committed, and so do entries behind it that remove every other member; it goes on alone, in the
 * same cluster, with all it held. The decree is in the log, so who joins later learns the same past.
 *
 * Where etcd drops entries that are not known to be committed, this keeps them: the commit index on a disk lags behind,
 * so what was acknowledged may be among them, and what was not may take effect late but harms nobody.
 * Source: etcd's disaster recovery, force-new-cluster.
 */
import { memberItself } from "../auth/identity.ts";
import { compareIds, hexOf, indexOf, type MemberId, termOf } from "../ids.ts";
import { noRegistrations } from "../raft/hard-state.ts";
import type { Entry } from "../raft/message.ts";
import type { OpenedLog } from "../storage/open-log.ts";
import { type ConfigurationRequest, decodeCommand, encodeCommand } from "./command.ts";
import type { Membership } from "./membership.ts";

export interface Survivor {
  readonly memberId: MemberId;
  readonly membership: Membership;
  readonly log: OpenedLog;
}

/** The log with the decree at its end, or why there can be none. A member that is alone already gets its log as it is. */
export function foundAlone(survivor: Survivor): OpenedLog | { readonly ok: false; readonly reason: string } {
  const { memberId, membership, log } = survivor;
  if (membership.isRemoved(memberId)) {
    return refuse("this member was removed from its cluster for ever; start over from a snapshot instead");
  }
  const last = log.entries.at(-1) ?? log.base;
  if (last.index === 0) return refuse("this member has no data to go on with; start a new cluster instead");
  const others = othersEver(survivor);
  const self = membership.get(memberId);
  if (self === undefined) {
    return refuse("this member does not belong to its cluster yet: it has not learned of its own addition");
  }
  if (others.length === 0 && !self.isLearner) {
    return { ...log, notes: [...log.notes, "force-new-cluster: this member is alone already; nothing was changed"] };
  }
  const changes: ConfigurationRequest[] = [
    { type: "leaveJoint" },
    ...(self.isLearner ? [{ type: "memberPromote", memberId } as const] : []),
    ...others.map((other) => ({ type: "memberRemove", memberId: other }) as const),
  ];
  const term = termOf(log.hardState.term + 1);
  const entries = changes.map((request, position): Entry => {
    // No life has that number, so nobody waits for these.
    const id = { origin: memberId, incarnation: 0, sequence: position };
    const index = indexOf(last.index + 1 + position);
    return { index, term, kind: "configuration", data: encodeCommand({ id, identity: memberItself, request }) };
  });
  const hardState = {
    term,
    votedFor: memberId,
    commitIndex: indexOf(last.index + entries.length),
    registrations: noRegistrations,
    isRecovering: false,
  };
  const operations = [...log.operations, ...log.store.append({ hardState, entries })];
  const uncertain = Math.max(0, last.index - Math.max(log.hardState.commitIndex, log.base.index));
  const note = `force-new-cluster: members ${others.map(hexOf).join(", ")} are removed and this one goes on alone with everything up to entry ${last.index}, ${uncertain} of them not known to be committed; start it without the flag from now on, and let other members join anew with empty data directories`;
  return { ...log, operations, entries: [...log.entries, ...entries], hardState, notes: [...log.notes, note] };
}

const refuse = (problem: string): { readonly ok: false; readonly reason: string } => ({
  ok: false,
  reason: `force-new-cluster: ${problem}`,
});

/** All but this member that belong, or that an entry not applied yet may add. In id order. */
function othersEver({ memberId, membership, log }: Survivor): readonly MemberId[] {
  const ids = new Set(membership.records.map((record) => record.memberId));
  for (const entry of log.entries) {
    if (entry.kind !== "configuration") continue;
    const { request } = decodeCommand(entry.data);
    if (request.type === "memberAdd") ids.add(request.memberId);
    else if (request.type === "memberReconfigure") for (const added of request.add) ids.add(added.memberId);
  }
  ids.delete(memberId);
  return [...ids].sort(compareIds);
}
