/*
 * The revision witness: answers carry revisions, so the order of operations is known but for those without an answer.
 * Known outcomes are sorted; revisions without author are given to unknown writes, answered revokes and lease expiries
 * in order of revisions, with a replay in between and a search where evidence leaves a choice (choices.ts says which one
 * is thought over). The result is an order for verifyOrder, or a contradiction that no choice removes.
 */
import type { HistoryKeyValue } from "../history.ts";
import { all, type Candidate, type Choice, Choices, candidateOrder, nobody, nothing } from "./choices.ts";
import type { Evidence, Fact, Scope } from "./evidence.ts";
import { KeyKnowledge, type Outlook, openEnd } from "./key-facts.ts";
import { type CompactHistory, mayWrite, never, type Op, type Step, unreported } from "./operations.ts";
import { ReplayStore, sameKv } from "./replay-store.ts";
import { showsState, staleReadsOf, stateOf } from "./stale-reads.ts";
import { UnknownWrites } from "./unknown-writes.ts";
import type { Order } from "./verify-order.ts";

export interface Contradiction {
  readonly rule: "real-time" | "wrong-answer" | "wrong-revision" | "revision-without-author" | "seen-too-early";
  readonly revision: number;
  readonly op: Op | undefined;
  readonly other: Op | undefined;
  readonly expected: string;
  readonly actual: string;
  /** Other assignments of unknown writes were tried, and all failed. */
  readonly choices: number;
}
export type Placement =
  | { readonly type: "order"; readonly order: Order; readonly steps: number }
  | { readonly type: "contradiction"; readonly contradiction: Contradiction; readonly steps: number }
  | { readonly type: "exhausted"; readonly revision: number; readonly steps: number };

/** What is known about a revision without author. */
interface Hints {
  readonly facts: readonly Fact[];
  readonly scopes: readonly Scope[];
}

const manyUnknown = 16;
const unweighed: Outlook = { priority: 0, due: openEnd };

interface PlacingOptions {
  /** Believe only what answers show that must be linearizable themselves. */
  readonly firmOnly: boolean;
  /** Serializable reads have to show the state at their revision. */
  readonly fitsReads: boolean;
  readonly stepsMax: number;
}

export function placeOperations(history: CompactHistory, evidence: Evidence, options: PlacingOptions): Placement {
  return new Placer(history, evidence, options).run();
}

class Placer {
  readonly #history: CompactHistory;
  readonly #evidence: Evidence;
  readonly #firmOnly: boolean;
  readonly #stepsMax: number;
  readonly #store: ReplayStore;
  readonly #used: Uint8Array;
  readonly #entries: number[] = [];
  readonly #expiries: string[] = [];
  readonly #gaps: readonly (readonly Op[] | undefined)[];
  /** Serializable reads by revision; empty where they need not fit. */
  readonly #reads: readonly (readonly Op[] | undefined)[];
  readonly #unknown: UnknownWrites;
  readonly #grants: readonly Op[];
  /** Per lease: the last revision at which an answer needs it to be alive. */
  readonly #aliveUpTo: ReadonlyMap<string, number>;
  /** Per operation: the revision where its effect was seen and nobody else can have made it; 0: none. */
  readonly #reserved: Int32Array;
  /** Per key: no unknown put fits up to that revision, unless an unknown write of the key is placed or taken back. */
  readonly #asleepUpTo: Int32Array;
  #knownKeys: KeyKnowledge | undefined;
  readonly #choices: Choices;
  #latest: Op | undefined;
  #steps = 0;
  #last: Contradiction | undefined;
  #deepest: Contradiction | undefined;
  #settled = false;
  /** An operation that could be the write but for what that answer says; and the answer looked at last. */
  #ruledOut: { readonly op: Op; readonly by: Op | undefined } | undefined;
  readonly #unclaimedUpTo: Int32Array;

  constructor(history: CompactHistory, evidence: Evidence, options: PlacingOptions) {
    this.#history = history;
    this.#evidence = evidence;
    this.#firmOnly = options.firmOnly;
    this.#stepsMax = options.stepsMax;
    this.#store = new ReplayStore(history, { keepPast: history.readsPast || options.fitsReads, keepTrail: true });
    this.#store.explaining = true;
    this.#used = new Uint8Array(history.ops.length);
    this.#gaps = gapsOf(history, evidence);
    this.#reads = options.fitsReads ? readsOf(history, evidence) : [];
    const open = history.ops.filter((op) => op.role === "ordered" && op.outcome === "unknown");
    this.#unknown = new UnknownWrites(open.filter((op) => mayWrite(op.step)));
    this.#grants = open.filter((op) => op.step.kind === "grant" && op.step.lease !== "0");
    this.#aliveUpTo = livesOf(history);
    this.#asleepUpTo = new Int32Array(history.keys.length);
    this.#choices = new Choices(history);
    this.#reserved = this.#reserve();
    this.#unclaimedUpTo = new Int32Array(evidence.maxRevision + 1);
    for (let revision = history.startRevision + 1; revision <= evidence.maxRevision; revision++) {
      const before = this.#unclaimedUpTo[revision - 1] as number;
      this.#unclaimedUpTo[revision] = before + (evidence.author[revision] === -1 ? 1 : 0);
    }
  }

  run(): Placement {
    const { startRevision } = this.#history;
    const { author, maxRevision } = this.#evidence;
    let revision = startRevision;
    let blame = this.#placeGap(revision);
    for (;;) {
      if (blame !== nobody) {
        const choice = this.#choices.backTo(blame);
        if (choice === undefined) return this.#contradicted();
        this.#setBackTo(choice);
        if (this.#steps > this.#stepsMax) return { type: "exhausted", revision: choice.revision, steps: this.#steps };
        revision = choice.revision;
        const candidate = choice.candidates[choice.next++] as Candidate;
        blame = this.#placeCandidate(candidate, revision);
        if (blame === nobody) blame = this.#placeGap(revision);
        continue;
      }
      if (revision >= maxRevision) {
        const order = { entries: this.#entries, expiries: this.#expiries };
        return { type: "order", order, steps: this.#steps };
      }
      revision++;
      const writer = author[revision] as number;
      if (writer >= 0) {
        blame = this.#place(this.#history.ops[writer] as Op, revision);
        if (blame === nobody) blame = this.#placeGap(revision);
        continue;
      }
      const candidates = this.#candidates(revision);
      if (candidates.length === 0) {
        this.#failed({
          rule: "revision-without-author",
          revision,
          op: this.#ruledOut?.op,
          other: this.#ruledOut?.by,
        });
        blame = all;
      } else {
        this.#choices.push({
          revision,
          candidates,
          mark: this.#store.mark(),
          length: this.#entries.length,
          expiries: this.#expiries.length,
          latest: this.#latest,
        });
        blame = this.#placeCandidate(candidates[0] as Candidate, revision);
        if (blame === nobody) blame = this.#placeGap(revision);
      }
    }
  }

  #setBackTo(choice: Choice): void {
    this.#store.undo(choice.mark);
    this.#asleepUpTo.fill(0);
    this.#latest = choice.latest;
    while (this.#entries.length > choice.length) {
      const entry = this.#entries.pop() as number;
      if (entry >= 0) this.#used[entry] = 0;
    }
    this.#expiries.length = choice.expiries;
  }

  #contradicted(): Placement {
    const contradiction = this.#deepest as Contradiction;
    return { type: "contradiction", contradiction, steps: this.#steps };
  }

  /** Remembers the failure that got furthest. */
  #failed(what: Pick<Contradiction, "rule" | "revision" | "op" | "other"> & Partial<Contradiction>): void {
    this.#last = { expected: "", actual: "", choices: this.#choices.made, ...what };
    if (this.#settled || (this.#deepest !== undefined && this.#deepest.revision > what.revision)) return;
    this.#deepest = this.#last;
  }

  #placeCandidate(candidate: Candidate, revision: number): number {
    if (candidate.type === "op") return this.#place(candidate.op, revision);
    this.#steps++;
    if (!this.#store.expire(candidate.lease)) return all;
    this.#wakeChanged();
    this.#expiries.push(candidate.lease);
    this.#entries.push(-this.#expiries.length);
    return this.#seenInTime(revision);
  }

  /** @returns nobody when it fits, else the group of keys to blame */
  #place(op: Op, revision: number): number {
    this.#steps++;
    this.#grantWhatItNeeds(op.step);
    const before = this.#latest;
    if (before === undefined || op.call > before.call) this.#latest = op;
    const latest = this.#latest as Op;
    if (latest.call > op.ret) {
      this.#failed({ rule: "real-time", revision, op, other: latest });
      return this.#fixed(latest) && this.#fixed(op) ? this.#certain() : all;
    }
    const from = this.#store.revision;
    if (!this.#store.run(op.step, op.answer)) return this.#wrongAnswer(op, revision);
    if (this.#store.revision !== revision) {
      const expected = `revision ${this.#store.revision}`;
      this.#failed({
        rule: "wrong-revision",
        revision,
        op,
        other: undefined,
        expected,
        actual: `revision ${revision}`,
      });
      return this.#choices.groupOf(op);
    }
    this.#used[op.index] = 1;
    this.#entries.push(op.index);
    if (op.answer === undefined) this.#wakeChanged();
    return this.#store.revision === from ? nobody : this.#seenInTime(revision);
  }

  /** @returns the group of keys to blame */
  #wrongAnswer(op: Op, revision: number): number {
    const { expected, actual } = this.#store.mismatch ?? { expected: "", actual: "" };
    this.#failed({ rule: "wrong-answer", revision, op, other: undefined, expected, actual });
    return this.#inEveryCase(op, revision) ? this.#certain() : this.#choices.groupOf(op);
  }

  #reserve(): Int32Array {
    const reserved = new Int32Array(this.#history.ops.length);
    for (const [revision, facts] of this.#evidence.facts) {
      for (const { kv, firm } of facts) {
        if (kv === undefined || (this.#firmOnly && !firm)) continue;
        const pool = this.#unknown.thatPut(kv);
        const only = pool[0];
        if (only !== undefined && pool.length === 1 && reserved[only.index] === 0) reserved[only.index] = revision;
      }
    }
    return reserved;
  }

  #wakeChanged(): void {
    for (const key of this.#store.changed) this.#asleepUpTo[key] = 0;
  }

  /** Somebody saw this revision before an operation behind it was called. */
  #seenInTime(revision: number): number {
    const latest = this.#latest;
    if (latest === undefined || (this.#evidence.seenAt[revision] as number) > latest.call) return nobody;
    this.#failed({ rule: "seen-too-early", revision, op: latest, other: undefined });
    return this.#fixed(latest) ? this.#certain() : all;
  }

  /** Answered operations stand where they stand. */
  #fixed(op: Op): boolean {
    return op.ret !== never && op.step.kind !== "revoke";
  }

  /** The last failure is no matter of choices: it stands. */
  #certain(): number {
    this.#deepest = { ...(this.#last as Contradiction), choices: 0 };
    this.#settled = true;
    return nothing;
  }

  /** Whether a wrong answer is wrong whatever stands at the revisions without author. */
  #inEveryCase(op: Op, revision: number): boolean {
    if (this.#unclaimed(this.#history.startRevision, revision) === 0) return true;
    const { step, answer } = op;
    if (op.role === "ordered" && step.revision > 0) return false;
    if (answer?.op === "deleteRange" && step.high === step.low + 1) {
      return this.#isSteady(step.low, revision) && answer.deleted === 0;
    }
    if (answer?.op !== "range" || step.source.op !== "range") return false;
    const { keysOnly } = step.source;
    if (answer.kvs.some((row) => this.#isFalse(row, keysOnly === true, revision))) return true;
    return step.plain && answer.kvs.length === 0 && answer.count === 0 && this.#isSteady(step.low, revision);
  }

  /** An answered write of the key is the last one up to that revision. */
  #isSteady(key: number, revision: number): boolean {
    const written = this.#knowledge.lastWrite(key, revision);
    return written > 0 && this.#unclaimed(written, revision) === 0;
  }

  /** Whether what was shown of a key at that revision contradicts answered writes. */
  #isFalse(shown: HistoryKeyValue, keysOnly: boolean, revision: number): boolean {
    const key = this.#history.keyNumbers.get(shown.key);
    if (shown.modRevision === unreported || key === undefined) return false;
    const written = this.#knowledge.lastWrite(key, revision);
    // An answered put of this key lies between the shown change and this read.
    if (shown.modRevision < written || shown.modRevision > revision) return true;
    const writer = this.#history.ops[this.#evidence.author[shown.modRevision] ?? -1];
    if (writer === undefined && !keysOnly && this.#unknown.thatPut(shown).length === 0) return true;
    if (writer?.step.kind === "put") return writer.step.low !== key || (!keysOnly && writer.step.value !== shown.value);
    return this.#isSteady(key, revision) && shown.modRevision !== written;
  }

  /** Revisions without author in (after, upTo]. */
  #unclaimed(after: number, upTo: number): number {
    return (this.#unclaimedUpTo[upTo] as number) - (this.#unclaimedUpTo[after] as number);
  }

  /** An unanswered grant takes effect at the last moment it is needed. */
  #grantWhatItNeeds(step: Step): void {
    if (this.#grants.length === 0) return;
    if ((step.kind === "put" || step.kind === "revoke") && step.lease !== "0" && !this.#store.leaseAlive(step.lease)) {
      const grant = this.#grants.find((op) => op.step.lease === step.lease && this.#used[op.index] === 0);
      if (grant === undefined) return;
      this.#store.run(grant.step, undefined);
      this.#used[grant.index] = 1;
      this.#entries.push(grant.index);
      if (this.#latest === undefined || grant.call > this.#latest.call) this.#latest = grant;
    }
    for (const inner of step.txn?.success ?? []) this.#grantWhatItNeeds(inner);
    for (const inner of step.txn?.failure ?? []) this.#grantWhatItNeeds(inner);
  }

  /** Operations that leave the revision: by call; those that depend on each other as they become possible. */
  #placeGap(revision: number): number {
    const blame = this.#placeOrdered(revision);
    if (blame !== nobody) return blame;
    for (const read of this.#reads[revision] ?? []) {
      this.#steps++;
      if (!showsState(this.#store, read)) return this.#wrongAnswer(read, revision);
    }
    return nobody;
  }

  #placeOrdered(revision: number): number {
    const gap = this.#gaps[revision];
    if (gap === undefined) return nobody;
    if (gap.every(needsKeysOnly)) {
      for (let position = 0; position < gap.length; position++) {
        const blame = this.#place(gap[position] as Op, revision);
        if (blame !== nobody) return blame;
      }
      return nobody;
    }
    const waiting = gap.filter((op) => this.#used[op.index] === 0);
    while (waiting.length > 0) {
      let firstReturn = never;
      for (const op of waiting) firstReturn = Math.min(firstReturn, op.ret);
      const ready = waiting.filter((op) => op.call <= firstReturn).sort(gapOrder);
      // Reads first: sooner never harms them. Compactions last, smallest first.
      const next = ready.find((op) => this.#fits(op, revision)) ?? (ready[0] as Op);
      const blame = this.#place(next, revision);
      if (blame !== nobody) return blame;
      waiting.splice(waiting.indexOf(next), 1);
    }
    return nobody;
  }

  #fits(op: Op, revision: number): boolean {
    if (op.step.kind === "range" && op.step.revision === 0) return true;
    this.#steps++;
    const mark = this.#store.mark();
    const fits = this.#store.run(op.step, op.answer) && this.#store.revision === revision;
    this.#store.undo(mark);
    return fits || (this.#grants.length > 0 && op.step.kind === "revoke");
  }

  /** Everything that can be the write of that revision, the most promising first. Complete but for the impossible. */
  #candidates(revision: number): Candidate[] {
    const facts = (this.#evidence.facts.get(revision) ?? []).filter((fact) => fact.firm || !this.#firmOnly);
    const scopes = this.#firmOnly ? [] : (this.#evidence.scopes.get(revision) ?? []);
    const shown = facts.find((fact) => fact.kv !== undefined)?.kv;
    this.#ruledOut = undefined;
    // A single author needs no weighing; the replay judges him. Where many may be, it keeps their number down.
    const many = shown === undefined && facts.length === 0 && this.#unknown.all.length > manyUnknown;
    const found = this.#collect(revision, { facts, scopes }, shown, many);
    if (found.length < 2) return found;
    const weighed = many ? found : this.#collect(revision, { facts, scopes }, shown, true);
    return weighed.sort(candidateOrder);
  }

  #collect(revision: number, hints: Hints, shown: HistoryKeyValue | undefined, weigh: boolean): Candidate[] {
    const found: Candidate[] = [];
    const deadline = this.#evidence.deadline[revision] as number;
    for (const op of this.#evidence.revokes) {
      if (op.revision === revision && this.#used[op.index] === 0) this.#try(op, revision, hints, found, weigh);
    }
    const pool = this.#unknown.thatMayHaveDone(hints.facts, shown);
    for (let position = 0; position < pool.length; position++) {
      const op = pool[position] as Op;
      if (op.call > deadline) break;
      if (this.#used[op.index] === 1) continue;
      const reserved = this.#reserved[op.index] as number;
      if (reserved > 0 && reserved !== revision) continue;
      if (weigh && op.step.kind === "put" && revision <= (this.#asleepUpTo[op.step.low] as number)) continue;
      this.#try(op, revision, hints, found, weigh);
    }
    if (shown === undefined) {
      for (const lease of this.#store.leasesWithKeys()) this.#tryExpiry(lease, revision, hints, found, weigh);
    }
    return found;
  }

  /** A plain put whose key is known to stay as it is; then so is any other of that key for a while. */
  #isRuledOut(step: Step, revision: number): boolean {
    const before = this.#store.record(step.low);
    const after = {
      key: "",
      value: step.value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
      lease: step.lease,
    };
    if (this.#knowledge.outlook(step.low, revision, after) !== undefined) return false;
    this.#asleepUpTo[step.low] = this.#knowledge.ruledOutUpTo;
    return true;
  }

  #try(op: Op, revision: number, hints: Hints, found: Candidate[], weigh: boolean): void {
    // Cheap refusal for the common case: a single key that is known to stay as it is.
    if (weigh && op.step.kind === "put" && this.#isRuledOut(op.step, revision)) {
      this.#ruledOut = { op, by: this.#knowledge.witness };
      return;
    }
    this.#steps++;
    const mark = this.#store.mark();
    const length = this.#entries.length;
    const latest = this.#latest;
    this.#grantWhatItNeeds(op.step);
    if (this.#store.run(op.step, op.answer) && this.#store.revision === revision && this.#agrees(hints)) {
      const outlook = weigh ? this.#outlookOfChange(revision) : unweighed;
      if (outlook !== undefined) found.push({ type: "op", op, priority: outlook.priority, due: outlook.due });
      else this.#ruledOut = { op, by: this.#knowledge.witness };
    }
    while (this.#entries.length > length) this.#used[this.#entries.pop() as number] = 0;
    this.#latest = latest;
    this.#store.undo(mark);
  }

  #tryExpiry(lease: string, revision: number, hints: Hints, found: Candidate[], weigh: boolean): void {
    if (revision < (this.#aliveUpTo.get(lease) ?? 0)) return;
    this.#steps++;
    const mark = this.#store.mark();
    if (this.#store.expire(lease) && this.#agrees(hints)) {
      const outlook = weigh ? this.#outlookOfChange(revision) : unweighed;
      if (outlook !== undefined) found.push({ type: "expiry", lease, priority: outlook.priority, due: outlook.due });
    }
    this.#store.undo(mark);
  }

  #agrees({ facts, scopes }: Hints): boolean {
    return scopes.every((scope) => this.#fitsScope(scope)) && this.#fitsFacts(facts);
  }

  #fitsScope(scope: Scope): boolean {
    let matching = 0;
    for (const key of this.#store.changed) {
      if (key < scope.low || key >= scope.high) continue;
      if (this.#store.record(key) === undefined ? scope.noDelete : scope.noPut) continue;
      if (!scope.keys.includes(key)) return false;
      matching++;
    }
    return matching === scope.keys.length;
  }

  #fitsFacts(facts: readonly Fact[]): boolean {
    return facts.every((fact) => {
      if (fact.key < 0 || !this.#store.changed.includes(fact.key)) return false;
      const record = this.#store.record(fact.key);
      return record === undefined || fact.kv === undefined
        ? record === fact.kv
        : this.#firmOnly || fact.firm
          ? sameKv(record, fact.kv)
          : record.value === fact.kv.value;
    });
  }

  #outlookOfChange(revision: number): Outlook | undefined {
    let priority = 0;
    let due = openEnd;
    for (const key of this.#store.changed) {
      const outlook = this.#knowledge.outlook(key, revision, this.#store.record(key));
      if (outlook === undefined) return undefined;
      priority = Math.max(priority, outlook.priority);
      due = Math.min(due, outlook.due);
    }
    return { priority, due };
  }

  get #knowledge(): KeyKnowledge {
    this.#knownKeys ??= new KeyKnowledge(this.#history);
    return this.#knownKeys;
  }
}

const gapRank = { range: 0, txn: 0, put: 0, delete: 0, other: 0, grant: 1, revoke: 2, compact: 3 } as const;
function gapOrder(a: Op, b: Op): number {
  const rank = gapRank[a.step.kind] - gapRank[b.step.kind];
  if (rank !== 0) return rank;
  return a.step.kind === "compact" ? a.step.revision - b.step.revision : a.index - b.index;
}

/** In a gap without such operations compactions and leases stay as they are, and any order will do. */
function needsKeysOnly(op: Op): boolean {
  return op.step.kind !== "compact" && op.step.kind !== "grant" && op.step.kind !== "revoke";
}

/** Answered operations that did not write, by revision, in order of calls; revokes are in both worlds. */
function gapsOf(history: CompactHistory, evidence: Evidence): (Op[] | undefined)[] {
  const gaps: (Op[] | undefined)[] = new Array(evidence.maxRevision + 1).fill(undefined);
  for (const op of history.ops) {
    if (op.role !== "ordered" || op.outcome !== "ok" || evidence.author[op.revision] === op.index) continue;
    addAt(gaps, op.revision, op);
  }
  return gaps;
}

/** Serializable reads, by the revision whose state they show. */
function readsOf(history: CompactHistory, evidence: Evidence): (Op[] | undefined)[] {
  const reads: (Op[] | undefined)[] = new Array(evidence.maxRevision + 1).fill(undefined);
  for (const read of staleReadsOf(history)) {
    const revision = stateOf(read);
    if (revision <= evidence.maxRevision) addAt(reads, revision, read);
  }
  return reads;
}

function addAt(lists: (Op[] | undefined)[], revision: number, op: Op): void {
  const known = lists[revision];
  if (known === undefined) lists[revision] = [op];
  else known.push(op);
}

/** Answered puts and revokes show that their lease had not ended, unless it was granted anew in between. */
function livesOf(history: CompactHistory): Map<string, number> {
  const lives = new Map<string, number>();
  const grants = new Map<string, number>();
  const note = ({ kind, lease, txn }: Step, op: Op): void => {
    if (txn !== undefined && op.answer?.op === "txn") {
      for (const inner of op.answer.succeeded ? txn.success : txn.failure) note(inner, op);
    } else if ((kind === "put" || kind === "revoke") && lease !== "0" && op.revision > (lives.get(lease) ?? 0)) {
      lives.set(lease, op.revision);
    }
  };
  for (const op of history.ops) {
    const { kind, lease } = op.step;
    if (kind === "grant" && op.outcome !== "failed") grants.set(lease, (grants.get(lease) ?? 0) + 1);
    if (op.role === "ordered" && op.outcome === "ok") note(op.step, op);
  }
  for (const [lease, count] of grants) if (count > 1) lives.delete(lease);
  return lives;
}
