/*
 * What /debug/vars shows of this process, under etcd's names. Only what is measured here: a runtime without Go's
 * allocator has no Go statistics. Source: etcd v3 HTTP surface, debug.
 */
import { hexOf, type Member, type MemberId } from "../../core/index.ts";
import { handleLimit } from "./handles.ts";

const stateNames = {
  follower: "StateFollower",
  preCandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
} as const;

/** Sizes are bytes. */
export function variablesOf(member: Pick<Member, "raft" | "appliedIndex">): { readonly [name: string]: unknown } {
  const { raft } = member;
  const memory = process.memoryUsage();
  const idText = (id: MemberId | undefined): string => (id === undefined ? "0" : hexOf(id));
  return {
    cmdline: process.argv,
    file_descriptor_limit: handleLimit() ?? 0,
    memstats: { Sys: memory.rss, HeapSys: memory.heapTotal, HeapAlloc: memory.heapUsed },
    "raft.status": {
      id: hexOf(raft.id),
      term: raft.term,
      vote: idText(raft.votedFor),
      commit: raft.commitIndex,
      lead: idText(raft.leaderId),
      raftState: stateNames[raft.role],
      applied: member.appliedIndex,
    },
  };
}
