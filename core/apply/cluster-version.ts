/*
 * Which release the cluster as a whole keeps to: replicated, decided by the leader as the lowest of its members', and
 * never lowered but by a downgrade an operator asked for. Also which release each member said it runs. Stored in bucket
 * `cluster`: clusterVersion, downgrade (etcd's names and forms), and memberVersion/ID (our own).
 *
 *   undecided ──all members known──▶ lowest ──a member is replaced by a newer one──▶ higher
 *                                      └──downgrade enabled, all at target or one above──▶ target ──all at target──▶ done
 *
 * Source: etcd lifecycle, Cluster and storage version; API, Downgrade.
 */
import { utf8Decode, utf8Encode } from "../bytes.ts";
import type { RefusalName } from "../errors.ts";
import { hexOf, type MemberId } from "../ids.ts";
import type { Backend } from "../ports.ts";
import type { DowngradeInfo } from "../request.ts";

/** Major and minor; patches do not matter to a cluster. */
export interface Release {
  readonly major: number;
  readonly minor: number;
}

/** Of `3.5`, `3.5.1` or `v3.5`; undefined for anything else. */
export function releaseOf(text: string): Release | undefined {
  const match = /^v?(\d{1,4})\.(\d{1,4})(?:\.\d{1,9})?$/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

export const releaseText = ({ major, minor }: Release): string => `${major}.${minor}.0`;

export const compareReleases = (a: Release, b: Release): number => a.major - b.major || a.minor - b.minor;

const isOneBelow = (a: Release, b: Release): boolean => a.major === b.major && a.minor === b.minor - 1;

const versionKey = utf8Encode("clusterVersion");
const downgradeKey = utf8Encode("downgrade");
const memberKeyOf = (memberId: MemberId): Uint8Array => utf8Encode(`memberVersion/${hexOf(memberId)}`);
const noDowngrade: DowngradeInfo = { enabled: false, targetVersion: "" };

export class ClusterVersion {
  readonly #backend: Backend;
  #version: Release | undefined;
  #downgrade: DowngradeInfo = noDowngrade;

  /** Empty until {@link reload}. */
  constructor(backend: Backend) {
    this.#backend = backend;
  }

  reload(): void {
    this.#version = this.#read(versionKey);
    const bytes = this.#backend.get("cluster", downgradeKey);
    this.#downgrade = bytes === undefined ? noDowngrade : downgradeOf(utf8Decode(bytes));
  }

  /** undefined until it is decided. */
  get version(): Release | undefined {
    return this.#version;
  }

  get downgrade(): DowngradeInfo {
    return this.#downgrade;
  }

  /** What that member said it runs; undefined when it said nothing yet. */
  memberVersion(memberId: MemberId): Release | undefined {
    return this.#read(memberKeyOf(memberId));
  }

  // ---- while an entry is applied -------------------------------------------------------------------------------

  setMemberVersion(memberId: MemberId, version: string): void {
    this.#backend.put("cluster", memberKeyOf(memberId), utf8Encode(version));
  }

  setVersion(version: string): void {
    this.#version = releaseOf(version);
    this.#backend.put("cluster", versionKey, utf8Encode(version));
  }

  /** Judged again here: two operators may have asked at once. */
  setDowngrade(info: DowngradeInfo): RefusalName | undefined {
    const refusal = info.enabled ? this.refusalOfDowngrade(info.targetVersion) : undefined;
    if (refusal !== undefined) return refusal;
    this.#downgrade = info;
    const stored = { "target-version": info.targetVersion, enabled: info.enabled };
    this.#backend.put("cluster", downgradeKey, utf8Encode(JSON.stringify(stored)));
    return undefined;
  }

  // ---- judging -------------------------------------------------------------------------------------------------

  /** What there is against a downgrade to that version. */
  refusalOfDowngrade(version: string): RefusalName | undefined {
    const target = releaseOf(version);
    if (target === undefined) return "wrongDowngradeVersion";
    if (this.#version === undefined) return "clusterVersionUnavailable";
    if (this.#downgrade.enabled) return "downgradeInProcess";
    return isOneBelow(target, this.#version) ? undefined : "invalidDowngradeTarget";
  }

  /**
   * The version these members should have together; undefined: as it is, or some have not said theirs.
   */
  decide(members: readonly MemberId[]): Release | undefined {
    const versions: Release[] = [];
    for (const memberId of members) {
      const version = this.memberVersion(memberId);
      if (version === undefined) return undefined;
      versions.push(version);
    }
    versions.sort(compareReleases);
    const [lowest] = versions;
    const highest = versions.at(-1);
    if (lowest === undefined || highest === undefined) return undefined;
    const current = this.#version;
    const target = this.#downgrade.enabled ? releaseOf(this.#downgrade.targetVersion) : undefined;
    if (target !== undefined && current !== undefined) {
      const mayGoDown = isOneBelow(target, current) && compareReleases(highest, current) <= 0;
      return mayGoDown ? target : undefined;
    }
    return current === undefined || compareReleases(lowest, current) > 0 ? lowest : undefined;
  }

  /** A downgrade is over when all these members run its target. */
  isDowngradeOver(members: readonly MemberId[]): boolean {
    const target = this.#downgrade.enabled ? releaseOf(this.#downgrade.targetVersion) : undefined;
    if (target === undefined) return false;
    return members.every((memberId) => {
      const version = this.memberVersion(memberId);
      return version !== undefined && compareReleases(version, target) === 0;
    });
  }

  #read(key: Uint8Array): Release | undefined {
    const bytes = this.#backend.get("cluster", key);
    return bytes === undefined ? undefined : releaseOf(utf8Decode(bytes));
  }
}

/** What cannot be read counts as none: another program's file may hold anything. */
function downgradeOf(text: string): DowngradeInfo {
  const match = /^\{"target-version":"([^"]*)","enabled":(true|false)\}$/.exec(text);
  return match === null ? noDowngrade : { targetVersion: match[1] ?? "", enabled: match[2] === "true" };
}
