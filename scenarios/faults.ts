/*
 * The fault vocabulary both worlds share: plain data. A world that cannot make one says "skipped" in the history.
 */

/** Whom a fault hits: a member's name, or a role looked up when the fault happens. */
export type FaultTarget = string | "leader" | "follower";

/** How a link carries messages. Milliseconds of one way; chances in parts per million. */
export interface LinkLaw {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly lossPpm: number;
  readonly duplicatePpm: number;
  /** Chance that a message is delayed by up to ten times maxDelayMs, and so overtaken. */
  readonly reorderPpm: number;
}

export type Fault =
  /** SIGKILL. With powerLoss whatever was not synced may be lost, torn or zero. */
  | { readonly fault: "kill"; readonly target: FaultTarget; readonly powerLoss: boolean }
  | { readonly fault: "killAll"; readonly powerLoss: boolean }
  /** Start every member that is down, or the named one. */
  | { readonly fault: "restart"; readonly target: FaultTarget | "all" }
  | { readonly fault: "pause"; readonly target: FaultTarget }
  | { readonly fault: "resume"; readonly target: FaultTarget | "all" }
  /** Cut the member from every other member, both ways; clients still reach it. */
  | { readonly fault: "isolate"; readonly target: FaultTarget }
  /** Messages from → to are lost; the other way works. */
  | { readonly fault: "cutOneWay"; readonly from: FaultTarget; readonly to: FaultTarget }
  /** Members in different groups do not hear each other. */
  | { readonly fault: "partition"; readonly groups: readonly (readonly string[])[] }
  | { readonly fault: "healNetwork" }
  | { readonly fault: "linkLaw"; readonly law: LinkLaw }
  /** Keep a copy of the member's disk as it is now, under that label. */
  | { readonly fault: "copyDisk"; readonly target: FaultTarget; readonly label: string }
  /** Kill the member, put the labelled copy of its own disk back, leave it down. */
  | { readonly fault: "restoreDisk"; readonly label: string }
  /** Kill the member, leave nothing on its disk and leave it down. */
  | { readonly fault: "wipeDisk"; readonly target: FaultTarget }
  | { readonly fault: "clockJump"; readonly target: FaultTarget; readonly byMs: number }
  /** From now on the member's clock runs (1 + ppm/10^6) as fast. */
  | { readonly fault: "clockDrift"; readonly target: FaultTarget; readonly ppm: number }
  /** Each sync takes that much longer. */
  | { readonly fault: "slowDisk"; readonly target: FaultTarget; readonly byMs: number }
  /**
   * Nothing more fits on the member's disk than what it has set aside for its log, until the disk is mended: its backend
   * cannot be committed.
   */
  | { readonly fault: "fillDisk"; readonly target: FaultTarget }
  /** The member's backend file shrinks to what is in it. */
  | { readonly fault: "defragment"; readonly target: FaultTarget }
  /** An operator takes every NOSPACE alarm away, and those that come within some seconds; whose alarm it is is made room. */
  | { readonly fault: "disarmAlarms" }
  /** The next sync of the member's disk reports an error; persistent: each one does, until the disk is mended. */
  | { readonly fault: "failSync"; readonly target: FaultTarget; readonly persistent: boolean }
  /** Kill the member, flip one bit anywhere in its log, leave it down. */
  | { readonly fault: "damageLog"; readonly target: FaultTarget }
  /** One bit of a value in the member's backend flips, and nobody notices: the member goes on as it is. */
  | { readonly fault: "flipValue"; readonly target: FaultTarget }
  /** The member's disk works again: there is room, syncs succeed, as fast as ever. The member stays as it is. */
  | { readonly fault: "mendDisk"; readonly target: FaultTarget }
  /** Links from and to the member hold everything back, up to a bound, until they are healed: then it all arrives. */
  | { readonly fault: "clogLinks"; readonly target: FaultTarget }
  /** An operator adds a member that is planned to join later; its process starts once it was added. */
  | { readonly fault: "addMember"; readonly target: string; readonly learner: boolean }
  /** An operator removes a member for ever; its process ends by itself. */
  | { readonly fault: "removeMember"; readonly target: FaultTarget }
  /** An operator makes a learner a voter, as soon as it has caught up. */
  | { readonly fault: "promoteMember"; readonly target: string }
  /** An operator makes several changes of members in one step. */
  | {
      readonly fault: "changeMembers";
      readonly add: readonly string[];
      readonly addLearners: readonly string[];
      readonly remove: readonly FaultTarget[];
      readonly promote: readonly string[];
      readonly demote: readonly FaultTarget[];
    }
  /** An operator asks the leader to hand over to that member. */
  | { readonly fault: "transferLeader"; readonly target: FaultTarget }
  /**
   * The named members run and work again, and so do the links among them; everything that concerns another member
   * stays as it is: down, paused, cut off or slow. Only full disks have room again everywhere, and alarms are disarmed:
   * one full disk stops the writes of all, by design.
   */
  | { readonly fault: "healCore"; readonly members: readonly string[] }
  /** Everything is healed, resumed and started. */
  | { readonly fault: "healAll" };

export type FaultName = Fault["fault"];
export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

/**
 * On whose members a drill can make it: anybody's, anybody's that have a network and a disk of their own (--network netns),
 * or only our own, which have fault points and say what they synced.
 */
export const drilledOn: { readonly [Name in FaultName]: "any" | "any in netns" | "own" } = {
  kill: "any",
  killAll: "any",
  restart: "any",
  pause: "any",
  resume: "any",
  isolate: "any",
  cutOneWay: "any",
  partition: "any",
  healNetwork: "any",
  linkLaw: "any",
  copyDisk: "any",
  restoreDisk: "any",
  wipeDisk: "any",
  clockJump: "own",
  clockDrift: "own",
  slowDisk: "own",
  fillDisk: "any in netns",
  disarmAlarms: "any",
  failSync: "own",
  flipValue: "own",
  damageLog: "own",
  mendDisk: "any",
  clogLinks: "any",
  addMember: "any",
  removeMember: "any",
  promoteMember: "any",
  changeMembers: "own",
  transferLeader: "any",
  defragment: "any",
  healCore: "any",
  healAll: "any",
};

/** Why each exists, for `faultline list faults`. */
export const faultMeanings: { readonly [Name in FaultName]: string } = {
  kill: "A member's process ends at once; with power loss its unsynced bytes go too.",
  killAll: "Every member's process ends at once.",
  restart: "Members that are down start again from their disks.",
  pause: "A member stops running for a while (a long pause, SIGSTOP).",
  resume: "A paused member goes on.",
  isolate: "A member hears no other member and is heard by none.",
  cutOneWay: "Messages from one member to another are lost, one way only.",
  partition: "Groups of members do not hear each other.",
  healNetwork: "All links work again.",
  linkLaw: "Links delay, lose, repeat and reorder messages.",
  copyDisk: "A copy of a member's disk is put aside.",
  restoreDisk: "A member comes back from an old copy of its disk.",
  wipeDisk: "A member loses everything on its disk.",
  clockJump: "A member's clock jumps.",
  clockDrift: "A member's clock runs fast or slow.",
  slowDisk: "A member's syncs take longer.",
  fillDisk: "A member's disk has no room left.",
  defragment: "A member's backend file shrinks to what is in it.",
  disarmAlarms: "An operator takes away the alarms that refuse writes.",
  failSync: "A sync of a member's disk reports an error: what was not synced may be gone.",
  flipValue: "A bit of a stored value flips, and nobody notices.",
  damageLog: "A bit of a member's log flips while it is down.",
  mendDisk: "A member's disk works again.",
  clogLinks: "The links of a member hold everything back, and release it all at once.",
  addMember: "An operator adds a member to the running cluster, as a voter or as a learner.",
  removeMember: "An operator removes a member from the cluster for ever.",
  promoteMember: "An operator makes a learner a voter.",
  changeMembers: "An operator adds, removes, promotes and demotes several members in one step.",
  transferLeader: "An operator asks the leader to hand over to another member.",
  healCore: "A quorum of members works again; the others stay as they are.",
  healAll: "Everything works again.",
};
