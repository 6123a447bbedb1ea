/*
 * History forgotten without anybody asking: the leader compacts, through the log like a client, what its retention no
 * longer protects. Two kinds, either or both:
 * - revision: the newest N revisions stay readable; looked at every so often;
 * - periodic: what was current a period ago stays readable. Which revision that was is noted ten times a period (of an
 *   hour at most) by every member, so that a new leader need not wait a whole period before it can compact.
 *
 *   period:   note ─ note ─ note ─ … ─ note            now
 *               └── newest note at least a period old: everything before its revision goes
 *
 * Notes are in this member's own clock and forgotten at its end. Source: etcd configuration, Auto compaction.
 */
import type { MemberConfig } from "../config.ts";
import { type Revision, revisionOf } from "../ids.ts";
import type { Retention } from "../output.ts";

/** What a look needs to know. */
export interface CompactionView {
  readonly nowMs: number;
  readonly leads: boolean;
  readonly currentRevision: Revision;
  /** 0 when never compacted. */
  readonly compactRevision: Revision;
}

/** A compaction to ask for now. */
export interface WantedCompaction {
  readonly revision: Revision;
  readonly retention: Retention;
}

interface Note {
  readonly atMs: number;
  readonly revision: Revision;
}

/** Between two compactions of one period, and at most so long between the first notes of a longer one. */
const cycleMsMax = 3_600_000;
const notesPerCycle = 10;

/** Keeps at most one note for every tenth of the cycle in a period, and one more. */
export class AutoCompaction {
  readonly #config: Pick<MemberConfig, "autoCompactionPeriodMs" | "autoCompactionRevisions" | "autoCompactionCheckMs">;
  /** In order of time; the first is the newest that is a period old, once there is one. */
  readonly #notes: Note[] = [];
  #notedMs: number;
  #cycleEndMs = Number.NEGATIVE_INFINITY;
  /** What was last asked for by period; asked for again until it took effect. */
  #asked = 0;
  #lookedMs: number;

  /** @param nowMs when this life of the member began */
  constructor(config: MemberConfig, nowMs: number) {
    this.#config = config;
    this.#notedMs = nowMs - config.autoCompactionPeriodMs;
    this.#lookedMs = nowMs;
  }

  /** Called every tick, on every member; wants nothing unless this one leads. Never what is compacted already. */
  tick(view: CompactionView): WantedCompaction | undefined {
    const { autoCompactionPeriodMs, autoCompactionRevisions } = this.#config;
    if (autoCompactionPeriodMs === 0 && autoCompactionRevisions === 0) return undefined;
    const byPeriod = autoCompactionPeriodMs > 0 ? this.#byPeriod(view, autoCompactionPeriodMs) : undefined;
    return byPeriod ?? (autoCompactionRevisions > 0 ? this.#byRevision(view, autoCompactionRevisions) : undefined);
  }

  #byRevision(view: CompactionView, revisions: number): WantedCompaction | undefined {
    if (view.nowMs - this.#lookedMs < this.#config.autoCompactionCheckMs) return undefined;
    this.#lookedMs = view.nowMs;
    const target = view.currentRevision - revisions;
    if (!view.leads || target <= view.compactRevision) return undefined;
    return { revision: revisionOf(target), retention: { mode: "revision", revisions } };
  }

  #byPeriod(view: CompactionView, periodMs: number): WantedCompaction | undefined {
    const cycleMs = Math.min(periodMs, cycleMsMax);
    if (view.nowMs - this.#notedMs < cycleMs / notesPerCycle) return undefined;
    this.#notedMs = view.nowMs;
    this.#notes.push({ atMs: view.nowMs, revision: view.currentRevision });
    while ((this.#notes[1]?.atMs ?? view.nowMs) <= view.nowMs - periodMs) this.#notes.shift();
    const oldest = this.#notes[0];
    if (!view.leads || oldest === undefined || oldest.atMs > view.nowMs - periodMs) return undefined;
    const isDue = view.nowMs >= this.#cycleEndMs || this.#asked > view.compactRevision;
    if (!isDue || oldest.revision <= view.compactRevision) return undefined;
    this.#asked = oldest.revision;
    this.#cycleEndMs = view.nowMs + cycleMs;
    return { revision: oldest.revision, retention: { mode: "periodic", periodMs } };
  }
}
