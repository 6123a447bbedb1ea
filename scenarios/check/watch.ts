/*
 * Watches against the log of revisions. Promised: ordered, unique, atomic (a revision is never split), reliable (no
 * gap between what came), resumable from a start revision, bookmarkable (a progress revision covers all before it),
 * filtered as asked, previous values right, nothing outside the asked range or before the asked start.
 * Source: etcd v3 API, Watch; etcd's API guarantees page.
 */
import type { HistoryEvent, HistoryKeyValue, HistoryWatchEvent } from "../history.ts";
import { type CheckContext, resultOf, violationsMax } from "./context.ts";
import { never, type Watch } from "./operations.ts";
import { kvText, sameKv } from "./replay-store.ts";
import { isInside, type LogChange, type LogEntry, type RevisionLog } from "./revision-log.ts";
import type { CheckResult, Violation } from "./verdict.ts";

export function checkWatches(context: CheckContext): CheckResult {
  const { history, log } = context;
  const violations: Violation[] = [];
  let events = 0;
  for (const watch of history.watches) {
    const reader = new WatchReader(context, watch, log);
    reader.read();
    events += reader.events;
    violations.push(...reader.violations);
    if (violations.length > violationsMax) break;
  }
  const against = log.exact ? "the whole log" : "what answered writes say (no verified order)";
  return resultOf(
    "watch",
    violations,
    events,
    `${events} events of ${history.watches.length} watches match ${against}`,
  );
}

class WatchReader {
  readonly violations: Violation[] = [];
  events = 0;
  readonly #context: CheckContext;
  readonly #watch: Watch;
  readonly #log: RevisionLog;
  /** First revision it must bring; undefined until known. */
  #start: number | undefined;
  /** Everything below was held against the log. */
  #checked = 0;
  /** Revision of the last event. */
  #last = 0;
  /** Covered by a progress notice. */
  #promised = 0;
  #canceled = false;
  readonly #delivered = new Set<number>();

  constructor(context: CheckContext, watch: Watch, log: RevisionLog) {
    this.#context = context;
    this.#watch = watch;
    this.#log = log;
    const start = watch.open.startRevision ?? 0;
    if (start > 0) this.#begin(start);
  }

  read(): void {
    for (const { at, reply } of this.#watch.replies) {
      if (this.violations.length > 0 && this.violations.length >= violationsMax) return;
      if (at > this.#watch.endAt) this.#wrong("watch-after-end", `got a reply at position ${at} after its end`);
      if (this.#canceled) {
        this.#wrong("watch-after-cancel", `got a reply of revision ${reply.revision} after it was canceled`);
        return;
      }
      if (reply.created && this.#start === undefined) this.#begin(reply.revision + 1);
      if (reply.events.length > 0) this.#readEvents(reply.events, reply.revision, at);
      if (reply.progress) this.#readProgress(reply.revision);
      if (reply.canceled) {
        this.#canceled = true;
        if (reply.compactRevision > 0) this.#readCompaction(reply.compactRevision, at);
      }
    }
    const { endAt, closedMs } = this.#watch;
    if (!this.#canceled && (endAt === never || closedMs !== undefined)) this.#checkTail();
  }

  #begin(start: number): void {
    this.#start = start;
    this.#checked = start;
  }

  #readEvents(events: readonly HistoryWatchEvent[], header: number, at: number): void {
    const start = this.#start ?? 0;
    if (this.#start === undefined) this.#wrong("watch-before-created", "got events before it was created");
    for (let position = 0; position < events.length; ) {
      const revision = (events[position] as HistoryWatchEvent).kv.modRevision;
      let end = position;
      while (end < events.length && events[end]?.kv.modRevision === revision) end++;
      const group = events.slice(position, end);
      this.events += group.length;
      position = end;
      if (revision < start) {
        this.#wrong("watch-before-start", `asked from revision ${start} on and got revision ${revision}`);
      } else if (revision === this.#last) {
        const again = this.#delivered.has(revision) && this.#isRepeat(group, revision);
        if (again) this.#wrong("watch-repeat", `got revision ${revision} twice`);
        else this.#wrong("watch-split", `got revision ${revision} in two parts`);
      } else if (revision < this.#last) {
        const rule = this.#delivered.has(revision) ? "watch-repeat" : "watch-order";
        this.#wrong(rule, `got revision ${revision} after revision ${this.#last}`);
      } else if (revision <= this.#promised) {
        this.#wrong("watch-after-progress", `got revision ${revision} after a notice that covered ${this.#promised}`);
      } else if (revision > header) {
        this.#wrong("watch-header", `got revision ${revision} under a header of ${header}`);
      } else {
        this.#checkGap(revision - 1, `revision ${revision} came`);
        this.#checkGroup(group, revision, at);
        this.#checked = revision + 1;
      }
      this.#delivered.add(revision);
      this.#last = Math.max(this.#last, revision);
    }
  }

  /** The whole revision was there already, so this is the same again and not its other half. */
  #isRepeat(group: readonly HistoryWatchEvent[], revision: number): boolean {
    const entry = this.#log.entries[revision];
    return entry === undefined || this.#wanted(entry).length <= group.length;
  }

  #readProgress(revision: number): void {
    if (revision < this.#last) {
      this.#wrong("watch-progress-back", `got a notice of revision ${revision} after revision ${this.#last}`);
    }
    this.#promised = Math.max(this.#promised, revision);
    this.#checkGap(revision, `a notice covered revision ${revision}`);
    this.#checked = Math.max(this.#checked, revision + 1);
  }

  #readCompaction(compacted: number, at: number): void {
    const asked = this.#context.compactions.some((asking) => asking.revision === compacted && asking.at < at);
    if (!asked) this.#wrong("watch-compaction", `was canceled for a compaction to ${compacted} that nobody asked for`);
    const next = Math.max(this.#start ?? 0, this.#last + 1);
    if (next >= compacted) {
      this.#wrong("watch-compaction", `was canceled for compaction to ${compacted} though it needs ${next} next`);
    }
  }

  /** Nothing that matches may lie between what was checked and `upTo`. */
  #checkGap(upTo: number, because: string): void {
    if (this.#start === undefined) return;
    const { entries } = this.#log;
    for (let revision = this.#checked; revision <= upTo && revision < entries.length; revision++) {
      const entry = entries[revision];
      if (entry === undefined || this.#delivered.has(revision)) continue;
      const missing = this.#firstWanted(entry);
      if (missing === undefined) continue;
      this.#wrong("watch-gap", `missed revision ${revision} (${changeText(missing)}), yet ${because}`, entry);
      return;
    }
  }

  #checkGroup(group: readonly HistoryWatchEvent[], revision: number, at: number): void {
    const entry = this.#log.entries[revision];
    for (const event of group) {
      if (!isInside(event.kv.key, this.#watch.open)) {
        this.#wrong("watch-range", `got key ${JSON.stringify(event.kv.key)} outside its range`, entry);
      }
      const { noPut, noDelete } = this.#watch.open;
      if ((noPut && event.type === "put") || (noDelete && event.type === "delete")) {
        this.#wrong("watch-filter", `got a ${event.type} of revision ${revision} that it had filtered out`, entry);
      }
      const { kv } = event;
      if (event.type === "delete" && (kv.value !== "" || kv.version > 0 || kv.createRevision > 0)) {
        this.#wrong("watch-content", `got a delete that carries ${kvText(kv)}; expected only key and revision`, entry);
      }
    }
    if (entry === undefined) {
      if (this.#log.exact) this.#wrong("watch-ghost", `got revision ${revision}, at which nothing happened`);
      return;
    }
    if (entry.op !== undefined && entry.op.call > at) {
      this.#wrong("watch-future", `got revision ${revision} before its write was called`, entry);
    }
    const wanted = this.#wanted(entry);
    for (let position = 0; position < Math.max(wanted.length, group.length); position++) {
      const change = wanted[position];
      const event = group[position];
      if (change === undefined) {
        if (!entry.complete) return;
        this.#wrong("watch-repeat", `got an event too many at revision ${revision}`, entry);
        return;
      }
      if (event === undefined) {
        this.#wrong("watch-incomplete", `missed ${changeText(change)} of revision ${revision}`, entry);
        return;
      }
      if (!entry.complete) continue;
      this.#compare(change, event, revision, at, entry);
    }
  }

  #compare(change: LogChange, event: HistoryWatchEvent, revision: number, at: number, entry: LogEntry): void {
    const same =
      change.kv === undefined
        ? event.type === "delete" && event.kv.key === change.key
        : event.type === "put" && sameKv(event.kv, change.kv);
    if (!same) {
      const actual = event.type === "put" ? kvText(event.kv) : `delete ${JSON.stringify(event.kv.key)}`;
      this.#wrong("watch-content", `got ${actual} at revision ${revision}; expected ${changeText(change)}`, entry);
      return;
    }
    if (!this.#log.exact) return;
    if (!this.#watch.open.prevKv) {
      if (event.prevKv !== undefined) this.#wrong("watch-previous", "got a previous value it had not asked for", entry);
      return;
    }
    this.#comparePrevious(change.before, event.prevKv, { revision, at, entry });
  }

  /** A previous value may be missing once the revision before is compacted. */
  #comparePrevious(
    before: HistoryKeyValue | undefined,
    shown: HistoryKeyValue | undefined,
    where: { readonly revision: number; readonly at: number; readonly entry: LogEntry },
  ): void {
    if (before === undefined ? shown === undefined : shown !== undefined && sameKv(before, shown)) return;
    if (shown === undefined && this.#compactedBy(where.revision, where.at)) return;
    this.#wrong(
      "watch-previous",
      `got previous ${kvText(shown)} at revision ${where.revision}; expected ${kvText(before)}`,
      where.entry,
    );
  }

  #compactedBy(revision: number, at: number): boolean {
    return this.#context.compactions.some((asking) => asking.revision >= revision && asking.at < at);
  }

  /**
   * A watch that stayed open while all was healed must have caught up, and an asked member must have said how far it is:
   * at once, or when the watch had caught up. etcd lets such a question fall, so only ours is held to that.
   */
  #checkTail(): void {
    const { events, options, history } = this.#context;
    const { open, closedMs, asked, replies } = this.#watch;
    const last = events.at(-1);
    const quietMs = quietSince(events);
    if (quietMs === undefined || last === undefined || last.type === "meta" || this.#start === undefined) return;
    const endMs = closedMs ?? last.atMs;
    const dueMs = endMs - options.watchDelayMs;
    if (dueMs < quietMs || dueMs < open.atMs) return;
    const question = asked.findLast(({ atMs }) => atMs <= dueMs);
    const isOurs = history.meta?.target === "faultline";
    if (isOurs && question !== undefined && !replies.some(({ at, reply }) => reply.progress && at > question.at)) {
      const waitedMs = endMs - question.atMs;
      this.#wrong("watch-unanswered", `was asked for progress and told nothing in ${waitedMs} ms`);
    }
    const { entries } = this.#log;
    for (let revision = this.#checked; revision < entries.length; revision++) {
      const entry = entries[revision];
      if (entry?.op === undefined || entry.op.outcome !== "ok" || entry.op.retMs > dueMs) continue;
      const missing = this.#firstWanted(entry);
      if (missing === undefined || this.#delivered.has(revision)) continue;
      const what = `never brought revision ${revision} (${changeText(missing)})`;
      this.#wrong("watch-behind", `${what}, ${endMs - quietMs} ms after all was healed`, entry);
      return;
    }
  }

  #wanted(entry: LogEntry): readonly LogChange[] {
    const { changes } = entry;
    if (changes.length === 1) return this.#wants(changes[0] as LogChange) ? changes : [];
    return changes.filter((change) => this.#wants(change));
  }

  #firstWanted(entry: LogEntry): LogChange | undefined {
    for (const change of entry.changes) if (this.#wants(change)) return change;
    return undefined;
  }

  #wants(change: LogChange): boolean {
    const { open } = this.#watch;
    return isInside(change.key, open) && !(change.kv === undefined ? open.noDelete : open.noPut);
  }

  #wrong(rule: string, what: string, entry?: LogEntry): void {
    const { watch, member } = this.#watch.open;
    const calls = entry?.op === undefined ? [] : [entry.op.id];
    this.violations.push({ rule, text: `watch ${watch} at ${member} ${what}`, calls, watches: [watch] });
  }
}

/** Since when nothing is broken any more: the last healing of everything, or the final phase. */
function quietSince(events: readonly HistoryEvent[]): number | undefined {
  const healed = events.findLast((event) => event.type === "fault" && event.fault === "healAll");
  const final = events.find((event) => event.type === "phase" && event.phase === "final");
  const quiet = healed ?? final;
  return quiet === undefined || quiet.type === "meta" ? undefined : quiet.atMs;
}

const changeText = (change: LogChange): string =>
  change.kv === undefined ? `delete ${JSON.stringify(change.key)}` : kvText(change.kv);
