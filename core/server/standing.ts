/*
 * What people are told about a member that forgot what it had promised: in its status and in its log.
 */
import { hexOf, type MemberId } from "../ids.ts";
import type { Forgotten } from "../raft/amnesia.ts";
import type { RaftView } from "../raft/ready.ts";
import type { MemberRecord } from "../request.ts";

/** One sentence on what is gone, one on what has to happen; undefined for a member that counts or is merely asking. */
export function standingText(raft: RaftView, members: readonly MemberRecord[]): string | undefined {
  const { recall } = raft;
  if (recall?.forgotten === undefined) return undefined;
  const gone = `this member's disk is older than what it had promised: ${forgottenTexts[recall.forgotten]}`;
  if (recall.missing === 0) return `${gone}; it is being sent what it lacks and does not count until it has it`;
  const { missing, silent, forgetful } = recall;
  if (silent.length - forgetful.length < missing) {
    // They wait for each other, and would for ever.
    return `${gone}, and so are those of ${namesOf(forgetful, members)}: too few members are left that know what was promised. Stop all members, start the one with the highest raft index in "etcdctl endpoint status" with --force-new-cluster, and add the others anew with empty data directories; what that one lacks is lost`;
  }
  return `${gone}; it does not count until ${missing} more of ${namesOf(silent, members)} have answered: start them, or give this member up with "etcdctl member remove ${hexOf(raft.id)}" and add it anew with an empty data directory`;
}

const forgottenTexts: { readonly [What in Forgotten]: string } = {
  term: "another member heard it speak in a later term",
  entries: "entries it had acknowledged are not in its log",
  everything: "it has served before, and its log is empty",
  "damaged entries": "a part of its log was damaged",
  "found by an earlier life": "found when it started before",
};

const namesOf = (ids: readonly MemberId[], members: readonly MemberRecord[]): string =>
  ids.map((id) => nameOf(id, members)).join(", ");

function nameOf(id: MemberId, members: readonly MemberRecord[]): string {
  const name = members.find((record) => record.memberId === id)?.name ?? "";
  return name === "" ? hexOf(id) : `${name} (${hexOf(id)})`;
}
