/*
 * The operator of a drill: changes who belongs through etcd's own API, as a person with etcdctl would. A refusal is
 * often only "not yet" (a member has not been connected for long, a learner has not caught up), so each change is asked
 * for again, at another member, until it is done or patience runs out. One change at a time, as everywhere in a drill.
 * An added member's process starts once it was added; a removed one's ends by itself, or stays and is never started again.
 * Source: etcd v3 API, Cluster; etcd operations guide, runtime reconfiguration.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type MemberId, type MemberRecord, memberIdOf, type Request, refusals, utf8Encode } from "../core/index.ts";
import type { Fault } from "../scenarios/faults.ts";
import { plainRange } from "./client/plain-range.ts";
import type { Cluster } from "./cluster.ts";
import type { MemberProcesses } from "./member-processes.ts";

export type MemberChange = Extract<Fault, { fault: "addMember" | "removeMember" | "promoteMember" }>;

/** Several changes at once, roles looked up already. */
export interface ManyChanges {
  readonly add: readonly string[];
  readonly addLearners: readonly string[];
  readonly remove: readonly string[];
  readonly promote: readonly string[];
  readonly demote: readonly string[];
}

interface ClusterOfDrill {
  readonly cluster: Cluster;
  readonly processes: MemberProcesses;
}

/** What came of a change: what to say, or why it could not be made. */
export type Changed = { readonly done: string } | { readonly problem: string };

/** After so long a change is given up; etcd wants members connected for five seconds before it changes them. */
const patienceMs = 20_000;
const betweenTriesMs = 400;
const answerMs = 3_000;
const leftWithinMs = 3_000;
const majorityAnswersMs = 1_000;

/** The refusal that says that an earlier try took effect. */
const doneAlready: { readonly [Name in MemberChange["fault"]]: string } = {
  addMember: refusals.peerUrlExists.text,
  removeMember: refusals.memberNotFound.text,
  promoteMember: refusals.memberNotLearner.text,
};

/** Makes the change on the member of that name. */
export async function changeMembers(
  change: MemberChange,
  name: string,
  { cluster, processes }: ClusterOfDrill,
): Promise<Changed> {
  const belonging = processes.belongingOf(name);
  if (change.fault === "addMember" ? belonging !== "later" : belonging !== "now") {
    const why = { later: "was not added yet", now: "belongs already", nevermore: "was removed for ever" };
    return { problem: `${name} ${why[belonging]}` };
  }
  const changed = await untilDone((turn) => tryOnce(change, name, { cluster, processes, turn }));
  if ("done" in changed) await carryOn(change, name, { cluster, processes });
  return changed;
}

/**
 * Removes a member whose disk is lost and adds it anew under the same address, as etcd's operators do; its process
 * joins. The cluster may be asked again after this was given up: what was done stays done.
 */
export async function replaceMember(name: string, around: ClusterOfDrill): Promise<Changed> {
  const removal = { fault: "removeMember", target: name } as const;
  const removed = await untilDone((turn) => tryOnce(removal, name, { ...around, turn }));
  if ("problem" in removed) return removed;
  const addition = { fault: "addMember", target: name, learner: false } as const;
  const added = await untilDone((turn) => tryOnce(addition, name, { ...around, turn }));
  if ("done" in added) await carryOn(addition, name, around);
  return added;
}

/** Whether members could be changed now: some member has a majority behind it. */
export async function hasMajority({ cluster, processes }: ClusterOfDrill): Promise<boolean> {
  const answers = cluster.names.map(async (name, position) => {
    if (!isThere(name, processes)) return false;
    // Not the member list: up to 3.4 any member answers that from what it knows itself.
    const read = cluster.clients[position]?.call(
      { ...plainRange, key: utf8Encode("\0") },
      { timeoutMs: majorityAnswersMs },
    );
    return (await read?.result)?.type === "reply";
  });
  return (await Promise.all(answers)).includes(true);
}

/** Makes several changes in one step: a call of our members alone. Names are members', no roles. */
export async function changeMany(change: ManyChanges, { cluster, processes }: ClusterOfDrill): Promise<Changed> {
  const joining = [...change.add, ...change.addLearners];
  const strange = joining.find((name) => processes.belongingOf(name) !== "later");
  if (strange !== undefined) return { problem: `${strange} is not there to be added` };
  const changed = await untilDone((turn) => tryMany(change, { cluster, processes, turn }));
  if ("problem" in changed) return changed;
  for (const name of change.remove) processes.leave(name);
  for (const name of change.promote) processes.promote(name);
  for (const name of change.demote) processes.demote(name);
  const among = await listedAfter(change, { cluster, processes });
  for (const name of joining) await processes.join(name, { among, asLearner: change.addLearners.includes(name) });
  return changed;
}

/**
 * Whom a joining member is told of: exactly those that are listed, or it refuses to start. Those who go stay listed until
 * the joint configuration is left, which is soon, unless it takes a newcomer to get there.
 */
async function listedAfter(
  { remove }: ManyChanges,
  { cluster, processes }: ClusterOfDrill,
): Promise<readonly string[]> {
  const going = remove.map((name) => processes.peerUrlOf(name));
  let urls: readonly string[] = [];
  for (const deadlineMs = performance.now() + leftWithinMs; performance.now() < deadlineMs; await pause(50)) {
    urls = (await membersNow(cluster, processes))?.flatMap((record) => record.peerUrls) ?? urls;
    if (urls.length > 0 && !going.some((url) => urls.includes(url))) break;
  }
  return processes.names.filter((name) => urls.includes(processes.peerUrlOf(name)));
}

/** @param tryOnce says what spoke against it this time; undefined: nothing, it took effect */
async function untilDone(tryOnce: (turn: number) => Promise<string | undefined>): Promise<Changed> {
  const deadlineMs = performance.now() + patienceMs;
  let last = "no member answers";
  for (let tries = 1; performance.now() < deadlineMs; tries++) {
    const said = await tryOnce(tries);
    if (said === undefined) return { done: `carried out after ${tries} ${tries === 1 ? "try" : "tries"}` };
    last = said;
    await pause(betweenTriesMs);
  }
  return { problem: `given up after ${patienceMs / 1_000} s: ${last}` };
}

async function tryMany(
  change: ManyChanges,
  around: ClusterOfDrill & { readonly turn: number },
): Promise<string | undefined> {
  const { cluster, processes } = around;
  const records = await membersNow(cluster, processes);
  if (records === undefined) return "no member says who belongs";
  const idOf = (name: string): MemberId => {
    const peerUrl = processes.peerUrlOf(name);
    return records.find((record) => record.peerUrls.includes(peerUrl))?.memberId ?? memberIdOf(0n);
  };
  const added = (names: readonly string[], isLearner: boolean) =>
    names.map((name) => ({ memberId: memberIdOf(0n), peerUrls: [processes.peerUrlOf(name)], isLearner }));
  return ask(
    {
      type: "memberReconfigure",
      add: [...added(change.add, false), ...added(change.addLearners, true)],
      remove: change.remove.map(idOf),
      promote: change.promote.map(idOf),
      demote: change.demote.map(idOf),
    },
    { ...around, except: change.remove, doneTexts: doneManyTexts },
  );
}

const doneManyTexts: readonly string[] = [
  refusals.peerUrlExists.text,
  refusals.memberNotFound.text,
  refusals.memberNotLearner.text,
  refusals.memberNotVoter.text,
];

/** @returns undefined when it took effect, now or before; else what spoke against it */
async function tryOnce(
  change: MemberChange,
  name: string,
  around: ClusterOfDrill & { readonly turn: number },
): Promise<string | undefined> {
  const { cluster, processes, turn } = around;
  const peerUrl = processes.peerUrlOf(name);
  let request: Request;
  if (change.fault === "addMember") {
    request = { type: "memberAdd", memberId: memberIdOf(0n), peerUrls: [peerUrl], isLearner: change.learner };
  } else {
    const records = await membersNow(cluster, processes);
    if (records === undefined) return "no member says who belongs";
    const memberId = records.find((record) => record.peerUrls.includes(peerUrl))?.memberId;
    if (memberId === undefined) return change.fault === "removeMember" ? undefined : `${name} does not belong`;
    request = { type: change.fault === "removeMember" ? "memberRemove" : "memberPromote", memberId };
  }
  return ask(request, { cluster, processes, turn, except: [name], doneTexts: [doneAlready[change.fault]] });
}

/** Asks another member each time: one may be cut off. @returns undefined when it took effect */
async function ask(
  request: Request,
  options: {
    readonly cluster: Cluster;
    readonly processes: MemberProcesses;
    readonly turn: number;
    readonly except: readonly string[];
    /** Refusals that say that an earlier try took effect. */
    readonly doneTexts: readonly string[];
  },
): Promise<string | undefined> {
  const { cluster, processes, turn } = options;
  const able = cluster.names.filter((other) => !options.except.includes(other) && isThere(other, processes));
  const asked = able[turn % Math.max(1, able.length)];
  const client = asked === undefined ? undefined : cluster.clients[cluster.names.indexOf(asked)];
  if (client === undefined) return "no member runs that could be asked";
  const result = await client.call(request, { timeoutMs: answerMs }).result;
  if (result.type === "reply") return undefined;
  if (result.type !== "status") return `${asked} does not answer`;
  return options.doneTexts.includes(result.text) ? undefined : result.text;
}

/** What follows from a change that took effect. */
async function carryOn(change: MemberChange, name: string, { cluster, processes }: ClusterOfDrill): Promise<void> {
  if (change.fault === "removeMember") processes.leave(name);
  else if (change.fault === "promoteMember") processes.promote(name);
  else {
    await processes.join(name, {
      among: await listedWith(name, { cluster, processes }),
      asLearner: change.learner,
    });
  }
}

/**
 * Whom a member that was just added is told of. No majority may be needed to say so: with the newcomer, which does not
 * run yet, there may be none.
 */
async function listedWith(name: string, { cluster, processes }: ClusterOfDrill): Promise<readonly string[]> {
  const own = processes.peerUrlOf(name);
  for (const deadlineMs = performance.now() + patienceMs; performance.now() < deadlineMs; await pause(betweenTriesMs)) {
    const records = (await membersNow(cluster, processes, { linearizable: false })) ?? [];
    const urls = records.flatMap((record) => record.peerUrls);
    // A member that lags does not know of the newcomer yet.
    if (urls.includes(own)) return processes.names.filter((other) => urls.includes(processes.peerUrlOf(other)));
  }
  throw new Error(`${name} was added, and no member lists it`);
}

/** The members as some member that answers has them; undefined: none does. */
async function membersNow(
  cluster: Cluster,
  processes: MemberProcesses,
  { linearizable } = { linearizable: true },
): Promise<readonly MemberRecord[] | undefined> {
  for (const [position, name] of cluster.names.entries()) {
    if (!isThere(name, processes)) continue;
    const call = cluster.clients[position]?.call({ type: "memberList", linearizable }, { timeoutMs: answerMs });
    const result = await call?.result;
    if (result?.type === "reply" && result.reply.answer.type === "memberList") return result.reply.answer.members;
  }
  return undefined;
}

const isThere = (name: string, processes: MemberProcesses): boolean =>
  processes.belongingOf(name) === "now" && processes.stateOf(name) === "running";
