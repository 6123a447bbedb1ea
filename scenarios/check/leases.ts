/*
 * Leases against the log of revisions and the clock of the recorder: nothing ends before its time to live, nothing
 * lives on past it by more than leader changes allow, no renewal of a lease that was seen to have ended.
 * Needs a verified order: without one only renewals after a revoke are judged.
 */
import type { HistoryEvent, OperationAnswer } from "../history.ts";
import { type LeaseEvent, leaseWindow } from "../model/lease.ts";
import { type CheckContext, resultOf } from "./context.ts";
import { firstIndex } from "./first-index.ts";
import { answerWrote, compareText, mayWrite, never, type Op, type Step } from "./operations.ts";
import type { RevisionLog } from "./revision-log.ts";
import type { CheckResult, Violation } from "./verdict.ts";

interface LeaseStory {
  readonly lease: string;
  readonly grants: Op[];
  /** Answered with a time to live. */
  readonly renewals: Op[];
  /** Outcome open: it may have renewed the lease. */
  readonly openRenewals: Op[];
  readonly revokes: Op[];
  /** The server said: no such lease. */
  readonly denials: Op[];
  /** Answered with the time that is left. */
  readonly questions: Op[];
}

export function checkLeases(context: CheckContext): CheckResult {
  const { history, log } = context;
  const stories = collectStories(history.ops);
  if (stories.length === 0) return resultOf("leases", [], 0, "no leases were used");
  const violations: Violation[] = [];
  const judge = new LeaseJudge(context, stories.length === 1);
  for (const story of stories) {
    for (const violation of judge.judge(story)) violations.push(violation);
  }
  const result = resultOf(
    "leases",
    violations,
    stories.length,
    `${stories.length} leases ended neither early nor late`,
  );
  if (log.exact || result.verdict === "violated") return result;
  return { ...result, verdict: "unknown", detail: "no verified order of writes to hold the leases against" };
}

function collectStories(ops: readonly Op[]): LeaseStory[] {
  const stories = new Map<string, LeaseStory>();
  const story = (lease: string): LeaseStory => {
    let found = stories.get(lease);
    if (found === undefined) {
      found = { lease, grants: [], renewals: [], openRenewals: [], revokes: [], denials: [], questions: [] };
      stories.set(lease, found);
    }
    return found;
  };
  for (const op of ops) {
    const { source } = op.step;
    if (op.outcome === "failed") continue;
    const answer = op.answer;
    if (source.op === "leaseGrant") {
      const lease = answer?.op === "leaseGrant" ? answer.lease : source.lease;
      if (lease !== "0") story(lease).grants.push(op);
    } else if (source.op === "leaseRevoke") story(source.lease).revokes.push(op);
    else if (source.op === "leaseKeepAlive") {
      if (answer?.op !== "leaseKeepAlive") story(source.lease).openRenewals.push(op);
      else if (answer.ttlSeconds > 0) story(source.lease).renewals.push(op);
      else story(source.lease).denials.push(op);
    } else if (answer?.op === "leaseTimeToLive" && answer.ttlSeconds >= 0) {
      if (source.op === "leaseTimeToLive") story(source.lease).questions.push(op);
    }
  }
  return [...stories.values()].sort((a, b) => compareText(a.lease, b.lease));
}

class LeaseJudge {
  readonly #context: CheckContext;
  /** The history knows of one lease only. */
  readonly #isAlone: boolean;
  /** Unanswered: any of them may be the write of a revision that nobody claims. */
  readonly #openWrites: readonly Op[];
  /** Revisions whose write nobody answered for, and nobody saw. */
  readonly #unseen: readonly number[];
  /** Leader changes, faults, starts and stops. */
  readonly #restarts: readonly Restart[];
  /** From here on clocks may have jumped; early ends prove nothing. */
  readonly #clockFaultMs: number;
  /** Per revision: latest call of an answered ordered operation there. */
  readonly #latestCall: readonly (Op | undefined)[];
  readonly #latestCallUpTo: readonly (Op | undefined)[];
  /** Per lease: revisions that attach or detach one of its keys. */
  readonly #touched: ReadonlyMap<string, readonly number[]>;
  /** Per lease: what answers show to have been attached to it. */
  readonly #shown: ReadonlyMap<string, readonly Shown[]>;

  constructor(context: CheckContext, isAlone: boolean) {
    this.#context = context;
    this.#isAlone = isAlone;
    this.#openWrites = context.history.ops.filter(
      (op) => op.role === "ordered" && op.outcome === "unknown" && mayWrite(op.step),
    );
    const { entries } = context.log;
    const facts = context.decision.evidence?.facts;
    this.#unseen = [...entries.keys()].filter(
      (revision) =>
        entries[revision] !== undefined && entries[revision]?.op?.outcome !== "ok" && facts?.has(revision) !== true,
    );
    this.#restarts = restartsOf(context.events);
    this.#clockFaultMs = clockFaultOf(context);
    const latest: (Op | undefined)[] = [];
    for (const op of context.history.ops) {
      if (op.role !== "ordered" || op.outcome !== "ok" || op.revision > context.log.maxRevision) continue;
      const other = latest[op.revision];
      if (other === undefined || op.callMs > other.callMs) latest[op.revision] = op;
    }
    this.#latestCall = latest;
    const upTo: (Op | undefined)[] = [];
    for (let revision = 0; revision <= context.log.maxRevision; revision++) {
      const [before, here] = [upTo[revision - 1], latest[revision]];
      upTo[revision] =
        before !== undefined && here !== undefined && here.callMs < before.callMs ? before : (here ?? before);
    }
    this.#latestCallUpTo = upTo;
    this.#touched = touchedBy(context.log);
    this.#shown = shownBy(context.history.ops);
  }

  *judge(story: LeaseStory): Generator<Violation> {
    const { entries, exact } = this.#context.log;
    for (const revoke of story.revokes) {
      if (revoke.outcome === "ok") yield* this.#renewedAfter(story, revoke.ret, `was revoked by call ${revoke.id}`);
    }
    yield* this.#timeLeft(story);
    if (!exact) return;
    const attached = new Set<string>();
    let since = 0;
    for (const revision of this.#touched.get(story.lease) ?? []) {
      const entry = entries[revision];
      if (entry === undefined) continue;
      const had = attached.size;
      for (const change of entry.changes) {
        if (change.before?.lease === story.lease) attached.delete(change.key);
        if (change.kv?.lease === story.lease) attached.add(change.key);
      }
      if (had === 0 && attached.size > 0) since = revision;
      if (had > 0 && attached.size === 0) yield* this.#late(story, since, revision);
      if (entry.endedLease === story.lease && entry.op === undefined && this.#isCertain(revision)) {
        yield* this.#early(story, revision);
        const seen = this.#context.decision.evidence?.deadline[revision] ?? never;
        yield* this.#renewedAfter(story, seen, `ended at revision ${revision}`);
      }
    }
    if (attached.size > 0) yield* this.#late(story, since, this.#context.log.maxRevision + 1);
    yield* this.#denied(story);
  }

  /**
   * Somebody saw what that revision changed, or no other lease could have made it; and no unanswered write either. An end
   * that was only placed there, to have one legal order, may as well have been something else.
   */
  #isCertain(revision: number): boolean {
    const { decision, history, log } = this.#context;
    const isSeen = decision.evidence?.facts.has(revision) === true;
    if (!isSeen && !this.#isAlone) return false;
    const deadline = decision.evidence?.deadline[revision] ?? never;
    const keys = log.entries[revision]?.changes.map(({ key }) => history.keyNumbers.get(key) ?? -1) ?? [];
    return !this.#openWrites.some(
      (op) => op.call <= deadline && (!isSeen || keys.some((key) => deletes(op.step, key))),
    );
  }

  /**
   * The last revision before `end` at which keys of the lease were there whatever the order is: something shows one, and
   * nothing behind it took that away, nor can have been the end of the lease. undefined: nothing shows any.
   */
  #certainUpTo(lease: string, since: number, end: number): number | undefined {
    const { entries } = this.#context.log;
    const shown = within(this.#shown.get(lease) ?? [], ({ at }) => at, since, end);
    const touched = within(this.#touched.get(lease) ?? [], (at) => at, since, end);
    const moments = [...new Set([...touched, ...shown.map(({ at }) => at)])].sort((a, b) => a - b);
    const keys = new Set<string>();
    let last: number | undefined;
    let next = 0;
    moments.forEach((moment, position) => {
      for (const change of entries[moment]?.changes ?? []) keys.delete(change.key);
      if (this.#mayEnd(moment, keys)) keys.clear();
      for (const { kv } of this.#context.decision.evidence?.facts.get(moment) ?? [])
        if (kv?.lease === lease) keys.add(kv.key);
      for (; shown[next]?.at === moment; next++) keys.add((shown[next] as Shown).key);
      if (keys.size === 0) return;
      const unseen = this.#unseen[firstIndex(this.#unseen, (revision) => revision > moment)] ?? end;
      const until = moments[position + 1] ?? end;
      last = Math.min(until, unseen) - 1;
      if (unseen < until) keys.clear();
    });
    return last;
  }

  /** Whether that revision can be the end of a lease that has these keys, which are still there in the order found. */
  #mayEnd(revision: number, keys: ReadonlySet<string>): boolean {
    const { decision, history, log } = this.#context;
    const entry = log.entries[revision];
    if (entry === undefined || entry.op?.outcome === "ok") return false;
    if (decision.evidence?.facts.get(revision)?.some((fact) => fact.kv !== undefined) === true) return false;
    // Nor where a watch would have shown the other keys to go, too.
    const scopes = decision.evidence?.scopes.get(revision) ?? [];
    return ![...keys].some((key) => {
      const number = history.keyNumbers.get(key) ?? -1;
      return scopes.some(({ low, high, noDelete }) => !noDelete && low <= number && number < high);
    });
  }

  /** The end was seen before the time to live since the last proof of life was over. */
  *#early(story: LeaseStory, revision: number): Generator<Violation> {
    const seen = this.#context.decision.evidence?.deadline[revision] ?? never;
    const event = this.#context.events[seen];
    if (event === undefined || event.type === "meta") return;
    if (event.atMs >= this.#clockFaultMs) return;
    for (const life of [...story.grants, ...story.renewals]) {
      if (life.outcome !== "ok" || life.call >= seen) continue;
      const early = life.callMs + ttlMsOf(life) - this.#context.options.leaseEarlySlackMs - event.atMs;
      if (early <= 0) continue;
      yield {
        rule: "lease-early",
        text: `lease ${story.lease} ended at revision ${revision}, seen at ${event.atMs} ms; expected not before ${event.atMs + early} ms, ${ttlMsOf(life)} ms after call ${life.id}`,
        calls: [life.id],
        watches: [],
      };
      return;
    }
  }

  /** Some operation saw keys of the lease alive after everything that could have kept it. */
  *#late(story: LeaseStory, since: number, end: number): Generator<Violation> {
    const last = this.#certainUpTo(story.lease, since, end);
    if (last === undefined) return;
    let witness = this.#latestCallUpTo[last];
    if (witness !== undefined && witness.revision < since) witness = undefined;
    for (let revision = since; witness === undefined && revision <= last; revision++) {
      const op = this.#latestCall[revision];
      if (op !== undefined) witness = op;
    }
    if (witness === undefined) return;
    const bound = this.#latestEnd(story, witness.callMs);
    if (bound === undefined || witness.callMs <= bound.latestEndMs + this.#context.options.leaseLateSlackMs) return;
    yield {
      rule: "lease-late",
      text: `lease ${story.lease} should have ended by ${bound.latestEndMs} ms, yet its keys were there for call ${witness.id} at ${witness.callMs} ms`,
      calls: [...bound.renewals.slice(-1), witness].map((op) => op.id),
      watches: [],
    };
  }

  /** When the lease has to have ended, as known from what was called by then; undefined: nothing is known. */
  #latestEnd(
    story: LeaseStory,
    byMs: number,
  ): { readonly latestEndMs: number; readonly renewals: readonly Op[] } | undefined {
    if (story.openRenewals.some((op) => op.callMs <= byMs)) return undefined;
    if (story.grants.some((op) => op.outcome !== "ok")) return undefined;
    const renewals = [...story.grants, ...story.renewals].filter((op) => op.callMs <= byMs);
    const happened: LeaseEvent[] = renewals.map((op) => ({
      type: "renewed",
      calledMs: op.callMs,
      answeredMs: op.retMs,
      ttlMs: ttlMsOf(op),
    }));
    for (const restart of this.#restarts) if (restart.atMs <= byMs) happened.push({ type: "restarted", ...restart });
    const { electionTimeoutMs, leaseCheckpointMs: checkpointMs } = this.#context.options;
    const window = leaseWindow(happened, { electionTimeoutMs, checkpointMs });
    return window === undefined ? undefined : { latestEndMs: window.latestEndMs, renewals };
  }

  /** What the server says is left must be what the last proof of life promised at least, and what is owed at most. */
  *#timeLeft(story: LeaseStory): Generator<Violation> {
    const { leaseEarlySlackMs, leaseLateSlackMs } = this.#context.options;
    for (const question of story.questions) {
      const { answer } = question;
      if (answer?.op !== "leaseTimeToLive" || question.retMs >= this.#clockFaultMs) continue;
      // Whole seconds are told, rounded down.
      const toldMs = (answer.ttlSeconds + 1) * 1_000;
      for (const life of [...story.grants, ...story.renewals]) {
        if (life.outcome !== "ok" || life.ret > question.call) continue;
        const promisedMs = life.callMs + ttlMsOf(life) - leaseEarlySlackMs;
        if (question.retMs + toldMs > promisedMs) continue;
        yield {
          rule: "lease-time-left",
          text: `call ${question.id} at ${question.retMs} ms was told that lease ${story.lease} has ${answer.ttlSeconds} s left; call ${life.id} promised life until ${promisedMs} ms`,
          calls: [life.id, question.id],
          watches: [],
        };
        return;
      }
      const bound = this.#latestEnd(story, question.retMs);
      if (bound === undefined) continue;
      const endMs = question.callMs + answer.ttlSeconds * 1_000;
      if (endMs <= bound.latestEndMs + leaseLateSlackMs) continue;
      yield {
        rule: "lease-time-left",
        text: `call ${question.id} at ${question.callMs} ms was told that lease ${story.lease} has ${answer.ttlSeconds} s left; it has to end by ${bound.latestEndMs} ms`,
        calls: [...bound.renewals.slice(-1), question].map((op) => op.id),
        watches: [],
      };
      return;
    }
  }

  *#renewedAfter(story: LeaseStory, endedAt: number, what: string): Generator<Violation> {
    for (const renewal of story.renewals) {
      if (renewal.call <= endedAt) continue;
      const again = story.grants.some((grant) => grant.ret > endedAt && grant.call < renewal.ret);
      if (again) continue;
      yield {
        rule: "lease-renewed-after-end",
        text: `lease ${story.lease} ${what}, yet call ${renewal.id} renewed it afterwards`,
        calls: [renewal.id],
        watches: [],
      };
      return;
    }
  }

  /** "No such lease" while it must be alive: nobody revoked it, its time was not over, and no leader was new. */
  *#denied(story: LeaseStory): Generator<Violation> {
    for (const denial of story.denials) {
      if (denial.retMs >= this.#clockFaultMs) return;
      if (story.revokes.some((revoke) => revoke.call < denial.ret)) return;
      for (const life of [...story.grants, ...story.renewals]) {
        if (life.outcome !== "ok" || life.ret > denial.call) continue;
        const endMs = life.callMs + ttlMsOf(life) - this.#context.options.leaseEarlySlackMs;
        if (denial.retMs >= endMs) continue;
        if (this.#restarts.some(({ atMs }) => atMs >= life.callMs && atMs <= denial.retMs)) continue;
        yield {
          rule: "lease-early",
          text: `call ${denial.id} at ${denial.retMs} ms was told that lease ${story.lease} is gone; expected it to live until ${endMs} ms after call ${life.id}`,
          calls: [life.id, denial.id],
          watches: [],
        };
        return;
      }
    }
  }
}

function touchedBy(log: RevisionLog): Map<string, number[]> {
  const touched = new Map<string, number[]>();
  const note = (lease: string | undefined, revision: number): void => {
    if (lease === undefined || lease === "0") return;
    const list = touched.get(lease);
    if (list === undefined) touched.set(lease, [revision]);
    else if (list.at(-1) !== revision) list.push(revision);
  };
  for (const entry of log.entries) {
    for (const change of entry?.changes ?? []) {
      note(change.before?.lease, entry?.revision ?? 0);
      note(change.kv?.lease, entry?.revision ?? 0);
    }
  }
  return touched;
}

/** Right after the revision `at` the key was there. */
interface Shown {
  readonly at: number;
  readonly key: string;
}

function shownBy(ops: readonly Op[]): Map<string, Shown[]> {
  const shown = new Map<string, Shown[]>();
  const add = (lease: string, key: string, at: number): void => {
    if (lease === "0" || lease === "") return;
    const known = shown.get(lease);
    if (known === undefined) shown.set(lease, [{ at, key }]);
    else known.push({ at, key });
  };
  const note = (step: Step, answer: OperationAnswer | undefined, revision: number, before: number): void => {
    if (answer?.op === "txn") {
      const branch = answer.succeeded ? step.txn?.success : step.txn?.failure;
      branch?.forEach((inner, position) => {
        note(inner, answer.responses[position], revision, before);
      });
    } else if (answer?.op === "range") {
      // What a read of the past showed was there then.
      for (const { lease, key } of answer.kvs) add(lease, key, step.revision > 0 ? step.revision : before);
    } else if (answer?.op === "put") {
      if (answer.prevKv !== undefined) add(answer.prevKv.lease, answer.prevKv.key, before);
      // A lease that has ended takes no keys.
      if (step.source.op === "put") add(step.lease, step.source.key, revision);
    } else if (answer?.op === "deleteRange") {
      for (const { lease, key } of answer.prevKvs ?? []) add(lease, key, before);
    }
  };
  for (const { role, outcome, step, answer, revision } of ops) {
    if (role !== "ordered" || outcome !== "ok" || answer === undefined) continue;
    note(step, answer, revision, answerWrote(answer) === true ? revision - 1 : revision);
  }
  for (const found of shown.values()) found.sort((a, b) => a.at - b.at);
  return shown;
}

/** Of those in order of revisions the ones in [from, end). */
function within<Item>(sorted: readonly Item[], at: (item: Item) => number, from: number, end: number): readonly Item[] {
  return sorted.slice(
    firstIndex(sorted, (item) => at(item) >= from),
    firstIndex(sorted, (item) => at(item) >= end),
  );
}

function deletes(step: Step, key: number): boolean {
  if (step.kind === "delete") return step.low <= key && key < step.high;
  return [...(step.txn?.success ?? []), ...(step.txn?.failure ?? [])].some((inner) => deletes(inner, key));
}

function ttlMsOf(op: Op): number {
  const answer = op.answer;
  if (answer?.op === "leaseGrant" || answer?.op === "leaseKeepAlive") return answer.ttlSeconds * 1_000;
  return 0;
}

interface Restart {
  readonly atMs: number;
  readonly outageMs?: number;
}

/**
 * Of a new leader: nobody may have led since the first thing that went wrong after the leader before it began. A member
 * that starts again stops no leader.
 */
function restartsOf(events: readonly HistoryEvent[]): Restart[] {
  const restarts: Restart[] = [];
  let disturbedMs: number | undefined = 0;
  for (const event of events) {
    if (event.type === "role" && event.role === "leader") {
      restarts.push({ atMs: event.atMs, outageMs: disturbedMs === undefined ? 0 : event.atMs - disturbedMs });
      disturbedMs = undefined;
    } else if (event.type === "fault" || event.type === "life") {
      restarts.push({ atMs: event.atMs });
      const isStart = event.type === "fault" ? event.fault === "restart" : event.event === "started";
      if (!isStart) disturbedMs ??= event.atMs;
    }
  }
  return restarts;
}

/** Jumps are never judged; drift is, when the caller gave a slack for it. */
function clockFaultOf(context: CheckContext): number {
  for (const event of context.events) {
    if (event.type !== "fault" || event.result !== "done") continue;
    if (event.fault === "clockJump") return event.atMs;
    if (event.fault === "clockDrift" && context.options.leaseEarlySlackMs === 0) return event.atMs;
  }
  return Number.POSITIVE_INFINITY;
}
