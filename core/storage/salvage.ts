/*
 * A log whose middle the disk damaged, when others hold what was in it. What stands before the damage is kept; whatever
 * came behind it is as good as forgotten, votes and acknowledgements among it. So the member goes on as one that knows
 * it forgot (raft/amnesia.ts): it promises nothing until it has been filled up by a leader that knows of it. Nothing is
 * thrown away: the damaged segments are set aside, and a new log takes their place in one durable step, so that a crash
 * finds either the damage again or a log that says that its member forgot.
 *
 * Why entries behind the damage are not used, though many can be read: without those between they have no place. An
 * entry behind it counts again only when a leader sends it, so what was never committed is cut by the ordinary rule, and
 * nothing else is.
 *
 * What is read behind the damage is the newest term and vote: they were given, whatever else is lost. Their commit index
 * is not: it speaks of entries that are gone.
 *
 * Source: Alagappan et al., Protocol-Aware Recovery for Consensus-Based Storage (FAST 2018), for why a damaged entry may
 * neither be cut nor be taken for absent.
 */
import { ByteSlab } from "../byte-slab.ts";
import type { MemberConfig } from "../config.ts";
import { indexOf, type LogIndex, noIndex } from "../ids.ts";
import type { LogOperation } from "../output.ts";
import { blankHardState } from "../raft/hard-state.ts";
import type { Entry, EntryList, HardState } from "../raft/message.ts";
import { decodeSegmentStart, decodeWrite, type LogBase, type LogIdentity, ownerOf } from "./log-record.ts";
import { type LogStore, replaceLog } from "./log-store.ts";
import { RecordReader, recordKindAt } from "./record.ts";
import type { Damage } from "./recovery.ts";

export interface SalvagedLog {
  readonly store: LogStore;
  readonly operations: readonly LogOperation[];
  readonly base: LogBase;
  readonly entries: readonly Entry[];
  /** Says that the member recovers. */
  readonly hardState: HardState;
  /** What was found and what becomes of it, for people. */
  readonly note: string;
}

/**
 * @param applied how far the durable backend is: the new log begins there
 */
export function salvageLog(
  damage: Damage,
  {
    identity,
    config,
    applied,
  }: { readonly identity: LogIdentity; readonly config: MemberConfig; readonly applied: LogBase },
): SalvagedLog {
  const { found, before } = damage;
  const behind = readBehind(damage, ownerOf(identity));
  const entries = before === undefined ? [] : entriesAfter(applied, before);
  const last = entries[entries.length - 1] ?? applied;
  const newest = behind.hardState ?? before?.hardState ?? blankHardState;
  const term = Math.max(newest.term, behind.highestTerm, last.term);
  const commitIndex = Math.max(applied.index, Math.min(before?.hardState.commitIndex ?? noIndex, last.index));
  const hardState: HardState = {
    ...newest,
    term: term as HardState["term"],
    votedFor: term === newest.term ? newest.votedFor : undefined,
    commitIndex: indexOf(commitIndex),
    isRecovering: true,
  };
  const segments = found.map(({ name }) => name);
  const sequence = found[found.length - 1]?.sequence ?? 0;
  const { store, operations } = replaceLog({ segments, sequence, identity }, config, {
    base: applied,
    hardState,
    entries,
  });
  const upTo = behind.lastIndex > last.index ? `, among them entries ${last.index + 1} to ${behind.lastIndex}` : "";
  const note = `${damage.text}; what this member promised behind that place may be lost${upTo}: it keeps entries up to ${last.index}, gets the others from the cluster, and does not count until it has them; the damaged segments are set aside`;
  return { store, operations, base: applied, entries, hardState, note };
}

/** Entries of the old log that follow the applied state; none when the two do not meet. */
function entriesAfter(
  applied: LogBase,
  before: { readonly base: LogBase; readonly entries: EntryList },
): readonly Entry[] {
  const { base, entries } = before;
  const skipped = applied.index - base.index;
  if (skipped < 0) return [];
  const term = skipped === 0 ? base.term : entries.at(skipped - 1)?.term;
  return term === applied.term ? [...entries.slice(skipped)] : [];
}

interface Behind {
  /** The newest that can be read there. */
  readonly hardState: HardState | undefined;
  readonly highestTerm: number;
  /** Highest entry that is named there. */
  readonly lastIndex: LogIndex;
}

/** Every whole record behind the damaged place, wherever it stands. */
function readBehind({ found, position, offset }: Damage, owner: number): Behind {
  const slab = new ByteSlab();
  let hardState: HardState | undefined;
  let highestTerm = 0;
  let lastIndex = noIndex;
  for (let turn = position; turn < found.length; turn++) {
    const segment = found[turn];
    if (segment === undefined) continue;
    const { bytes, sequence } = segment;
    const record = new RecordReader(bytes, sequence);
    for (let at = turn === position ? offset : 0; at < bytes.length; ) {
      const kind = recordKindAt(bytes, at);
      if (kind === undefined || !record.read(at, kind === "segment" ? 0 : owner)) {
        at += 1;
        continue;
      }
      at = record.next;
      if (record.kind === "segment") {
        const start = decodeSegmentStart(bytes, record.payload);
        if (start?.identity !== undefined) hardState = start.hardState;
      } else if (record.kind === "write") {
        const write = decodeWrite(bytes, record.payload, slab);
        hardState = write?.hardState ?? hardState;
        for (const { index, term } of write?.entries ?? []) {
          if (index > lastIndex) lastIndex = index;
          if (term > highestTerm) highestTerm = term;
        }
      }
    }
  }
  return { hardState, highestTerm: Math.max(highestTerm, hardState?.term ?? 0), lastIndex };
}
