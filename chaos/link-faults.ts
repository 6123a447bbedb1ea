/*
 * Faults of links: who is cut from whom, and how every link carries.
 */
import type { Fault } from "../scenarios/faults.ts";
import { type Breakable, type Made, roleNote, skipped, withMember } from "./fault-targets.ts";
import type { Link } from "./link/links.ts";

export type LinkFault = Extract<
  Fault,
  { fault: "isolate" | "cutOneWay" | "partition" | "healNetwork" | "linkLaw" | "clogLinks" }
>;

export async function makeLinkFault(fault: LinkFault, { cluster, processes }: Breakable): Promise<Made> {
  const { links, names } = processes;
  switch (fault.fault) {
    case "isolate":
      return withMember(fault.target, cluster, async (name) => {
        await links.cut(between(names, (from, to) => from === name || to === name));
        return { members: [name], detail: `links to and from every other member cut${roleNote(fault.target)}` };
      });
    case "cutOneWay":
      return withMember(fault.from, cluster, (from) =>
        withMember(fault.to, cluster, async (to) => {
          if (from === to) return skipped("both ends are one member", [from]);
          await links.cut([{ from, to }]);
          return { members: [from, to], detail: `${from} → ${to} cut` };
        }),
      );
    case "partition": {
      // A member of no group hears nobody.
      const areTogether = (a: string, b: string): boolean =>
        fault.groups.some((group) => group.includes(a) && group.includes(b));
      await links.cut(between(names, (from, to) => !areTogether(from, to)));
      const groups = fault.groups.map((group) => `{${group.join(", ")}}`).join(" | ");
      return { members: fault.groups.flat(), detail: groups };
    }
    case "healNetwork":
      await links.heal();
      return { members: [], detail: "every link works" };
    case "linkLaw":
      return { members: [], detail: await links.setLaw(fault.law) };
    case "clogLinks":
      return withMember(fault.target, cluster, async (name) => {
        await links.clog(name);
        return { members: [name], detail: `links from and to it hold everything back${roleNote(fault.target)}` };
      });
  }
}

/** Every link, in both directions, that the condition holds for. */
function between(names: readonly string[], isMeant: (from: string, to: string) => boolean): Link[] {
  return names.flatMap((from) => names.filter((to) => to !== from && isMeant(from, to)).map((to) => ({ from, to })));
}
