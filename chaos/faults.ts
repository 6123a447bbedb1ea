/*
 * Faults of a plan on real processes: signals, links, data directories. What cannot be made here is recorded as
 * skipped with the reason, never left out silently.
 */
import { unreachable } from "../core/index.ts";
import type { Fault, FaultTarget } from "../scenarios/faults.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Cluster } from "./cluster.ts";
import { whySendersAreUnknown } from "./link/sender.ts";
import type { MemberProcesses } from "./member-processes.ts";
import { changeMany, changeMembers } from "./operator.ts";

export interface FaultSurroundings {
  readonly cluster: Cluster;
  readonly nowMs: () => number;
  readonly record: (event: HistoryEvent) => void;
}

type Made = { readonly members: readonly string[]; readonly detail: string; readonly skipped?: boolean };
const skipped = (detail: string, members: readonly string[] = []): Made => ({ members, detail, skipped: true });

/** Makes one fault and records what came of it. Faults are made one after the other. */
export async function makeFault(fault: Fault, surroundings: FaultSurroundings): Promise<void> {
  const { cluster, nowMs, record } = surroundings;
  const atMs = nowMs();
  const made =
    cluster.processes === undefined
      ? skipped("the cluster was there before the drill: its processes, disks and links are not the drill's")
      : await makeOnProcesses(fault, cluster, cluster.processes);
  record({
    type: "fault",
    atMs: Math.max(atMs, nowMs()),
    fault: fault.fault,
    members: made.members,
    result: made.skipped === true ? "skipped" : "done",
    detail: made.detail,
  });
  if ((fault.fault === "kill" || fault.fault === "killAll") && fault.powerLoss && made.skipped !== true) {
    const detail = "bytes that were not synced survive in the system's cache: a killed process loses none";
    record({ type: "fault", atMs: nowMs(), fault: "powerLoss", members: made.members, result: "skipped", detail });
  }
}

async function makeOnProcesses(fault: Fault, cluster: Cluster, processes: MemberProcesses): Promise<Made> {
  switch (fault.fault) {
    case "kill":
      return withMember(fault.target, cluster, async (name) => {
        if (processes.stateOf(name) === "down") return skipped("it is down already", [name]);
        await processes.kill(name);
        return { members: [name], detail: `SIGKILL${roleNote(fault.target)}` };
      });
    case "killAll":
      await Promise.all(processes.names.map((name) => processes.kill(name)));
      return { members: processes.names, detail: "SIGKILL to all" };
    case "restart": {
      if (fault.target !== "all") {
        return withMember(fault.target, cluster, async (name) => startDown(processes, [name]));
      }
      return startDown(processes, processes.names);
    }
    case "pause":
      return withMember(fault.target, cluster, async (name) =>
        processes.pause(name)
          ? { members: [name], detail: `SIGSTOP${roleNote(fault.target)}` }
          : skipped("it is down or paused already", [name]),
      );
    case "resume": {
      if (fault.target !== "all") {
        return withMember(fault.target, cluster, async (name) => resumePaused(processes, [name]));
      }
      return resumePaused(processes, processes.names);
    }
    case "isolate":
      return withLinks(() =>
        withMember(fault.target, cluster, async (name) => {
          for (const other of processes.names) if (other !== name) cutBoth(processes, name, other);
          return { members: [name], detail: `links to and from every other member cut${roleNote(fault.target)}` };
        }),
      );
    case "cutOneWay":
      return withLinks(() =>
        withMember(fault.from, cluster, (from) =>
          withMember(fault.to, cluster, async (to) => {
            if (from === to) return skipped("both ends are one member", [from]);
            processes.links.cutOneWay({ from, to });
            return { members: [from, to], detail: `${from} → ${to} cut, the other way works` };
          }),
        ),
      );
    case "partition":
      return withLinks(async () => {
        cutBetween(processes, fault.groups);
        return {
          members: fault.groups.flat(),
          detail: fault.groups.map((group) => `{${group.join(", ")}}`).join(" | "),
        };
      });
    case "healNetwork":
      processes.links.heal();
      return { members: [], detail: "every link works; connections that lost bytes are reset" };
    case "linkLaw": {
      const { minDelayMs, maxDelayMs, lossPpm, duplicatePpm, reorderPpm } = fault.law;
      processes.links.setLaw({ minDelayMs, maxDelayMs, resetPpm: lossPpm });
      const left = [duplicatePpm > 0 ? "duplicates" : "", reorderPpm > 0 ? "reordering" : ""].filter(
        (word) => word !== "",
      );
      return {
        members: [],
        detail: `delay ${minDelayMs}..${maxDelayMs} ms, ${lossPpm} ppm of pieces lost as resets${left.length > 0 ? `; no ${left.join(", no ")}: TCP has none` : ""}`,
      };
    }
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
      return skipped("a member whose cluster knows it refuses to start on an empty disk", namesIn(fault.target));
    case "clockJump":
    case "clockDrift":
      return skipped("the members share this machine's clock", namesIn(fault.target));
    case "slowDisk":
      return skipped("slowing syncs needs a shim in front of the disk", namesIn(fault.target));
    case "fillDisk":
      return withMember(fault.target, cluster, async (name) =>
        setPoint(processes, name, "no-room", "its disk is full"),
      );
    case "disarmAlarms":
      cluster.disarm();
      return { members: cluster.names, detail: "NOSPACE alarms are taken away for some seconds" };
    case "failSync":
      return withMember(fault.target, cluster, async (name) =>
        fault.persistent
          ? setPoint(processes, name, "fail-sync", "every sync of its log fails")
          : setPoint(processes, name, "fail-sync-once", "the next sync of its log fails"),
      );
    case "flipValue":
      return skipped("the backend of a running process cannot be changed under it", namesIn(fault.target));
    case "damageLog":
      return withMember(fault.target, cluster, async (name) => {
        const place = await processes.damageLog(name);
        return place === undefined
          ? skipped("only a log of faultline's own form can be damaged in a place that matters", [name])
          : { members: [name], detail: `killed, a bit of ${place} flipped${roleNote(fault.target)}` };
      });
    case "mendDisk":
      return withMember(fault.target, cluster, async (name) => setPoint(processes, name, undefined, "its disk works"));
    case "clogLinks":
      return withLinks(() =>
        withMember(fault.target, cluster, async (name) => {
          processes.links.clog(name);
          return { members: [name], detail: `links from and to it hold everything back${roleNote(fault.target)}` };
        }),
      );
    case "addMember":
    case "removeMember":
    case "promoteMember":
      return withMember(fault.target, cluster, async (name) => {
        const changed = await changeMembers(fault, name, { cluster, processes });
        return "done" in changed ? { members: [name], detail: changed.done } : skipped(changed.problem, [name]);
      });
    case "changeMembers": {
      // It is our members' own call, outside of etcd's API.
      if (cluster.target !== "faultline") return skipped("etcd changes one member at a time");
      const leader = await cluster.leader();
      const nameOf = (target: FaultTarget): string =>
        target === "leader" || target === "follower"
          ? (cluster.names.find((name) => (name === leader) === (target === "leader")) ?? "")
          : target;
      const many = { ...fault, remove: fault.remove.map(nameOf), demote: fault.demote.map(nameOf) };
      const names = [...many.remove, ...many.promote, ...many.demote, ...many.add, ...many.addLearners];
      if (names.includes("")) return skipped("no member knows a leader now");
      const changed = await changeMany(many, { cluster, processes });
      return "done" in changed ? { members: names, detail: changed.done } : skipped(changed.problem, names);
    }
    case "transferLeader":
      return withMember(fault.target, cluster, async (name) => {
        const problem = await cluster.handOver(name);
        return problem === undefined ? { members: [name], detail: "it leads now" } : skipped(problem, [name]);
      });
    case "healCore": {
      processes.links.healAmong(fault.members);
      mendDisks(cluster, processes);
      const resumed = resumePaused(processes, fault.members);
      const started = await startDown(processes, fault.members);
      return { members: fault.members, detail: `links healed; ${resumed.detail}; ${started.detail}` };
    }
    case "healAll": {
      processes.links.heal();
      mendDisks(cluster, processes);
      const resumed = resumePaused(processes, processes.names);
      const started = await startDown(processes, processes.names);
      return { members: processes.names, detail: `links healed; ${resumed.detail}; ${started.detail}` };
    }
    default:
      return unreachable(fault);
  }
}

/** One full disk stops the writes of all: it has room again whoever is healed. */
function mendDisks(cluster: Cluster, processes: MemberProcesses): void {
  for (const name of processes.names) processes.setFaultPoint(name, undefined);
  cluster.disarm();
}

function setPoint(
  processes: MemberProcesses,
  name: string,
  point: Parameters<MemberProcesses["setFaultPoint"]>[1],
  detail: string,
): Made {
  const problem = processes.setFaultPoint(name, point);
  return problem === undefined ? { members: [name], detail } : skipped(problem, [name]);
}

const roleNote = (target: FaultTarget): string =>
  target === "leader" || target === "follower" ? ` to the ${target}` : "";
const namesIn = (target: FaultTarget): string[] => (target === "leader" || target === "follower" ? [] : [target]);

/** Looks a role up now; a member's own name stands for itself. */
async function withMember(target: FaultTarget, cluster: Cluster, make: (name: string) => Promise<Made>): Promise<Made> {
  if (target !== "leader" && target !== "follower") {
    return cluster.names.includes(target) ? make(target) : skipped(`no member is called ${target}`);
  }
  const leader = await cluster.leader();
  if (target === "leader") return leader === undefined ? skipped("no member knows a leader now") : make(leader);
  const follower = cluster.names.find((name) => name !== leader && cluster.processes?.stateOf(name) === "running");
  return follower === undefined ? skipped("no follower is running now") : make(follower);
}

async function withLinks(make: () => Promise<Made>): Promise<Made> {
  const why = whySendersAreUnknown();
  return why === undefined ? make() : skipped(why);
}

function cutBoth(processes: MemberProcesses, a: string, b: string): void {
  processes.links.cutOneWay({ from: a, to: b });
  processes.links.cutOneWay({ from: b, to: a });
}

/** A member of no group hears nobody. */
function cutBetween(processes: MemberProcesses, groups: readonly (readonly string[])[]): void {
  for (const from of processes.names) {
    for (const to of processes.names) {
      const together = groups.some((group) => group.includes(from) && group.includes(to));
      if (from !== to && !together) processes.links.cutOneWay({ from, to });
    }
  }
}

async function startDown(processes: MemberProcesses, names: readonly string[]): Promise<Made> {
  const down = names.filter((name) => processes.stateOf(name) === "down" && processes.belongingOf(name) === "now");
  await Promise.all(down.map((name) => processes.start(name)));
  return { members: down, detail: down.length === 0 ? "no member was down" : `started ${down.join(", ")}` };
}

function resumePaused(processes: MemberProcesses, names: readonly string[]): Made {
  const resumed = names.filter((name) => processes.resume(name));
  return {
    members: resumed,
    detail: resumed.length === 0 ? "no member was paused" : `SIGCONT to ${resumed.join(", ")}`,
  };
}
