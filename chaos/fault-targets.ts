/*
 * Whom a fault hits, looked up when it happens, and what came of it.
 */
import type { FaultTarget } from "../scenarios/faults.ts";
import type { Cluster } from "./cluster.ts";
import type { MemberProcesses } from "./member-processes.ts";

/** What came of a fault; `skipped`: nothing, and the detail says why. */
export interface Made {
  readonly members: readonly string[];
  readonly detail: string;
  readonly skipped?: boolean;
}

/** What faults are made on. */
export interface Breakable {
  readonly cluster: Cluster;
  readonly processes: MemberProcesses;
}

export const skipped = (detail: string, members: readonly string[] = []): Made => ({ members, detail, skipped: true });

const isRole = (target: FaultTarget): target is "leader" | "follower" => target === "leader" || target === "follower";

/** For the end of a detail: which role it was that was looked up. */
export const roleNote = (target: FaultTarget): string => (isRole(target) ? ` to the ${target}` : "");

/** The members a fault names, for one that was not made. */
export const namesIn = (target: FaultTarget): string[] => (isRole(target) ? [] : [target]);

/** Looks a role up now; a member's own name stands for itself. */
export async function withMember(
  target: FaultTarget,
  cluster: Cluster,
  make: (name: string) => Promise<Made>,
): Promise<Made> {
  if (!isRole(target)) return cluster.names.includes(target) ? make(target) : skipped(`no member is called ${target}`);
  const leader = await cluster.leader();
  if (target === "leader") return leader === undefined ? skipped("no member knows a leader now") : make(leader);
  const follower = cluster.names.find((name) => name !== leader && cluster.processes?.stateOf(name) === "running");
  return follower === undefined ? skipped("no follower is running now") : make(follower);
}
