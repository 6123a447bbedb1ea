/*
 * The operator of a simulated cluster: asks members to change the membership, as a person with etcdctl would, tries again
 * when the answer is no or does not come, and starts the machine of a member that was added. Every request is recorded
 * when it has come to its end. Members hear from here, too, to whom they are connected.
 */
import { type MemberId, type RefusalName, type Reply, type Request, refusals, requestIdOf } from "../core/index.ts";
import type { Fault, FaultTarget } from "../scenarios/faults.ts";
import type { Recorder } from "../scenarios/session/recorder.ts";
import { AlarmWatch } from "./alarm-watch.ts";
import type { MemberHost } from "./member-host.ts";
import type { SimNetwork } from "./network.ts";

export type Change = Extract<
  Fault,
  { fault: "addMember" | "removeMember" | "promoteMember" | "changeMembers" | "transferLeader" }
>;

/** The machines a change names: the one that is not asked, and all by what becomes of them. */
export interface ChangeTargets {
  readonly target: MemberHost;
  readonly all: readonly MemberHost[];
  readonly joining: readonly MemberHost[];
  readonly leaving: readonly MemberHost[];
  readonly request: Request;
}

export const isChange = (fault: Fault): fault is Change =>
  fault.fault === "addMember" ||
  fault.fault === "removeMember" ||
  fault.fault === "promoteMember" ||
  fault.fault === "changeMembers" ||
  fault.fault === "transferLeader";

interface OperatorWorld {
  readonly timeUs: number;
  readonly hosts: readonly MemberHost[];
  readonly network: SimNetwork;
}

interface Task {
  readonly change: Change;
  readonly targets: ChangeTargets;
  readonly beganUs: number;
  tries: number;
  lastRefusal: string;
  /** The try under way. */
  asked:
    | { readonly host: MemberHost; readonly life: number; readonly requestId: number; readonly atUs: number }
    | undefined;
}

/** Between two looks at what is to be done. */
export const operatorEveryMs = 200;
const answerMaxUs = 3_000_000;
/** After so long a request is given up. */
const patienceUs = 20_000_000;

export class Operator {
  readonly #world: OperatorWorld;
  readonly #recorder: Recorder;
  readonly #alarms: AlarmWatch;
  /** Bounded by the faults of the plan. */
  #tasks: Task[] = [];
  /** Whose removal some member was asked for: it may have been carried out though no answer came. */
  readonly #askedToRemove = new Set<MemberHost>();
  /** From · hosts + to: life of `from` that was told of the connection; 0: none. */
  readonly #told: number[] = [];

  constructor(options: { readonly world: OperatorWorld; readonly recorder: Recorder }) {
    this.#world = options.world;
    this.#recorder = options.recorder;
    this.#alarms = new AlarmWatch(options.world);
  }

  begin(change: Change, targets: ChangeTargets): void {
    const beganUs = this.#world.timeUs;
    const task: Task = { change, targets, beganUs, tries: 0, lastRefusal: "", asked: undefined };
    this.#tasks.push(task);
    this.#try(task);
  }

  /** Takes NOSPACE alarms away from now on, for some seconds. */
  disarm(): void {
    this.#alarms.begin();
  }

  /** Whether that member's removal was ever asked for. */
  mayHaveRemoved(host: MemberHost): boolean {
    return this.#askedToRemove.has(host);
  }

  /** True when that was the answer to a question of this operator. */
  replied(host: MemberHost, requestId: number, reply: Reply): boolean {
    if (this.#alarms.replied(host, requestId, reply)) return true;
    const task = this.#tasks.find(
      ({ asked }) => asked?.host === host && asked.life === host.life && asked.requestId === requestId,
    );
    if (task === undefined) return false;
    task.asked = undefined;
    if (reply.ok || (mayBeDone(task, reply.refusal) && isInPlace(task, host))) this.#end(task, "");
    else task.lastRefusal = refusals[reply.refusal].text;
    return true;
  }

  wake(): void {
    this.#alarms.wake();
    this.#tellLinks();
    const { timeUs } = this.#world;
    // Ending one takes it from the list.
    for (const task of [...this.#tasks]) {
      const { asked } = task;
      if (asked !== undefined && timeUs - asked.atUs >= answerMaxUs) {
        const { host, life, requestId } = asked;
        task.asked = undefined;
        task.lastRefusal = "no answer";
        if (host.isUp && host.life === life && !host.paused) {
          host.step({ type: "clientGone", nowMs: host.nowMs, requestId: requestIdOf(requestId) });
        }
      }
      if (timeUs - task.beganUs >= patienceUs) {
        const isDone = task.targets.joining.length > 0 && this.#world.hosts.some((host) => isInPlace(task, host));
        this.#end(task, isDone ? "" : `given up after ${task.tries} tries: ${task.lastRefusal}`);
      } else if (task.asked === undefined) this.#try(task);
    }
  }

  #try(task: Task): void {
    const host = this.#whomToAsk(task);
    if (host === undefined) return;
    task.tries += 1;
    host.lastRequestId += 1;
    task.asked = { host, life: host.life, requestId: host.lastRequestId, atUs: this.#world.timeUs };
    const requestId = requestIdOf(host.lastRequestId);
    const { request, leaving } = task.targets;
    for (const target of leaving) this.#askedToRemove.add(target);
    const call = { requestId, request, requireLeader: false, credential: { type: "member" } } as const;
    host.step({ type: "clientRequest", nowMs: host.nowMs, ...call });
  }

  /** Another member each time; only the leader can hand over. */
  #whomToAsk({ change, targets, tries }: Task): MemberHost | undefined {
    const able = this.#world.hosts.filter((host) => host.isUp && !host.paused && host !== targets.target);
    if (change.fault === "transferLeader") return able.find((host) => host.member?.raft.role === "leader");
    return able[tries % Math.max(1, able.length)];
  }

  #end(task: Task, skipped: string): void {
    this.#tasks = this.#tasks.filter((other) => other !== task);
    const { change, targets, tries } = task;
    this.#recorder.record({
      type: "fault",
      atMs: Math.floor(this.#world.timeUs / 1_000),
      fault: change.fault,
      members: targets.all.map((host) => host.name),
      result: skipped === "" ? "done" : "skipped",
      detail: skipped === "" ? `carried out after ${tries} ${tries === 1 ? "try" : "tries"}` : skipped,
    });
    if (skipped !== "") return;
    for (const host of targets.joining) host.join();
    for (const host of targets.leaving) host.leave();
  }

  /**
   * A connection stands while both run and hear each other. Something goes over it twice a second, so that whoever was
   * removed and does not know it yet is told so by those who do.
   */
  #tellLinks(): void {
    const { hosts, network } = this.#world;
    for (const from of hosts) {
      if (!from.isUp || from.paused) continue;
      for (const to of hosts) {
        if (to === from) continue;
        const link = from.slot * hosts.length + to.slot;
        const isWhole = !network.isCut(from.slot, to.slot) && !network.isCut(to.slot, from.slot);
        const life = to.isUp && !to.paused && isWhole ? from.life : 0;
        if (life !== 0 && to.member?.isRemoved(from.memberId) === true) {
          const message = { type: "memberRemoved", from: to.memberId, to: from.memberId } as const;
          from.step({ type: "peerMessage", nowMs: from.nowMs, message });
          break;
        }
        const told = this.#told[link] ?? 0;
        // A new life knows of no connection yet.
        if (life === told || (life === 0 && told !== from.life)) continue;
        this.#told[link] = life;
        from.step({ type: "peerLink", nowMs: from.nowMs, memberId: to.memberId, connected: life !== 0 });
        if (!from.isUp) break;
      }
    }
  }
}

/** The refusals that say that an earlier try took effect. */
const doneAlready: { readonly [Name in Change["fault"]]: readonly RefusalName[] } = {
  addMember: ["memberExists"],
  removeMember: ["memberNotFound"],
  promoteMember: ["memberNotLearner"],
  changeMembers: ["memberExists", "memberNotFound", "memberNotLearner", "memberNotVoter"],
  transferLeader: [],
};

/** Whether a refusal is reason to look at the list of members: a try that nobody heard the answer to may have done it. */
const mayBeDone = ({ change, targets }: Task, refusal: RefusalName): boolean =>
  doneAlready[change.fault].includes(refusal) || targets.joining.length + targets.leaving.length > 0;

/**
 * Whether that member knows those who were to come, and none of those who were to go. Of several changes one
 * may be refused because somebody else made it: a leader promotes by itself. Then none was carried out.
 */
function isInPlace({ targets }: Task, { member }: MemberHost): boolean {
  if (member === undefined) return false;
  const { voters, learners } = member.raft.configuration;
  const belongs = ({ memberId }: MemberHost): boolean => voters.includes(memberId) || learners.includes(memberId);
  return targets.joining.every(belongs) && !targets.leaving.some(belongs);
}

/** The change with its machines; undefined when one of them cannot be told now. */
export function targetsOf(
  change: Change,
  resolve: (target: FaultTarget) => MemberHost | undefined,
): ChangeTargets | undefined {
  if (change.fault === "changeMembers") return targetsOfMany(change, resolve);
  const target = resolve(change.target);
  if (target === undefined) return undefined;
  const { memberId } = target;
  const one = { target, all: [target], joining: [], leaving: [] };
  switch (change.fault) {
    case "addMember":
      return { ...one, joining: [target], request: { type: "memberAdd", ...newMember(target, change.learner) } };
    case "removeMember":
      return { ...one, leaving: [target], request: { type: "memberRemove", memberId } };
    case "promoteMember":
      return { ...one, request: { type: "memberPromote", memberId } };
    case "transferLeader":
      return { ...one, request: { type: "moveLeader", targetId: memberId } };
  }
}

function targetsOfMany(
  change: Extract<Change, { fault: "changeMembers" }>,
  resolve: (target: FaultTarget) => MemberHost | undefined,
): ChangeTargets | undefined {
  const [voters, learners, leaving, promoted, demoted] = [
    change.add,
    change.addLearners,
    change.remove,
    change.promote,
    change.demote,
  ].map((names) => names.map(resolve).filter((host) => host !== undefined));
  if (voters === undefined || learners === undefined || leaving === undefined) return undefined;
  if (promoted === undefined || demoted === undefined) return undefined;
  const all = [...leaving, ...promoted, ...demoted, ...voters, ...learners];
  const named = change.add.length + change.addLearners.length + change.remove.length;
  const [target] = all;
  if (target === undefined || all.length < named + change.promote.length + change.demote.length) return undefined;
  const ids = (hosts: readonly MemberHost[]): MemberId[] => hosts.map((host) => host.memberId);
  const request: Request = {
    type: "memberReconfigure",
    add: [...voters.map((host) => newMember(host, false)), ...learners.map((host) => newMember(host, true))],
    remove: ids(leaving),
    promote: ids(promoted),
    demote: ids(demoted),
  };
  return { target, all, joining: [...voters, ...learners], leaving, request };
}

const newMember = ({ memberId, name }: MemberHost, isLearner: boolean) => ({
  memberId,
  peerUrls: [`http://${name}:2380`],
  isLearner,
});
