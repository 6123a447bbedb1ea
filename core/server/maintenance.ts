/*
 * Answers of the Maintenance service: local facts about this member, without any proof of leadership.
 */
import type { Machine } from "../apply/machine.ts";
import { refusals } from "../errors.ts";
import type { Backend } from "../ports.ts";
import type { RaftView } from "../raft/ready.ts";
import type { AlarmRecord, Answer } from "../request.ts";
import { standingText } from "./standing.ts";

export function statusAnswer(machine: Machine, raft: RaftView, backend: Backend): Extract<Answer, { type: "status" }> {
  const size = backend.size();
  const standing = standingText(raft, machine.membership.records);
  return {
    type: "status",
    // Clients divide by the size, so it is never 0.
    dbSizeBytes: Math.max(1, size.allocatedBytes),
    dbSizeInUseBytes: size.usedBytes,
    leaderId: raft.leaderId,
    committedIndex: raft.commitIndex,
    appliedIndex: machine.appliedIndex,
    raftTerm: raft.term,
    isLearner: raft.configuration.learners.includes(raft.id),
    ...(machine.cluster.downgrade.enabled ? { downgrade: machine.cluster.downgrade } : {}),
    errors: [
      ...(raft.leaderId === undefined ? [refusals.noLeader.text] : []),
      ...(standing === undefined ? [] : [standing]),
      ...machine.alarms.records.map(alarmText),
    ],
  };
}

/** An alarm the way etcd prints it, trailing blank included. */
function alarmText(record: AlarmRecord): string {
  return `memberID:${record.memberId} alarm:${record.alarm === "noSpace" ? "NOSPACE" : "CORRUPT"} `;
}
