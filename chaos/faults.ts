/*
 * Faults of a plan on real processes. What cannot be made on this machine, or with these members, is recorded as skipped
 * with the reason, never left out silently. Here: which fault goes where, and those of whole processes.
 */
import { unreachable } from "../core/index.ts";
import type { Fault, FaultTarget } from "../scenarios/faults.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import { abilityOf, type Capabilities, whyNot } from "./capabilities.ts";
import type { Cluster } from "./cluster.ts";
import { makeDiskFault } from "./disk-faults.ts";
import { type Breakable, type Made, namesIn, roleNote, skipped, withMember } from "./fault-targets.ts";
import { makeLinkFault } from "./link-faults.ts";
import { changeMany, changeMembers, hasMajority, replaceMember } from "./operator.ts";

export interface FaultSurroundings {
  readonly cluster: Cluster;
  readonly capabilities: Capabilities;
  readonly nowMs: () => number;
  readonly record: (event: HistoryEvent) => void;
}

/** Makes one fault and records what came of it. Faults are made one after the other. */
export async function makeFault(fault: Fault, surroundings: FaultSurroundings): Promise<void> {
  const { cluster, capabilities, nowMs, record } = surroundings;
  const { processes } = cluster;
  const ability = abilityOf(fault);
  const reason = whyNot(capabilities[processes === undefined ? "processes" : (ability ?? "processes")]);
  const atMs = nowMs();
  const made =
    processes === undefined || reason !== undefined
      ? skipped(reason ?? "the members' processes are not the drill's", "target" in fault ? namesIn(fault.target) : [])
      : await make(fault, { cluster, processes }, capabilities);
  record({
    type: "fault",
    atMs: Math.max(atMs, nowMs()),
    fault: fault.fault,
    members: made.members,
    result: made.skipped === true ? "skipped" : "done",
    detail: made.detail,
  });
  if ((fault.fault === "kill" || fault.fault === "killAll") && fault.powerLoss && made.skipped !== true) {
    const detail = whyNot(capabilities.powerLoss);
    if (detail === undefined) return;
    record({ type: "fault", atMs: nowMs(), fault: "powerLoss", members: made.members, result: "skipped", detail });
  }
}

async function make(fault: Fault, breakable: Breakable, capabilities: Capabilities): Promise<Made> {
  const { cluster, processes } = breakable;
  switch (fault.fault) {
    case "kill":
      return withMember(fault.target, cluster, async (name) => {
        if (processes.stateOf(name) === "down") return skipped("it is down already", [name]);
        const losesPower = fault.powerLoss && whyNot(capabilities.powerLoss) === undefined;
        return { members: [name], detail: `${await end([name], breakable, losesPower)}${roleNote(fault.target)}` };
      });
    case "killAll": {
      const running = processes.names.filter((name) => processes.stateOf(name) !== "down");
      const losesPower = fault.powerLoss && whyNot(capabilities.powerLoss) === undefined;
      return { members: processes.names, detail: await end(running, breakable, losesPower) };
    }
    case "restart":
      if (fault.target === "all") return startDown(breakable, processes.names, { waitsForMajority: false });
      return withMember(fault.target, cluster, (name) => startDown(breakable, [name], { waitsForMajority: false }));
    case "pause":
      return withMember(fault.target, cluster, async (name) =>
        processes.pause(name)
          ? { members: [name], detail: `SIGSTOP${roleNote(fault.target)}` }
          : skipped("it is down or paused already", [name]),
      );
    case "resume":
      if (fault.target === "all") return resumePaused(breakable, processes.names);
      return withMember(fault.target, cluster, async (name) => resumePaused(breakable, [name]));
    case "isolate":
    case "cutOneWay":
    case "partition":
    case "healNetwork":
    case "linkLaw":
    case "clogLinks":
      return makeLinkFault(fault, breakable);
    case "copyDisk":
    case "restoreDisk":
    case "wipeDisk":
    case "slowDisk":
    case "fillDisk":
    case "failSync":
    case "flipValue":
    case "damageLog":
    case "mendDisk":
      return makeDiskFault(fault, breakable);
    case "clockJump":
      return withMember(fault.target, cluster, async (name) => {
        processes.jumpClock(name, fault.byMs);
        return { members: [name], detail: `its wall clock jumps by ${fault.byMs} ms${roleNote(fault.target)}` };
      });
    case "clockDrift":
      return withMember(fault.target, cluster, async (name) => {
        processes.setFaultPoint(name, "clock-drift", fault.ppm);
        return { members: [name], detail: `its clock runs ${fault.ppm} ppm faster${roleNote(fault.target)}` };
      });
    case "defragment":
      return skipped("a drill's members are nowhere near their quota", namesIn(fault.target));
    case "disarmAlarms":
      cluster.disarm();
      return { members: cluster.names, detail: "NOSPACE alarms are taken away for some seconds" };
    case "addMember":
    case "removeMember":
    case "promoteMember":
      return withMember(fault.target, cluster, async (name) => {
        const changed = await changeMembers(fault, name, breakable);
        return "done" in changed ? { members: [name], detail: changed.done } : skipped(changed.problem, [name]);
      });
    case "changeMembers":
      return changeAtOnce(fault, breakable);
    case "transferLeader":
      return withMember(fault.target, cluster, async (name) => {
        const problem = await cluster.handOver(name);
        return problem === undefined ? { members: [name], detail: "it leads now" } : skipped(problem, [name]);
      });
    case "healCore":
      await processes.links.healAmong(fault.members);
      return heal(breakable, fault.members);
    case "healAll":
      await processes.links.heal();
      return heal(breakable, processes.names);
    default:
      return unreachable(fault);
  }
}

/** @returns how, as a phrase */
async function end(names: readonly string[], { processes }: Breakable, losesPower: boolean): Promise<string> {
  if (losesPower) return `power lost: ${(await processes.losePower(names)).join("; ")}`;
  await Promise.all(names.map((name) => processes.kill(name)));
  return names.length === 1 ? "SIGKILL" : "SIGKILL to all";
}

async function changeAtOnce(fault: Extract<Fault, { fault: "changeMembers" }>, breakable: Breakable): Promise<Made> {
  const { cluster } = breakable;
  const leader = await cluster.leader();
  const nameOf = (target: FaultTarget): string =>
    target === "leader" || target === "follower"
      ? (cluster.names.find((name) => (name === leader) === (target === "leader")) ?? "")
      : target;
  const many = { ...fault, remove: fault.remove.map(nameOf), demote: fault.demote.map(nameOf) };
  const names = [...many.remove, ...many.promote, ...many.demote, ...many.add, ...many.addLearners];
  if (names.includes("")) return skipped("no member knows a leader now");
  const changed = await changeMany(many, breakable);
  return "done" in changed ? { members: names, detail: changed.done } : skipped(changed.problem, names);
}

/** The links work already. One full disk stops the writes of all: there is room again whoever is healed. */
async function heal(breakable: Breakable, healed: readonly string[]): Promise<Made> {
  const { cluster, processes } = breakable;
  for (const name of processes.names) processes.makeRoom(name);
  for (const name of healed) {
    processes.mendDisk(name);
    processes.clearFaultPoints(name, ["clock-drift"]);
  }
  cluster.disarm();
  const resumed = resumePaused(breakable, healed);
  const started = await startDown(breakable, healed, { waitsForMajority: true });
  return { members: healed, detail: `links healed; ${resumed.detail}; ${started.detail}` };
}

/** @param waitsForMajority for a member that has to be replaced; without, what is planned next would come too late */
async function startDown(
  breakable: Breakable,
  names: readonly string[],
  { waitsForMajority }: { readonly waitsForMajority: boolean },
): Promise<Made> {
  const { processes } = breakable;
  const down = names.filter((name) => processes.stateOf(name) === "down" && processes.belongingOf(name) === "now");
  await Promise.all(down.map((name) => processes.start(name)));
  const refused: string[] = [];
  for (const name of down.filter((each) => processes.isWiped(each))) {
    if (await processes.servesThoughWiped(name)) continue;
    if (!waitsForMajority && !(await hasMajority(breakable))) {
      refused.push(`${name} refused to start on an empty disk, and without a majority nobody can replace it yet`);
      continue;
    }
    // As etcd's operators do: it is removed and added anew, under the same address.
    const replaced = await replaceMember(name, breakable);
    const came = "done" in replaced ? "was removed and added anew" : `could not be replaced (${replaced.problem})`;
    refused.push(`${name} refused to start on an empty disk and ${came}`);
  }
  const started = down.length === 0 ? "no member was down" : `started ${down.join(", ")}`;
  return { members: down, detail: [started, ...refused].join("; ") };
}

function resumePaused({ processes }: Breakable, names: readonly string[]): Made {
  const resumed = names.filter((name) => processes.resume(name));
  return {
    members: resumed,
    detail: resumed.length === 0 ? "no member was paused" : `SIGCONT to ${resumed.join(", ")}`,
  };
}
