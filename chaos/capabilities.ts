/*
 * What a drill can break on this machine, with these members, found out one by one before it begins: by trying, where
 * trying tells. Each is a way, or the reason why there is none; the reason then stands in the report at every fault
 * that was skipped for it.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { unreachable } from "../core/index.ts";
import type { Fault } from "../scenarios/faults.ts";
import { whySendersAreUnknown } from "./link/sender.ts";
import type { Target } from "./target.ts";
import { problemOf, runTool } from "./tools.ts";
import { probeWallClock } from "./wall-clock.ts";

export type NetworkKind = "proxy" | "netns";

/** What there is to break. */
export type Ability =
  | "processes"
  | "cut"
  | "loss"
  | "delay"
  | "clog"
  | "clockJump"
  | "clockDrift"
  | "powerLoss"
  | "oldDisk"
  | "fullDisk"
  | "failingSync"
  | "slowSync"
  | "logDamage"
  | "valueFlip"
  | "manyChanges";

/** `how`: the way. `whyNot`: there is none, and a sentence that says why, with the remedy where there is one. */
export type Answer = { readonly how: string } | { readonly whyNot: string };
export type Capabilities = { readonly [Name in Ability]: Answer };

/** What a fault stands on; undefined: nothing but a cluster. */
export function abilityOf(fault: Fault): Ability | undefined {
  switch (fault.fault) {
    case "kill":
    case "killAll":
    case "restart":
    case "pause":
    case "resume":
    case "addMember":
    case "healCore":
    case "healAll":
      return "processes";
    case "isolate":
    case "cutOneWay":
    case "partition":
      return "cut";
    case "linkLaw":
      return fault.law.lossPpm > 0 ? "loss" : fault.law.maxDelayMs > 0 ? "delay" : undefined;
    case "copyDisk":
    case "restoreDisk":
    case "wipeDisk":
      return "oldDisk";
    case "clockJump":
      return "clockJump";
    case "clockDrift":
      return "clockDrift";
    case "slowDisk":
      return "slowSync";
    case "fillDisk":
      return "fullDisk";
    case "failSync":
      return "failingSync";
    case "flipValue":
      return "valueFlip";
    case "damageLog":
      return "logDamage";
    case "clogLinks":
      return "clog";
    case "changeMembers":
      return "manyChanges";
    case "healNetwork":
    case "defragment":
    case "disarmAlarms":
    case "mendDisk":
    case "removeMember":
    case "promoteMember":
    case "transferLeader":
      return undefined;
    default:
      return unreachable(fault);
  }
}

/**
 * Tries everything. In namespaces of the drill's own it must run inside of them.
 *
 * @param scratch an empty directory of the drill's own
 */
export async function probeCapabilities(options: {
  readonly target: Target;
  readonly network: NetworkKind;
  readonly scratch: string;
}): Promise<Capabilities> {
  const { target, network, scratch } = options;
  if (target.kind === "endpoints") return nothingOfOurs;
  const isOurs = target.kind === "faultline";
  const points = (how: string): Answer =>
    isOurs ? { how } : { whyNot: "only faultline's own member has points where its disk can fail" };
  return {
    processes: { how: "signals" },
    ...(network === "netns" ? await probeNamespaces() : proxyAnswers()),
    clockJump: await probeWallClock(target, scratch),
    clockDrift: isOurs
      ? { how: "the member's own clock" }
      : { whyNot: "only faultline's own member can be told how fast its clock runs" },
    powerLoss: isOurs
      ? { how: "the member says what it synced, the rest is cut off after the kill" }
      : {
          whyNot:
            "only faultline's own member says what it synced; what others wrote survives a kill in the system's cache",
        },
    oldDisk: { how: "its data directory, while it is down" },
    fullDisk: network === "netns" ? await probeSmallDisk(scratch) : fullWithoutMounts(isOurs),
    failingSync: points("a fault point of the member"),
    slowSync: points("a fault point of the member"),
    logDamage: isOurs
      ? { how: "a bit of its files, while it is down" }
      : { whyNot: "only a log of faultline's own form can be damaged in a place that matters" },
    valueFlip: isOurs
      ? { how: "its backend is written from outside" }
      : { whyNot: "etcd locks its backend: nobody can change it while the member runs" },
    manyChanges: isOurs ? { how: "a call of faultline's own" } : { whyNot: "etcd changes one member at a time" },
  };
}

const fullWithoutMounts = (isOurs: boolean): Answer =>
  isOurs
    ? { how: "a fault point of the member" }
    : {
        whyNot: "a full disk for another program takes --network netns, where each member has a small disk of its own",
      };

function proxyAnswers(): { readonly [Name in "cut" | "loss" | "delay" | "clog"]: Answer } {
  const unknown = whySendersAreUnknown();
  const known = (how: string): Answer => (unknown === undefined ? { how } : { whyNot: unknown });
  return {
    cut: known("bytes vanish in a hop before each member"),
    loss: { how: "connections are reset by a hop" },
    delay: { how: "a hop before each member" },
    clog: known("a hop before each member"),
  };
}

async function probeNamespaces(): Promise<{ readonly [Name in "cut" | "loss" | "delay" | "clog"]: Answer }> {
  const nft = async (lines: readonly string[]): Promise<string | undefined> =>
    problemOf(() => runTool(["nft", "-f", "-"], `${lines.join("\n")}\n`));
  const inChain = (hook: string, rule: string): string[] => [
    "table ip probe {",
    "  chain tried {",
    `    ${hook}`,
    `    ${rule}`,
    "  }",
    "}",
    "delete table ip probe",
  ];
  const answer = (how: string, problem: string | undefined): Answer =>
    problem === undefined ? { how } : { whyNot: problem };
  const input = "type filter hook input priority 0";
  const cut = await nft(inChain(input, "tcp flags & psh == psh drop"));
  const loss = cut ?? (await nft(inChain(input, "numgen random mod 1000000 < 10 drop")));
  const reject = inChain("type filter hook output priority 0", "ip daddr 10.99.3.1 tcp dport 1 reject with tcp reset");
  const dnat = inChain("type nat hook output priority -100", "ip daddr 10.99.3.1 tcp dport 1 dnat to 10.99.3.2:1");
  const delay = cut ?? (await nft(reject)) ?? (await nft(dnat));
  const bucket = ["root", "tbf", "rate", "8bit", "burst", "1600", "limit", "8mb"];
  const clog =
    (await problemOf(() => runTool(["tc", "qdisc", "add", "dev", "lo", ...bucket]))) ??
    (await problemOf(() => runTool(["tc", "qdisc", "del", "dev", "lo", "root"])));
  return {
    cut: answer("nft drops packets", cut),
    loss: answer("nft drops packets by chance", loss),
    delay: answer("nft leads connections to a hop", delay),
    clog: answer("tc holds packets back (tbf)", clog),
  };
}

async function probeSmallDisk(scratch: string): Promise<Answer> {
  const place = join(scratch, "probe");
  const problem = await problemOf(async () => {
    await runTool(["mkdir", "-p", place]);
    await runTool(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]);
    await runTool(["umount", place]);
  });
  rmSync(place, { recursive: true, force: true });
  return problem === undefined ? { how: "a small tmpfs for each member" } : { whyNot: problem };
}

const notOurs: Answer = {
  whyNot: "the cluster was there before the drill: its processes, disks and links are not the drill's",
};
const nothingOfOurs: Capabilities = {
  processes: notOurs,
  cut: notOurs,
  loss: notOurs,
  delay: notOurs,
  clog: notOurs,
  clockJump: notOurs,
  clockDrift: notOurs,
  powerLoss: notOurs,
  oldDisk: notOurs,
  fullDisk: notOurs,
  failingSync: notOurs,
  slowSync: notOurs,
  logDamage: notOurs,
  valueFlip: notOurs,
  manyChanges: notOurs,
};

/** Why there is no way; undefined: there is one. */
export const whyNot = (answer: Answer): string | undefined => ("whyNot" in answer ? answer.whyNot : undefined);

const names: { readonly [Name in Ability]: string } = {
  processes: "kill, pause",
  cut: "cut links",
  loss: "lose packets",
  delay: "delay",
  clog: "clog",
  clockJump: "clock jump",
  clockDrift: "clock drift",
  powerLoss: "power loss",
  oldDisk: "old disk",
  fullDisk: "full disk",
  failingSync: "failing sync",
  slowSync: "slow sync",
  logDamage: "log damage",
  valueFlip: "value flip",
  manyChanges: "joint change",
};

/** One line each, for people. */
export function capabilityLines(capabilities: Capabilities): string[] {
  return (Object.keys(names) as Ability[]).map((ability) => {
    const answer = capabilities[ability];
    const said = "how" in answer ? `yes  ${answer.how}` : `no   ${answer.whyNot}`;
    return `  ${names[ability].padEnd(12)}  ${said}`;
  });
}
