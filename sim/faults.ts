/*
 * The fault vocabulary as switches on simulated machines, links, disks and clocks. Every planned fault ends as one
 * event in the history: done, or skipped with the reason.
 */
import { unreachable } from "../core/index.ts";
import type { Fault, FaultTarget } from "../scenarios/faults.ts";
import type { Recorder } from "../scenarios/session/recorder.ts";
import type { DiskCopy } from "./host-disk.ts";
import type { Invariants } from "./invariants.ts";
import type { MemberHost } from "./member-host.ts";
import type { SimNetwork } from "./network.ts";
import { type Change, isChange, type Operator, targetsOf } from "./operator.ts";
import { combine32 } from "./random.ts";

interface FaultWorld {
  readonly operator: Operator;
  readonly timeUs: number;
  readonly hosts: readonly MemberHost[];
  readonly network: SimNetwork;
  readonly invariants: Invariants;
}

/** Whom it touched; `skipped` says why it could not be made. */
interface Made {
  readonly hosts: readonly MemberHost[];
  readonly detail?: string;
  readonly skipped?: string;
}

/** A kill falls behind 0..5 outputs of a step, every other one between steps. */
const outputsMax = 6;

export class Faults {
  readonly #world: FaultWorld;
  readonly #recorder: Recorder;
  readonly #seed: number;
  readonly #drifts: readonly number[];
  readonly #copies = new Map<string, { readonly host: MemberHost; readonly copy: DiskCopy }>();
  #made = 0;

  constructor(options: {
    readonly world: FaultWorld;
    readonly recorder: Recorder;
    readonly seed: number;
    /** Planned drift of each member's clock: what healing goes back to. */
    readonly driftsPpm: readonly number[];
  }) {
    this.#world = options.world;
    this.#recorder = options.recorder;
    this.#seed = options.seed;
    this.#drifts = options.driftsPpm;
  }

  make(fault: Fault): void {
    this.#made += 1;
    for (const host of this.#world.hosts) host.settleCrash();
    const { hosts, detail, skipped } = this.#make(fault);
    this.#recorder.record({
      type: "fault",
      atMs: Math.floor(this.#world.timeUs / 1_000),
      fault: fault.fault,
      members: hosts.map((host) => host.name),
      result: skipped === undefined ? "done" : "skipped",
      detail: skipped ?? detail ?? "",
    });
  }

  #make(fault: Fault): Made {
    const { hosts, network, timeUs } = this.#world;
    if (isChange(fault)) return this.#ask(fault);
    switch (fault.fault) {
      case "kill":
        return this.#each(fault.target, (host) => {
          if (!host.isUp) return "it is down already";
          const drawn = combine32(this.#seed, this.#made);
          if ((drawn & 1) === 0) host.kill(fault, "killed");
          else host.killWithinStep({ afterOutputs: (drawn >>> 1) % outputsMax, powerLoss: fault.powerLoss });
          return undefined;
        });
      case "killAll":
        for (const host of hosts) host.kill(fault, "killed");
        return { hosts };
      case "restart":
        return fault.target === "all" ? this.#startAll(hosts) : this.#each(fault.target, start);
      case "pause":
        return this.#each(fault.target, (host) => {
          if (!host.isUp) return "it is down";
          host.pause();
          this.#noteRole(host);
          return undefined;
        });
      case "resume":
        if (fault.target === "all") {
          for (const host of hosts) this.#resume(host);
          return { hosts };
        }
        return this.#each(fault.target, (host) => {
          if (!host.paused) return "it is not paused";
          this.#resume(host);
          return undefined;
        });
      case "isolate":
        return this.#each(fault.target, (host) => {
          network.isolate(host.slot);
          return undefined;
        });
      case "cutOneWay": {
        const from = this.#resolve(fault.from);
        const to = this.#resolve(fault.to);
        if (from === undefined || to === undefined || from === to) return { hosts: [], skipped: "no such pair now" };
        network.cutOneWay(from.slot, to.slot);
        return { hosts: [from, to] };
      }
      case "partition":
        network.partition(fault.groups.map((group) => this.#slotsOf(group)));
        return { hosts, detail: fault.groups.map((group) => group.join(" ")).join(" | ") };
      case "healNetwork":
        network.heal();
        return { hosts };
      case "linkLaw":
        network.setLaw(fault.law);
        return { hosts, detail: JSON.stringify(fault.law) };
      case "copyDisk":
        return this.#each(fault.target, (host) => {
          this.#copies.set(fault.label, { host, copy: host.disk.copy() });
          return undefined;
        });
      case "restoreDisk": {
        const kept = this.#copies.get(fault.label);
        if (kept === undefined) return { hosts: [], skipped: `no copy was made under "${fault.label}"` };
        if (isOnlyVoter(kept.host)) return { hosts: [], skipped: onlyVoterText };
        kept.host.kill({ powerLoss: false }, "killed to put an old disk back");
        kept.host.disk.restore(kept.copy);
        return { hosts: [kept.host] };
      }
      case "wipeDisk":
        return this.#each(fault.target, (host) => {
          if (isOnlyVoter(host)) return onlyVoterText;
          host.kill({ powerLoss: false }, "killed to wipe its disk");
          host.disk.wipe();
          return undefined;
        });
      case "clockJump":
        return this.#each(fault.target, (host) => {
          host.clock.jump(timeUs, fault.byMs);
          return undefined;
        });
      case "clockDrift":
        return this.#each(fault.target, (host) => {
          host.clock.setDrift(timeUs, fault.ppm);
          return undefined;
        });
      case "slowDisk":
        return this.#each(fault.target, (host) => {
          host.disk.slow(fault.byMs);
          return undefined;
        });
      case "fillDisk":
        return this.#each(fault.target, (host) => {
          host.disk.fill();
          return undefined;
        });
      case "defragment":
        return this.#each(fault.target, (host) => {
          host.disk.backend.defragment();
          return undefined;
        });
      case "disarmAlarms":
        this.#world.operator.disarm();
        return { hosts, detail: "asked for" };
      case "failSync":
        return this.#each(fault.target, (host) => {
          host.disk.failSyncs(fault);
          return undefined;
        });
      case "damageLog": {
        const host = this.#resolve(fault.target);
        if (host === undefined) return { hosts: [], skipped: `there is no ${fault.target} now` };
        const place = host.damageLog();
        return place === undefined
          ? { hosts: [host], skipped: "its log is empty" }
          : { hosts: [host], detail: `a bit of ${place} flipped` };
      }
      case "flipValue": {
        const host = this.#resolve(fault.target);
        if (host === undefined) return { hosts: [], skipped: `there is no ${fault.target} now` };
        const place = host.disk.backend.flipValue(combine32(this.#seed, this.#made));
        if (place !== undefined) this.#world.invariants.dataChanged(host.slot);
        return place === undefined
          ? { hosts: [host], skipped: "it stores nothing yet" }
          : { hosts: [host], detail: `a bit of ${place} flipped` };
      }
      case "mendDisk":
        return this.#each(fault.target, (host) => {
          host.disk.mend();
          return undefined;
        });
      case "clogLinks":
        return this.#each(fault.target, (host) => {
          network.clog(host.slot);
          return undefined;
        });
      case "healCore":
        return this.#heal(
          hosts.filter((host) => fault.members.includes(host.name)),
          "core",
        );
      case "healAll":
        return this.#heal(hosts, "all");
      default:
        return unreachable(fault);
    }
  }

  /** What becomes of it is recorded by the operator. */
  #ask(change: Change): Made {
    const targets = targetsOf(change, (target) => this.#resolve(target));
    if (targets === undefined) return { hosts: [], skipped: "there is no such member now" };
    for (const host of targets.all) {
      if (host.hasJoined !== targets.joining.includes(host)) continue;
      return { hosts: [host], skipped: host.hasJoined ? "it was added already" : "it was not added yet" };
    }
    this.#world.operator.begin(change, targets);
    return { hosts: targets.all, detail: "asked for" };
  }

  #heal(healed: readonly MemberHost[], what: "core" | "all"): Made {
    const { hosts, network, timeUs } = this.#world;
    if (what === "all") network.heal();
    else network.healAmong(healed.map((host) => host.slot));
    for (const host of hosts) host.disk.makeRoom();
    this.#world.operator.disarm();
    for (const host of healed) {
      this.#resume(host);
      host.disk.mend();
      host.clock.setDrift(timeUs, this.#drifts[host.slot] ?? 0);
      host.start();
    }
    return { hosts: healed };
  }

  #resume(host: MemberHost): void {
    if (!host.paused) return;
    host.resume();
    this.#noteRole(host);
  }

  #noteRole(host: MemberHost): void {
    const raft = host.member?.raft;
    if (raft === undefined) return;
    const atMs = Math.floor(this.#world.timeUs / 1_000);
    const role = host.paused ? "paused" : raft.role;
    this.#recorder.record({ type: "role", atMs, member: host.name, role, term: raft.term });
  }

  #startAll(hosts: readonly MemberHost[]): Made {
    const down = hosts.filter((host) => !host.isUp);
    for (const host of down) host.start();
    return { hosts: down };
  }

  #each(target: FaultTarget, make: (host: MemberHost) => string | undefined): Made {
    const host = this.#resolve(target);
    if (host === undefined) return { hosts: [], skipped: `there is no ${target} now` };
    const skipped = make(host);
    return skipped === undefined ? { hosts: [host] } : { hosts: [host], skipped };
  }

  /** The leader is the running one of the highest term; the follower a running other member, another each time. */
  #resolve(target: FaultTarget): MemberHost | undefined {
    const { hosts } = this.#world;
    if (target !== "leader" && target !== "follower") return hosts.find((host) => host.name === target);
    let leader: MemberHost | undefined;
    for (const host of hosts) {
      if (host.member?.raft.role !== "leader") continue;
      if (leader?.member === undefined || host.member.raft.term > leader.member.raft.term) leader = host;
    }
    if (target === "leader") return leader;
    const followers = hosts.filter((host) => host.isUp && host !== leader);
    return followers[combine32(this.#seed ^ 0xf0110, this.#made) % Math.max(1, followers.length)];
  }

  #slotsOf(names: readonly string[]): readonly number[] {
    return this.#world.hosts.filter((host) => names.includes(host.name)).map((host) => host.slot);
  }
}

function start(host: MemberHost): string | undefined {
  if (host.isUp) return "it runs already";
  host.start();
  return undefined;
}

/** What the only voter acknowledged lies on its disk and nowhere else: no system survives that this goes. */
function isOnlyVoter({ member }: MemberHost): boolean {
  const { voters, outgoing } = member?.raft.configuration ?? { voters: [], outgoing: [] };
  return member !== undefined && voters.length === 1 && outgoing.length === 0 && voters[0] === member.raft.id;
}
const onlyVoterText = "it is the only voter now: what it acknowledged would be gone for good";
