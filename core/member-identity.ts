/*
 * Who a member is: what it shows to clients and to other members.
 */
import type { ClusterId, MemberId } from "./ids.ts";

export interface MemberIdentity {
  readonly name: string;
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  /** Published through the log, so that clients find this member. */
  readonly clientUrls: readonly string[];
  /** The release this member runs, as semver; absent: {@link defaultVersion}. */
  readonly version?: string;
}

/** The release of etcd whose behaviour members keep. */
const defaultVersion = "3.6.14";
export const versionOf = (identity: MemberIdentity): string => identity.version ?? defaultVersion;
