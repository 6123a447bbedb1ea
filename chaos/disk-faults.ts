/*
 * Faults of disks: old copies, damage, no room, slow and failing syncs. What a member looks at by itself is set as a fault
 * point; everything else is done to its files, mostly while it is down.
 */
import type { Fault } from "../scenarios/faults.ts";
import { type Breakable, type Made, roleNote, skipped, withMember } from "./fault-targets.ts";

export type DiskFault = Extract<
  Fault,
  {
    fault:
      | "copyDisk"
      | "restoreDisk"
      | "wipeDisk"
      | "slowDisk"
      | "fillDisk"
      | "failSync"
      | "flipValue"
      | "damageLog"
      | "mendDisk";
  }
>;

export async function makeDiskFault(fault: DiskFault, { cluster, processes }: Breakable): Promise<Made> {
  switch (fault.fault) {
    case "copyDisk":
      return withMember(fault.target, cluster, async (name) => {
        processes.copyDisk(name, fault.label);
        return { members: [name], detail: `disk kept as "${fault.label}"` };
      });
    case "restoreDisk": {
      const owner = await processes.restoreDisk(fault.label);
      return owner === undefined
        ? skipped(`no disk was kept as "${fault.label}"`)
        : { members: [owner], detail: `killed, disk replaced by "${fault.label}"` };
    }
    case "wipeDisk":
      return withMember(fault.target, cluster, async (name) => {
        await processes.wipeDisk(name);
        return { members: [name], detail: `killed, nothing left on its disk${roleNote(fault.target)}` };
      });
    case "slowDisk":
      return withMember(fault.target, cluster, async (name) => {
        if (fault.byMs === 0) processes.clearFaultPoints(name, ["slow-sync"]);
        else processes.setFaultPoint(name, "slow-sync", fault.byMs);
        return { members: [name], detail: `each sync takes ${fault.byMs} ms longer${roleNote(fault.target)}` };
      });
    case "fillDisk":
      return withMember(fault.target, cluster, async (name) => ({
        members: [name],
        detail: `${await processes.fillDisk(name)}${roleNote(fault.target)}`,
      }));
    case "failSync":
      return withMember(fault.target, cluster, async (name) => {
        processes.setFaultPoint(name, fault.persistent ? "fail-sync" : "fail-sync-once");
        const detail = fault.persistent ? "every sync of its log fails" : "the next sync of its log fails";
        return { members: [name], detail: `${detail}${roleNote(fault.target)}` };
      });
    case "flipValue":
      return withMember(fault.target, cluster, async (name) => {
        const place = processes.flipValue(name);
        return place === undefined
          ? skipped("it stores nothing yet", [name])
          : { members: [name], detail: `a bit of ${place} flipped${roleNote(fault.target)}` };
      });
    case "damageLog":
      return withMember(fault.target, cluster, async (name) => {
        const place = await processes.damageLog(name);
        return place === undefined
          ? skipped("its log is empty", [name])
          : { members: [name], detail: `killed, a bit of ${place} flipped${roleNote(fault.target)}` };
      });
    case "mendDisk":
      return withMember(fault.target, cluster, async (name) => {
        processes.mendDisk(name);
        return { members: [name], detail: "its disk works" };
      });
  }
}
