/*
 * The log a member starts with: a new one, or the one on its disk brought into agreement with its backend. The two are
 * made durable apart from each other, so after a crash either may be ahead. A log that the disk damaged is salvaged when
 * other members can fill this one up; what else cannot be explained by a crash is refused, with the remedy, and nothing
 * is changed.
 */
import type { MemberConfig } from "../config.ts";
import { hexOf, indexOf, type LogIndex, type Term } from "../ids.ts";
import type { LogOperation } from "../output.ts";
import { blankHardState } from "../raft/hard-state.ts";
import type { EntryList, HardState } from "../raft/message.ts";
import {
  createLog,
  type DoubtfulBytes,
  type LogIdentity,
  type LogRecovery,
  type LogSegment,
  type LogStore,
  neverBegun,
  recoverLog,
} from "./log-store.ts";
import { type Damage, missingEnd, restoreAdvice } from "./recovery.ts";
import { salvageLog } from "./salvage.ts";

export interface LogOpening {
  /** As found on the disk, in any order; empty for a new member. */
  readonly segments: readonly LogSegment[];
  readonly identity: LogIdentity;
  readonly config: MemberConfig;
  /** How far the backend is; index 0 when it is empty. */
  readonly applied: LogPlace;
  /** Where the backend was when a snapshot last took its place; index 0: none ever did. */
  readonly installedAt: LogIndex;
  /** Other members can tell this one what a damaged log held. */
  readonly canBeFilledUp: boolean;
}

export interface LogPlace {
  readonly index: LogIndex;
  readonly term: Term;
}

/** No place at all: before the first entry. */
export const noPlace: LogPlace = { index: indexOf(0), term: 0 as Term };

export interface OpenedLog {
  readonly ok: true;
  readonly store: LogStore;
  /** To be carried out and synced before anything else: a first segment, or repairs. */
  readonly operations: readonly LogOperation[];
  /** The entries follow this place. */
  readonly base: LogPlace;
  readonly entries: EntryList;
  readonly hardState: HardState;
  /** What was repaired, for the member's own log. */
  readonly notes: readonly string[];
  /** Part of the log was damaged: the member knows that it forgot. */
  readonly isDamaged: boolean;
  /** A world that cannot be sure of them writes them again before it carries anything out. */
  readonly doubtful: readonly DoubtfulBytes[];
}

interface Refused {
  readonly ok: false;
  /** Names the thing, the place and the remedy. */
  readonly reason: string;
}

export function openLog(opening: LogOpening): OpenedLog | Refused {
  return neverBegun(opening.segments) ? newLog(opening) : oldLog(opening);
}

function newLog({ applied, identity, config, segments }: LogOpening): OpenedLog | Refused {
  if (applied.index > 0) {
    return {
      ok: false,
      reason: `the backend holds entries up to index ${applied.index} but the write-ahead log is missing; put the log back, or remove the data directory and add this member anew`,
    };
  }
  const { store, operations } = createLog(identity, config, segments);
  return {
    ok: true,
    store,
    operations,
    base: noPlace,
    entries: [],
    hardState: blankHardState,
    notes: [],
    isDamaged: false,
    doubtful: [],
  };
}

function oldLog(opening: LogOpening): OpenedLog | Refused {
  const { applied, config, segments } = opening;
  const recovered = recoverLog(segments, config);
  if (!recovered.ok) {
    return recovered.damage === undefined ? recovered : damagedLog(opening, recovered.damage, recovered.reason);
  }
  const wrong = refusalOf(opening, recovered);
  if (wrong !== undefined) return wrong;
  const log = { ...recovered, isDamaged: false };
  const found =
    applied.index === log.base.index ? log.base.term : log.entries.at(applied.index - log.base.index - 1)?.term;
  if (found === applied.term || applied.index === 0) return log;
  // Entries are durable in the log before they are applied: only a snapshot brings a backend beyond it.
  if (applied.index !== opening.installedAt) return brokenOff(opening, recovered, found);
  // A crash came after a snapshot was installed in the backend and before the log restarted behind it.
  const term = log.hardState.term > applied.term ? log.hardState.term : applied.term;
  const votedFor = term === log.hardState.term ? log.hardState.votedFor : undefined;
  const hardState = { ...log.hardState, term, votedFor, commitIndex: applied.index };
  const operations = [...log.operations, ...log.store.reset(applied, hardState)];
  return { ...log, operations, base: applied, entries: [], hardState };
}

/** A log of somebody else, or one that begins behind the backend. */
function refusalOf(
  { applied, identity }: LogOpening,
  log: { readonly identity: LogIdentity | undefined; readonly base: LogPlace },
): Refused | undefined {
  const owner = log.identity ?? identity;
  if (owner.memberId !== identity.memberId || owner.clusterId !== identity.clusterId) {
    return {
      ok: false,
      reason: `the write-ahead log belongs to member ${hexOf(owner.memberId)} of cluster ${hexOf(owner.clusterId)}, not to member ${hexOf(identity.memberId)} of cluster ${hexOf(identity.clusterId)}; start with the data directory of this member`,
    };
  }
  if (applied.index < log.base.index) {
    return {
      ok: false,
      reason: `the backend ends at index ${applied.index} but the write-ahead log begins after index ${log.base.index}; the backend is older than its log: restore both from one backup, or remove the data directory and add this member anew`,
    };
  }
  return undefined;
}

/**
 * The backend stands where this log never was: the end of the log is gone, or the two are not of one member.
 *
 * @param found term of the log's entry at the backend's place; undefined: the log ends before it
 */
function brokenOff(
  opening: LogOpening,
  log: LogRecovery & { readonly ok: true },
  found: Term | undefined,
): OpenedLog | Refused {
  const { applied, segments } = opening;
  if (found !== undefined) {
    return {
      ok: false,
      reason: `the backend ends with entry ${applied.index} of term ${applied.term}, and in the write-ahead log entry ${applied.index} is of term ${found}: they do not belong together; restore both from one backup, or remove the data directory and add this member anew`,
    };
  }
  const lastIndex = log.base.index + log.entries.length;
  const text = `the write-ahead log ends at index ${lastIndex}, in segment ${log.store.lastSegment}, but the backend holds entries up to index ${applied.index}: the end of the log is missing`;
  return damagedLog(opening, missingEnd(segments, log, text), `${text}. ${restoreAdvice}`);
}

/** The others hold what is lost; a member without others has nobody to ask, and must not guess. */
function damagedLog(opening: LogOpening, damage: Damage, reason: string): OpenedLog | Refused {
  const wrong = refusalOf(opening, { identity: damage.identity, base: damage.before?.base ?? noPlace });
  if (wrong !== undefined) return wrong;
  if (!opening.canBeFilledUp) {
    return { ok: false, reason: `${reason} No other voter is known here that could fill this member up by itself.` };
  }
  const salvaged = salvageLog(damage, opening);
  return { ok: true, ...salvaged, notes: [salvaged.note], isDamaged: true, doubtful: [] };
}
