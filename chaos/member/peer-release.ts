/*
 * Which releases may be members of one cluster: those that are one minor apart at most, so that a cluster can be brought
 * from one to the next member by member. Source: etcd's life of a member, cluster and storage version.
 */
import { releaseOf } from "../../core/index.ts";

/** @returns why a member of that release is turned away; undefined: it is welcome */
export function releaseProblem(own: string, theirs: string): string | undefined {
  const [mine, other] = [releaseOf(own), releaseOf(theirs)];
  if (mine === undefined || other === undefined) return `incompatible version: "${theirs}" is no release`;
  if (mine.major === other.major && Math.abs(mine.minor - other.minor) <= 1) return undefined;
  return `incompatible version: this member runs ${own}, not ${theirs}; members of one cluster are one minor version apart at most, so go there release by release`;
}
