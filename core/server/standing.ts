/*
 * What people are told about a member that forgot what it had promised, in its status and in its log; and about one that
 * went on with another history than its cluster, when it ends.
 */
import { unreachable } from "../assert.ts";
import { hexOf, type MemberId } from "../ids.ts";
import type { Forgotten } from "../raft/amnesia.ts";
import type { Divergence } from "../raft/divergence.ts";
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
    const others = forgetful.length > 0 ? `, and so are those of ${namesOf(forgetful, members)}` : "";
    return `${gone}${others}: too few members are left that know what was promised. Stop all members, start the one with the highest raft index in "etcdctl endpoint status" with --force-new-cluster, and add the others anew with empty data directories; what that one lacks is lost`;
  }
  return `${gone}; it does not count until ${missing} more of ${namesOf(silent, members)} have answered: start them, or give this member up with "etcdctl member remove ${hexOf(raft.id)}" and add it anew with an empty data directory`;
}

/** What was found, how that comes, and what to do; what this member alone acknowledged is in no other log. */
export function divergenceText(
  divergence: Divergence,
  { id, term }: Pick<RaftView, "id" | "term">,
  members: readonly MemberRecord[],
): string {
  const what = foundBy(divergence, nameOf(divergence.from, members));
  const why = "a disk put back from before the others came, or --force-new-cluster beside members that live, does that";
  const remedy = `the cluster goes on without this member: keep a copy of its data directory for what it acknowledged alone (in terms up to ${term}), give it up with "etcdctl member remove ${hexOf(id)}" at the others, and add it anew with an empty data directory`;
  return `this member's history is not its cluster's: ${what}; ${why}; ${remedy}`;
}

function foundBy(divergence: Divergence, other: string): string {
  switch (divergence.type) {
    case "members":
      return `by its own list it is the only voter, but as of entry ${divergence.index} of ${other} others are`;
    case "leads":
      return `by its own list it is the only voter, but ${other} leads in term ${divergence.term}`;
    case "entries":
      return `entry ${divergence.index} is committed here, in term ${divergence.ownTerm}, and ${other} has another one in its place, of term ${divergence.term}`;
    default:
      return unreachable(divergence);
  }
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
