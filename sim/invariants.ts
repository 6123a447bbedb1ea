/*
 * What must hold inside a cluster after every step, seen from outside with all members in view. The cheap rules look
 * only at what a step changed; the costly ones compare whole logs and key spaces and run every so many events.
 * Source: Raft paper figure 3 (election safety, log matching, leader completeness, state-machine safety).
 */
import { describeConfiguration, type Entry, equalBytes, indexOf, type RaftView } from "../core/index.ts";

/** What is looked at in a member. */
export interface Watched {
  readonly raft: RaftView;
  readonly appliedIndex: number;
  readonly currentRevision: number;
  readonly compactRevision: number;
  hashKv(
    revision: number,
  ):
    | { readonly ok: true; readonly hash: number; readonly compactRevision: number; readonly hashRevision: number }
    | { readonly ok: false };
  /** Of users, roles and the switch of auth. */
  authHash(): number;
  /** The hash of the current revision, at the cost of what is new since the last call. */
  runningHash(): { readonly hash: number; readonly compactRevision: number; readonly hashRevision: number };
}

export interface BrokenInvariant {
  readonly rule: string;
  readonly text: string;
}

/** What was last seen of one life of one member. */
interface Seen {
  term: number;
  votedFor: bigint | undefined;
  isLeader: boolean;
  commitIndex: number;
  appliedIndex: number;
}

export class Invariants {
  readonly #names: readonly string[];
  /** Undefined while the member is down. */
  readonly #seen: (Seen | undefined)[];
  /** Term → position of its leader. */
  readonly #leaders: number[] = [];
  /** Index → the entry committed there, as the first member to commit it holds it. */
  readonly #committed: (Entry | undefined)[] = [undefined];
  /** Index → the term in which it was committed: that of the member that knew of it first, which is its leader. */
  readonly #committedIn: number[] = [0];
  /** Index → revision after it was applied; undefined where no step has stopped. */
  readonly #revisions: (number | undefined)[] = [];
  #broken: BrokenInvariant | undefined;
  /** Slots whose stored data was changed from outside. */
  readonly #changed = new Set<number>();
  #checked = 0;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#seen = names.map(() => undefined);
  }

  /** The first rule that was broken. */
  get broken(): BrokenInvariant | undefined {
    return this.#broken;
  }
  /** States and entries judged. */
  get checked(): number {
    return this.#checked;
  }
  /** Highest index known to be committed. */
  get committedIndex(): number {
    return this.#committed.length - 1;
  }

  /** A life ended: what was not durable may be gone in the next. */
  ended(slot: number): void {
    this.#seen[slot] = undefined;
  }

  afterStep(slot: number, member: Watched): void {
    const { raft } = member;
    const seen = this.#seen[slot];
    if (seen === undefined) {
      const { term, votedFor } = raft;
      this.#seen[slot] = { term, votedFor, isLeader: false, commitIndex: 0, appliedIndex: 0 };
      this.afterStep(slot, member);
      return;
    }
    const { term } = raft;
    if (term !== seen.term || raft.votedFor !== seen.votedFor) this.#checkVote(slot, raft, seen);
    const isLeader = raft.role === "leader";
    if (isLeader !== seen.isLeader || (isLeader && this.#leaders[term] !== slot)) {
      seen.isLeader = isLeader;
      if (isLeader) this.#checkLeader(slot, raft);
    }
    const { commitIndex } = raft;
    if (commitIndex !== seen.commitIndex) {
      if (commitIndex < seen.commitIndex) this.#break("commit-fell", slot, seen.commitIndex, commitIndex);
      this.#checkCommitted(slot, raft, seen.commitIndex);
      seen.commitIndex = commitIndex;
    }
    const { appliedIndex } = member;
    if (appliedIndex !== seen.appliedIndex) {
      if (appliedIndex < seen.appliedIndex) this.#break("applied-fell", slot, seen.appliedIndex, appliedIndex);
      // While a snapshot is being put in place the key space is ahead of the log, up to what others have committed.
      if (appliedIndex > commitIndex) {
        if (appliedIndex > this.committedIndex) this.#break("applied-beyond-commit", slot, appliedIndex, commitIndex);
      } else if (appliedIndex > raft.stableIndex) {
        this.#break("applied-beyond-disk", slot, appliedIndex, raft.stableIndex);
      }
      // It may have been removed, or be a learner, only until it has applied that.
      if (isLeader && !hasVote(raft)) this.#break("leads-without-vote", slot, term, appliedIndex);
      seen.appliedIndex = appliedIndex;
      const revision = this.#revisions[appliedIndex];
      if (revision === undefined) this.#revisions[appliedIndex] = member.currentRevision;
      else if (revision !== member.currentRevision) {
        this.#break("revision-differs", slot, member.currentRevision, revision, `after index ${appliedIndex}`);
      }
      this.#checked += 1;
    }
  }

  /**
   * The costly rules, over all live members in id order (undefined: down).
   *
   * @param how.whole hashes read everything that is stored again, not only what came since the last sweep
   */
  sweep(members: readonly (Watched | undefined)[], how: { readonly whole: boolean }): void {
    const hashes: (Hashed | undefined)[] = [];
    const hashOf = (slot: number, member: Watched): Hashed | undefined =>
      this.#changed.has(slot) ? undefined : (hashes[slot] ?? hashedOf(member, how.whole));
    for (let slot = 0; slot < members.length; slot++) {
      const member = members[slot];
      if (member === undefined) continue;
      if (member.raft.role === "leader") this.#checkLeader(slot, member.raft);
      for (let other = 0; other < slot; other++) {
        const peer = members[other];
        if (peer === undefined) continue;
        this.#checkLogs(slot, member.raft, other, peer.raft);
        if (member.appliedIndex !== peer.appliedIndex || member.appliedIndex === 0) continue;
        if (isSettled(member) && isSettled(peer)) {
          this.#checkConfigurations(slot, member.raft, other, peer.raft);
          this.#checkUsers(slot, member, other, peer);
        }
        hashes[slot] = hashOf(slot, member);
        hashes[other] = hashOf(other, peer);
        this.#checkHashes(slot, hashes[slot], other, hashes[other]);
      }
    }
  }

  /** What that member stores was changed under it: its hash is no evidence any more. */
  dataChanged(slot: number): void {
    this.#changed.add(slot);
  }

  #checkVote(slot: number, raft: RaftView, seen: Seen): void {
    if (raft.term < seen.term) this.#break("term-fell", slot, seen.term, raft.term);
    if (raft.term === seen.term && seen.votedFor !== undefined && raft.votedFor !== seen.votedFor) {
      this.#break("voted-twice", slot, Number(seen.votedFor), Number(raft.votedFor ?? 0), `in term ${raft.term}`);
    }
    seen.term = raft.term;
    seen.votedFor = raft.votedFor;
    this.#checked += 1;
  }

  #checkLeader(slot: number, raft: RaftView): void {
    const before = this.#leaders[raft.term];
    if (before !== undefined && before !== slot) {
      this.#break("two-leaders", slot, before, slot, `both lead term ${raft.term}`);
    }
    this.#leaders[raft.term] = slot;
    this.#checked += 1;
    // What was committed in later terms need not be here, also where the entry is older: this leader may be deposed already
    // and not know it, or have won its votes long ago and count them now.
    let index = this.#committed.length - 1;
    const isDue = (): boolean =>
      this.#committed[index] !== undefined && (this.#committedIn[index] as number) <= raft.term;
    while (index > 0 && !isDue()) index -= 1;
    if (index === 0) return;
    const expected = (this.#committed[index] as Entry).term;
    const found = raft.termAt(indexOf(index));
    // A compacted prefix was committed; its terms are not known any more.
    if (found === undefined && index < raft.firstIndex) return;
    if (found !== expected) {
      this.#break("leader-incomplete", slot, expected, found ?? 0, `term of committed entry ${index}`);
    }
  }

  #checkCommitted(slot: number, raft: RaftView, after: number): void {
    if (raft.commitIndex > raft.lastIndex) {
      this.#break("commit-beyond-log", slot, raft.commitIndex, raft.lastIndex);
      return;
    }
    const committed = this.#committed;
    for (let index = Math.max(after + 1, raft.firstIndex); index <= raft.commitIndex; index++) {
      const entry = raft.entryAt(indexOf(index));
      if (entry === undefined) continue;
      this.#checked += 1;
      const known = committed[index];
      if (known === undefined) {
        while (committed.length < index) committed.push(undefined);
        committed[index] = entry;
        this.#committedIn[index] = raft.term;
      } else if (known !== entry && !sameEntry(known, entry)) {
        this.#break(
          "committed-differs",
          slot,
          known.term,
          entry.term,
          `entry ${index}: terms, or the same and its data`,
        );
        return;
      }
    }
  }

  #checkLogs(slot: number, a: RaftView, other: number, b: RaftView): void {
    const first = Math.max(a.firstIndex, b.firstIndex);
    let index = Math.min(a.lastIndex, b.lastIndex);
    while (index >= first && a.termAt(indexOf(index)) !== b.termAt(indexOf(index))) index -= 1;
    for (; index >= first; index--) {
      const left = a.entryAt(indexOf(index));
      const right = b.entryAt(indexOf(index));
      this.#checked += 1;
      if (left === right || left === undefined || right === undefined || sameEntry(left, right)) continue;
      this.#break("logs-differ", slot, left.term, right.term, `entry ${index} against ${this.#names[other]}`);
      return;
    }
  }

  /** Configurations take effect when they are applied: members that applied the same entries have the same one. */
  #checkConfigurations(slot: number, a: RaftView, other: number, b: RaftView): void {
    this.#checked += 1;
    const here = describeConfiguration(a.configuration);
    const there = describeConfiguration(b.configuration);
    if (here !== there) {
      this.#break(
        "configurations-differ",
        slot,
        a.commitIndex,
        b.commitIndex,
        `${here} here, ${there} at ${this.#names[other]}`,
      );
    }
  }

  /** Users, roles and whether auth is on. */
  #checkUsers(slot: number, a: Watched, other: number, b: Watched): void {
    this.#checked += 1;
    const here = a.authHash();
    const there = b.authHash();
    if (here !== there) this.#break("users-differ", slot, here, there, `against ${this.#names[other]}`);
  }

  #checkHashes(slot: number, member: Hashed | undefined, other: number, peer: Hashed | undefined): void {
    if (member === undefined || peer === undefined || member.compactRevision !== peer.compactRevision) return;
    this.#checked += 1;
    if (member.hash === peer.hash && member.hashRevision === peer.hashRevision) return;
    const where = `at revision ${member.hashRevision}, against ${this.#names[other]} at ${peer.hashRevision}`;
    this.#break("hashes-differ", slot, member.hash, peer.hash, where);
  }

  #break(rule: string, slot: number, expected: number, found: number, more = ""): void {
    this.#broken ??= {
      rule,
      text: `${this.#names[slot]}: ${ruleTexts[rule] ?? rule} (${expected}, ${found}${more === "" ? "" : `; ${more}`})`,
    };
  }
}

/** False while a snapshot is being put in place: the key space is there already, Raft has not heard of it. */
const isSettled = ({ appliedIndex, raft }: Watched): boolean => appliedIndex <= raft.commitIndex;

const hasVote = ({ id, configuration }: RaftView): boolean =>
  configuration.voters.includes(id) || configuration.outgoing.includes(id);

interface Hashed {
  readonly hash: number;
  readonly compactRevision: number;
  readonly hashRevision: number;
}

function hashedOf(member: Watched, whole: boolean): Hashed | undefined {
  if (!whole) return member.runningHash();
  const hashed = member.hashKv(0);
  return hashed.ok ? hashed : undefined;
}

const ruleTexts: { readonly [rule: string]: string } = {
  "applied-beyond-commit": "it applied more than is committed: applied, committed",
  "applied-beyond-disk": "it applied what is not on its own disk: applied, durable",
  "applied-fell": "its applied index fell: before, now",
  "commit-beyond-log": "it committed beyond the end of its log: committed, last",
  "commit-fell": "its commit index fell: before, now",
  "committed-differs": "it committed another entry than a member did before: terms there, here",
  "configurations-differ": "two members that applied the same entries have other members: committed here, there",
  "users-differ": "two members that applied the same entries have other users, roles or rights: hashes here, there",
  "hashes-differ": "two members that applied the same entries differ: hashes here, there",
  "leads-without-vote": "it leads though its own configuration gives it no vote: term, applied index",
  "leader-incomplete": "a leader lacks a committed entry: term committed, term here",
  "logs-differ": "two logs agree at an index and differ below it: terms here, there",
  "revision-differs": "its revision differs from another member's at the same index: here, there",
  "term-fell": "its term fell: before, now",
  "two-leaders": "one term has two leaders: positions of the first and the second",
  "voted-twice": "it voted twice in one term: first for, then for",
};

const sameEntry = (a: Entry, b: Entry): boolean =>
  a.term === b.term && a.kind === b.kind && (a.data === b.data || equalBytes(a.data, b.data));
