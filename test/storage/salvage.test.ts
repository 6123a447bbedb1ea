import { describe, expect, it } from "vitest";
import { defaultMemberConfig } from "../../core/config.ts";
import { clusterIdOf, memberIdOf, noIndex } from "../../core/ids.ts";
import type { LogOperation } from "../../core/output.ts";
import type { Entry } from "../../core/raft/message.ts";
import { createLog, type LogSegment } from "../../core/storage/log-store.ts";
import { type LogOpening, type OpenedLog, openLog } from "../../core/storage/open-log.ts";
import { base, entry, hardState, identity, MemoryDisk } from "./log-kit.ts";

const config = { ...defaultMemberConfig, segmentBytesMax: 1024 };

/** Entries 1..30 of terms 1 and 2 over several segments, compacted up to entry 10. */
function oldLog(): { readonly disk: MemoryDisk; readonly entries: readonly Entry[] } {
  const disk = new MemoryDisk(false);
  const { store, operations } = createLog(identity, config);
  disk.carryOut(operations);
  const entries: Entry[] = [];
  const write = (state: ReturnType<typeof hardState> | undefined, ...more: Entry[]): void => {
    store.persisted(store.end);
    disk.carryOut(store.append({ hardState: state, entries: more }));
    for (const one of more) {
      entries.length = one.index - 1;
      entries.push(one);
    }
  };
  write(hardState(1, 0xa1, 0));
  for (let index = 1; index <= 9; index++) write(undefined, entry(index, 1, "v".repeat(index * 5)));
  write(hardState(2, undefined, 5), entry(6, 2), entry(7, 2));
  for (let index = 8; index <= 30; index++) {
    write(index % 5 === 0 ? hardState(2, undefined, index - 1) : undefined, entry(index, 2, "w".repeat(50)));
    if (index === 20) disk.carryOut(store.compact(base(10, 2)));
  }
  return { disk, entries };
}

const open = (segments: readonly LogSegment[], more: Partial<LogOpening> = {}) =>
  openLog({
    segments,
    identity,
    config,
    applied: base(10, 2),
    installedAt: noIndex,
    canBeFilledUp: true,
    ...more,
  });

function opened(segments: readonly LogSegment[], more: Partial<LogOpening> = {}): OpenedLog {
  const log = open(segments, more);
  if (!log.ok) throw new Error(log.reason);
  return log;
}

function flipped(segments: readonly LogSegment[], position: number, offset: number, mask = 1): LogSegment[] {
  return segments.map(({ name, bytes }, turn) => {
    const copy = bytes.slice();
    if (turn === position) copy[offset] = (copy[offset] as number) ^ mask;
    return { name, bytes: copy };
  });
}

describe("a damaged log", () => {
  it("whatever bit flipped, the member knows that it forgot, keeps a beginning of what it held, and loses nothing of the backend", () => {
    const { disk, entries } = oldLog();
    const { segments } = disk;
    let flips = 0;
    // Together they flip a bit of every byte.
    for (const [turn, applied] of [base(10, 2), base(22, 2), base(30, 2)].entries()) {
      for (const [position, { bytes }] of segments.entries()) {
        for (let offset = turn; offset < bytes.length; offset += 3) {
          const log = opened(flipped(segments, position, offset, 1 << (offset % 8)), { applied });
          const kept = log.entries.length;
          expect([log.isDamaged, log.hardState.isRecovering, log.base]).toEqual([true, true, applied]);
          expect([...log.entries]).toEqual(entries.slice(applied.index, applied.index + kept));
          expect(log.hardState.commitIndex).toBeGreaterThanOrEqual(applied.index);
          expect(log.hardState.commitIndex).toBeLessThanOrEqual(applied.index + kept);
          expect(log.notes[0]).toMatch(/log segment [0-9a-f]{16}-[0-9a-f]{16}\.wal/);
          flips++;
        }
      }
    }
    expect(flips).toBeGreaterThan(1_500);
  });

  it("wherever a crash ends its repair, the next start finds the damage again or a member that knows that it forgot", () => {
    const { disk, entries } = oldLog();
    let states = 0;
    for (const [position, { bytes }] of disk.segments.entries()) {
      for (let offset = 3; offset < bytes.length; offset += 41) {
        const damaged = flipped(disk.segments, position, offset);
        const log = opened(damaged);
        const { operations } = log;
        for (let done = 0; done <= operations.length; done++) {
          const torn = operations[done];
          const lengths = torn?.type === "append" ? [0, 1, 30, torn.bytes.length - 1] : [0];
          for (const length of lengths) {
            const after = new MemoryDisk(false, damaged);
            after.carryOut(operations.slice(0, done));
            if (torn?.type === "append") after.carryOut([{ ...torn, bytes: torn.bytes.slice(0, length) }]);
            const again = opened(after.segments);
            expect(again.hardState.isRecovering).toBe(true);
            expect([...again.entries]).toEqual(entries.slice(10, 10 + again.entries.length));
            states++;
          }
        }
        // Once all of it is durable the damage is gone, and the log goes on as any other.
        const after = new MemoryDisk(false, damaged);
        after.carryOut(operations);
        log.store.persisted(log.store.end);
        const next = entry(11 + log.entries.length, 9);
        after.carryOut(log.store.append({ hardState: hardState(9, undefined, 10), entries: [next] }));
        const later = opened(after.segments);
        expect(later.isDamaged).toBe(false);
        expect([...later.entries]).toEqual([...log.entries, next]);
        const old = damaged.map(({ name }) => name);
        expect(after.segments.filter(({ name }) => old.includes(name))).toEqual([]);
      }
    }
    expect(states).toBeGreaterThan(500);
  });

  // 1. Entries 2..3 of term 1 are here, committed nowhere. 2. Term 2 overwrites them, and 3 is committed. 3. The
  // overwriting record is damaged; a later one can be read and says that 3 is committed. The old 2..3 are not.
  it("a commit index behind the damage does not commit what stands before it", () => {
    const disk = new MemoryDisk(false);
    const { store, operations } = createLog(identity, config);
    const write = (state: ReturnType<typeof hardState> | undefined, ...entries: Entry[]): readonly LogOperation[] => {
      store.persisted(store.end);
      const written = store.append({ hardState: state, entries });
      disk.carryOut(written);
      return written;
    };
    disk.carryOut(operations);
    write(hardState(1, 7, 1), entry(1, 1), entry(2, 1), entry(3, 1));
    const [overwriting] = write(hardState(2, undefined, 1), entry(2, 2), entry(3, 2));
    write(hardState(2, 8, 3), entry(4, 2));
    const offset = overwriting?.type === "append" ? overwriting.offset + 40 : 0;
    const log = opened(flipped(disk.segments, 0, offset), { applied: base(0, 0) });
    expect([...log.entries].map(({ index, term }) => `${index}@${term}`)).toEqual(["1@1", "2@1", "3@1"]);
    expect(log.hardState).toMatchObject({ term: 2, votedFor: memberIdOf(8n), commitIndex: 1, isRecovering: true });
    expect(log.notes[0]).toContain("entries 4 to 4");
  });

  it("a member without others is refused, with what to do, and nothing is changed", () => {
    const { disk } = oldLog();
    const log = open(flipped(disk.segments, 0, 200), { canBeFilledUp: false });
    expect(log).toEqual({
      ok: false,
      reason: expect.stringMatching(
        /the disk damaged it\. Do not start .* exact copy, .* No other voter is known here/,
      ),
    });
  });

  it("a damaged log of somebody else is refused as what it is", () => {
    const { disk } = oldLog();
    const other = { clusterId: clusterIdOf(0xc1n), memberId: memberIdOf(0xa2n) };
    const log = open(flipped(disk.segments, 0, 200), { identity: other });
    expect(log).toMatchObject({ ok: false, reason: expect.stringContaining("belongs to member a1 of cluster c1") });
  });
});
