/*
 * Every state that a single member was ever in, each once and with a number, and what each choice makes of it. A member
 * acts on its own state and on what arrives, so a step of the whole cluster is a step of one member: it is computed once
 * and looked up afterwards, and states of the cluster are a few numbers.
 *
 * Core's machines change in place and are not copied. A member's state is made again by repeating, from its start, the
 * choices that first led to it.
 */
import {
  describeEntry,
  type Entry,
  InvariantViolation,
  indexOf,
  memberIdOf,
  noTerm,
  type RaftMessage,
  type Role,
} from "../../core/index.ts";
import type { SmallScenario } from "../../scenarios/small/small-scenario.ts";
import { type Canon, hashText, type Renaming } from "./canon.ts";
import type { Step } from "./choices.ts";
import { Lanes } from "./lanes.ts";
import type { Messages } from "./messages.ts";
import { type Choice, endsLife, type Outcome, SmallMember } from "./small-member.ts";

/** A member as others see it; everything here follows from the state. */
export interface Local {
  readonly number: number;
  readonly slot: number;
  readonly role: Role;
  readonly term: number;
  readonly votedFor: bigint | undefined;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Number of its log; equal logs have one number. */
  readonly log: number;
  /** The same of what is on its disk. */
  readonly diskLog: number;
  /** Term on its disk: no crash takes it below that. */
  readonly diskTerm: number;
  /** Commit index on its disk: no crash takes it below that. */
  readonly diskCommitIndex: number;
  readonly hasPendingWrites: boolean;
  /** Equal for members that cannot be told apart without names. */
  readonly rank: number;
}

/** What one choice makes of one state. */
export interface Transition {
  readonly to: Local;
  /** Numbers of the messages that leave, first to last. */
  readonly sent: readonly number[];
  /** undefined: clients hear nothing. */
  readonly heard: Outcome | undefined;
  /** False: nothing in it that is remembered of a path. */
  readonly isForAnnals: boolean;
  /** Set when the member broke a rule by itself, or core stopped it. */
  readonly broken: { readonly rule: string; readonly text: string } | undefined;
}

interface Known {
  readonly local: Local;
  /** undefined: the start. */
  readonly from: Known | undefined;
  readonly choice: Choice | undefined;
  readonly transitions: Map<number, Transition>;
}

export class Locals {
  readonly #scenario: SmallScenario;
  readonly #canon: Canon;
  readonly #renamings: readonly Renaming[];
  readonly #messages: Messages;
  readonly #numbers = new Map<string, number>();
  readonly #all: Known[] = [];
  readonly #remembering = new Map<number, boolean>();
  readonly #ranks = new Map<string, number>();
  readonly #logNumbers = new Map<string, number>();
  readonly #logs: (readonly string[])[] = [];
  /** By state and renaming. */
  readonly hashes: Lanes;
  /** Choices that were carried out by a member, not looked up. */
  computed = 0;

  constructor(options: {
    readonly scenario: SmallScenario;
    readonly canon: Canon;
    readonly renamings: readonly Renaming[];
    readonly messages: Messages;
  }) {
    this.#scenario = options.scenario;
    this.#canon = options.canon;
    this.#renamings = options.renamings;
    this.#messages = options.messages;
    this.hashes = new Lanes(options.renamings.length);
  }

  get count(): number {
    return this.#all.length;
  }

  at(number: number): Local {
    return this.#known(number).local;
  }

  /** Entries as texts, from index 1. */
  logAt(number: number): readonly string[] {
    const log = this.#logs[number];
    if (log === undefined) throw new Error(`no log has the number ${number}`);
    return log;
  }

  /** A member that never did anything. */
  start(slot: number): Local {
    const member = this.#newMember(slot);
    return this.#intern(slot, member, undefined, undefined).local;
  }

  step(from: Local, step: Step): Transition {
    const known = this.#known(from.number);
    const before = known.transitions.get(step.effect);
    if (before !== undefined) return before;
    const transition = this.#compute(known, step.choice);
    known.transitions.set(step.effect, transition);
    return transition;
  }

  /** Whether that member, asked by the one at `slot`, would know of a promise that a blank disk does not hold. */
  remembers(local: Local, slot: number): boolean {
    const key = local.number * 16 + slot;
    const known = this.#remembering.get(key);
    if (known !== undefined) return known;
    const member = this.#rebuild(this.#known(local.number));
    const from = memberIdOf(BigInt(slot + 1));
    const hello: RaftMessage = { type: "hello", from, to: member.id, term: noTerm, incarnation: hypothetical };
    const { sent } = member.choose({ type: "deliver", message: hello });
    const remembers = sent.some((reply) => reply.type === "helloReply" && (reply.seenTerm > 0 || reply.heldIndex > 0));
    this.#remembering.set(key, remembers);
    return remembers;
  }

  #known(number: number): Known {
    const known = this.#all[number];
    if (known === undefined) throw new Error(`no state of a member has the number ${number}`);
    return known;
  }

  #compute(from: Known, choice: Choice): Transition {
    this.computed += 1;
    const { local } = from;
    const member = this.#rebuild(from);
    let outcome: Outcome;
    try {
      outcome = member.choose(choice);
    } catch (error) {
      if (!(error instanceof InvariantViolation)) throw error;
      const broken = { rule: "assertion", text: error.message };
      return { to: local, sent: [], heard: undefined, isForAnnals: false, broken };
    }
    const { local: to } = this.#intern(local.slot, member, from, choice);
    const sent = outcome.sent.map((message) => this.#messages.numberOf(message));
    const isHeard = outcome.acknowledged.length + outcome.served.length + outcome.abandoned.length > 0;
    const broken = brokenByItself(to) ?? (endsLife(choice) ? undefined : brokenInOneLife(local, to));
    const isForAnnals =
      isHeard ||
      to.role === "leader" ||
      to.commitIndex !== local.commitIndex ||
      endsLife(choice) ||
      choice.type === "read";
    return { to, sent, heard: isHeard ? outcome : undefined, isForAnnals, broken };
  }

  #rebuild(known: Known): SmallMember {
    const choices: Choice[] = [];
    for (let at = known; at.from !== undefined && at.choice !== undefined; at = at.from) choices.push(at.choice);
    const member = this.#newMember(known.local.slot);
    for (let position = choices.length - 1; position >= 0; position--) member.choose(choices[position] as Choice);
    return member;
  }

  #newMember(slot: number): SmallMember {
    return new SmallMember(memberIdOf(BigInt(slot + 1)), this.#scenario);
  }

  #intern(slot: number, member: SmallMember, from: Known | undefined, choice: Choice | undefined): Known {
    const { contents } = member;
    const text = this.#canon.textOf(contents, this.#renamings[0] ?? []);
    const number = this.#numbers.get(text);
    if (number !== undefined) return this.#known(number);
    const { raft, disk } = member;
    const entries: Entry[] = [];
    for (let index = 1; index <= raft.lastIndex; index++) {
      const entry = raft.entryAt(indexOf(index));
      if (entry !== undefined) entries.push(entry);
    }
    const known: Known = {
      local: {
        number: this.#all.length,
        slot,
        role: raft.role,
        term: raft.term,
        votedFor: raft.votedFor,
        commitIndex: raft.commitIndex,
        appliedIndex: raft.appliedIndex,
        log: this.#logNumberOf(entries),
        diskLog: this.#logNumberOf(disk.entries),
        diskTerm: disk.hardState.term,
        diskCommitIndex: disk.hardState.commitIndex,
        hasPendingWrites: member.hasPendingWrites,
        rank: this.#rankOf(member),
      },
      from,
      choice,
      transitions: new Map(),
    };
    this.#numbers.set(text, known.local.number);
    this.#all.push(known);
    for (const renaming of this.#renamings) {
      const renamed = `member ${this.#canon.textOf(contents, renaming)}`;
      this.hashes.push(hashText(renamed, 1), hashText(renamed, 2));
    }
    return known;
  }

  #rankOf({ id, raft, disk, hasPendingWrites }: SmallMember): number {
    const { role, term, votedFor, leaderId, commitIndex, lastIndex, stableIndex } = raft;
    const toIt = (other: bigint | undefined): string =>
      other === undefined ? "none" : other === id ? "self" : "other";
    const { term: diskTerm } = disk.hardState;
    const place = [term, commitIndex, lastIndex, stableIndex, raft.appliedIndex, diskTerm, disk.entries.length];
    const text = [role, ...place, toIt(votedFor), toIt(leaderId), hasPendingWrites].join(" ");
    const known = this.#ranks.get(text);
    if (known !== undefined) return known;
    this.#ranks.set(text, this.#ranks.size);
    return this.#ranks.size - 1;
  }

  #logNumberOf(entries: readonly Entry[]): number {
    const texts = entries.map(describeEntry);
    const text = texts.join("\n");
    const known = this.#logNumbers.get(text);
    if (known !== undefined) return known;
    this.#logNumbers.set(text, this.#logs.length);
    this.#logs.push(texts);
    return this.#logs.length - 1;
  }
}

/** A life that never begins: only the answer to its question is looked at. */
const hypothetical = 1_000;

function brokenByItself({ appliedIndex, commitIndex }: Local): Transition["broken"] {
  if (appliedIndex <= commitIndex) return undefined;
  return { rule: "applied-beyond-commit", text: `it applied up to index ${appliedIndex}, committed is ${commitIndex}` };
}

/** What never goes back while a member lives. */
function brokenInOneLife(before: Local, after: Local): Transition["broken"] {
  if (after.term < before.term)
    return { rule: "term-fell", text: `its term fell from ${before.term} to ${after.term}` };
  if (after.term === before.term && before.votedFor !== undefined && after.votedFor !== before.votedFor) {
    return {
      rule: "voted-twice",
      text: `it voted for ${before.votedFor} and for ${after.votedFor} in term ${after.term}`,
    };
  }
  if (after.commitIndex < before.commitIndex) {
    return { rule: "commit-fell", text: `its commit index fell from ${before.commitIndex} to ${after.commitIndex}` };
  }
  return undefined;
}

/**
 * True when the message can never again change anything at that member, not even after a crash: an answer to a campaign
 * or a leadership that is over, and no news of what is committed. Nobody campaigns or leads twice in one term, and terms
 * on a disk never fall, unless the disk is emptied: then this must not be asked.
 */
export function isOver(local: Local, message: RaftMessage): boolean {
  switch (message.type) {
    case "preVoteReply":
      if (message.committed.index > local.diskCommitIndex) return false;
      return message.granted ? message.term <= local.diskTerm : message.term < local.diskTerm;
    case "voteReply":
      if (message.committed.index > local.diskCommitIndex) return false;
      return message.term <= local.diskTerm && !(local.role === "candidate" && local.term === message.term);
    case "appendAccepted":
    case "appendRejected":
    case "heartbeatReply":
      if (message.term > local.diskTerm) return false;
      return local.term !== message.term || (local.role !== "candidate" && local.role !== "leader");
    default:
      return false;
  }
}
