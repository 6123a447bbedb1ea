/*
 * Fault timelines that read as sentences: `at(2_000).isolate("leader")`. Each call makes one planned fault.
 */
import type { Fault, FaultTarget, LinkLaw, PlannedFault } from "./faults.ts";

type MemberChanges = Omit<Extract<Fault, { fault: "changeMembers" }>, "fault">;

export interface Moment {
  kill(target: FaultTarget): PlannedFault;
  /** The machine of that member loses power: unsynced bytes go too. */
  powerLoss(target: FaultTarget): PlannedFault;
  killAll(): PlannedFault;
  powerLossOfAll(): PlannedFault;
  restart(target: FaultTarget | "all"): PlannedFault;
  pause(target: FaultTarget): PlannedFault;
  resume(target: FaultTarget | "all"): PlannedFault;
  isolate(target: FaultTarget): PlannedFault;
  cutOneWay(link: { readonly from: FaultTarget; readonly to: FaultTarget }): PlannedFault;
  partition(...groups: readonly (readonly string[])[]): PlannedFault;
  healNetwork(): PlannedFault;
  links(law: LinkLaw): PlannedFault;
  copyDisk(target: FaultTarget, label: string): PlannedFault;
  restoreDisk(label: string): PlannedFault;
  wipeDisk(target: FaultTarget): PlannedFault;
  clockJump(target: FaultTarget, byMs: number): PlannedFault;
  clockDrift(target: FaultTarget, ppm: number): PlannedFault;
  slowDisk(target: FaultTarget, byMs: number): PlannedFault;
  fillDisk(target: FaultTarget): PlannedFault;
  defragment(target: FaultTarget): PlannedFault;
  disarmAlarms(): PlannedFault;
  failSync(target: FaultTarget, how: { readonly persistent: boolean }): PlannedFault;
  damageLog(target: FaultTarget): PlannedFault;
  flipValue(target: FaultTarget): PlannedFault;
  mendDisk(target: FaultTarget): PlannedFault;
  clogLinks(target: FaultTarget): PlannedFault;
  addVoter(target: string): PlannedFault;
  addLearner(target: string): PlannedFault;
  removeMember(target: FaultTarget): PlannedFault;
  promoteMember(target: string): PlannedFault;
  /** Several changes in one step; parts left out are empty. */
  changeMembers(change: Partial<MemberChanges>): PlannedFault;
  transferLeader(target: FaultTarget): PlannedFault;
  healAll(): PlannedFault;
}

/** The moment so many milliseconds after the start of the run; fractions are cut off. */
export function at(ms: number): Moment {
  const atMs = Math.max(0, Math.floor(ms));
  const planned = (fault: Fault): PlannedFault => ({ atMs, fault });
  return {
    kill: (target) => planned({ fault: "kill", target, powerLoss: false }),
    powerLoss: (target) => planned({ fault: "kill", target, powerLoss: true }),
    killAll: () => planned({ fault: "killAll", powerLoss: false }),
    powerLossOfAll: () => planned({ fault: "killAll", powerLoss: true }),
    restart: (target) => planned({ fault: "restart", target }),
    pause: (target) => planned({ fault: "pause", target }),
    resume: (target) => planned({ fault: "resume", target }),
    isolate: (target) => planned({ fault: "isolate", target }),
    cutOneWay: ({ from, to }) => planned({ fault: "cutOneWay", from, to }),
    partition: (...groups) => planned({ fault: "partition", groups }),
    healNetwork: () => planned({ fault: "healNetwork" }),
    links: (law) => planned({ fault: "linkLaw", law }),
    copyDisk: (target, label) => planned({ fault: "copyDisk", target, label }),
    restoreDisk: (label) => planned({ fault: "restoreDisk", label }),
    wipeDisk: (target) => planned({ fault: "wipeDisk", target }),
    clockJump: (target, byMs) => planned({ fault: "clockJump", target, byMs }),
    clockDrift: (target, ppm) => planned({ fault: "clockDrift", target, ppm }),
    slowDisk: (target, byMs) => planned({ fault: "slowDisk", target, byMs }),
    fillDisk: (target) => planned({ fault: "fillDisk", target }),
    defragment: (target) => planned({ fault: "defragment", target }),
    disarmAlarms: () => planned({ fault: "disarmAlarms" }),
    failSync: (target, { persistent }) => planned({ fault: "failSync", target, persistent }),
    damageLog: (target) => planned({ fault: "damageLog", target }),
    flipValue: (target) => planned({ fault: "flipValue", target }),
    mendDisk: (target) => planned({ fault: "mendDisk", target }),
    clogLinks: (target) => planned({ fault: "clogLinks", target }),
    addVoter: (target) => planned({ fault: "addMember", target, learner: false }),
    addLearner: (target) => planned({ fault: "addMember", target, learner: true }),
    removeMember: (target) => planned({ fault: "removeMember", target }),
    promoteMember: (target) => planned({ fault: "promoteMember", target }),
    changeMembers: (change) =>
      planned({ fault: "changeMembers", add: [], addLearners: [], remove: [], promote: [], demote: [], ...change }),
    transferLeader: (target) => planned({ fault: "transferLeader", target }),
    healAll: () => planned({ fault: "healAll" }),
  };
}
