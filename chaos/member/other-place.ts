/*
 * A member that was started where its cluster does not look for it. Peer URLs on the command line found or join a
 * cluster and are not looked at any more; what counts is the member list, which an operator updates. Whoever moves a
 * member and forgets that has one that finds the others and is found by none: it knows no leader, and nothing says why.
 */
import { hexOf, type MemberId, type MemberRecord } from "../../core/index.ts";
import type { MemberFlags } from "./flags.ts";
import type { Log } from "./log.ts";

/** @param members the list as this member knew it when it ended: it may have been updated since, so this is no error */
export function warnOfOtherPlace(
  members: readonly MemberRecord[],
  own: { readonly memberId: MemberId; readonly flags: MemberFlags; readonly log: Log },
): void {
  const { memberId, flags, log } = own;
  const listed = members.find((member) => member.memberId === memberId)?.peerUrls;
  if (listed === undefined || !flags.explicit.has("initial-advertise-peer-urls")) return;
  if ([...listed].sort().join() === [...flags.advertisePeerUrls].sort().join()) return;
  const id = hexOf(memberId);
  const command = `etcdctl member update ${id} --peer-urls=${flags.advertisePeerUrls.join(",")}`;
  log.warn("other members look for this one elsewhere, unless its peer URLs were updated while it was down", {
    "local-member-id": id,
    "listed-peer-urls": listed,
    "initial-advertise-peer-urls": flags.advertisePeerUrls,
    remedy: command,
  });
}
