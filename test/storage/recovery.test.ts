import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clusterIdOf, memberIdOf } from "../../core/ids.ts";
import type { LogOperation } from "../../core/output.ts";
import { encodeSegmentStart, type LogSegment, segmentName } from "../../core/storage/log-record.ts";
import { createLog, type LogPosition, type LogStore, recoverLog } from "../../core/storage/log-store.ts";
import {
  base,
  entry,
  hardState,
  identity,
  type LogContent,
  MemoryDisk,
  ModelLog,
  recovered,
  textOf,
} from "./log-kit.ts";

const segmentBytesMax = 1024;
const config = { segmentBytesMax };

/** A log whose every operation is remembered, with what the log held after it. */
class RecordedLog {
  readonly operations: LogOperation[] = [];
  /** contents[k]: after the first k operations. */
  readonly contents: LogContent[] = [];
  readonly model = new ModelLog();
  store: LogStore;
  /** Operations that are surely durable. */
  synced = 0;

  /** A new log, or one that goes on from what was recovered. */
  constructor(from?: { readonly store: LogStore; readonly content: LogContent }) {
    if (from === undefined) {
      const { store, operations } = createLog(identity, config);
      this.store = store;
      this.contents.push(this.model.content);
      this.#remember(operations, this.model.content);
      this.synced = operations.length;
    } else {
      this.store = from.store;
      this.model.reset(from.content.base, from.content.hardState);
      this.model.append({ hardState: undefined, entries: from.content.entries });
      this.contents.push(this.model.content);
    }
  }

  /** One write of few entries: at most one record besides a segment's beginning. */
  append(state: ReturnType<typeof hardState> | undefined, ...entries: ReturnType<typeof entry>[]): this {
    const before = this.model.content;
    this.model.append({ hardState: state, entries });
    const operations = this.store.append({ hardState: state, entries });
    this.#remember(operations, before);
    return this;
  }
  compact(index: number, term: number): this {
    const operations = this.store.compact(base(index, term));
    const before = this.model.content;
    this.model.compact(base(index, term));
    this.#remember(operations, before);
    return this;
  }
  reset(index: number, term: number, state: ReturnType<typeof hardState>): this {
    const before = this.model.content;
    const operations = this.store.reset(base(index, term), state);
    this.model.reset(base(index, term), state);
    this.#remember(operations, operations[0]?.type === "create" ? before : this.model.content);
    return this;
  }
  sync(): this {
    this.store.persisted(this.store.end);
    this.synced = this.operations.length;
    return this;
  }

  /** The last `append` operation of a call is the one that counts; a segment's beginning shows `between`. */
  #remember(operations: readonly LogOperation[], between: LogContent): void {
    let lastAppend = -1;
    operations.forEach((operation, position) => {
      if (operation.type === "append") lastAppend = position;
    });
    operations.forEach((operation, position) => {
      const previous = this.contents[this.contents.length - 1] as LogContent;
      this.operations.push(operation);
      if (position >= lastAppend) this.contents.push(this.model.content);
      else this.contents.push(operation.type === "append" ? between : previous);
    });
  }

  disk(operations: number, preallocate: boolean): MemoryDisk {
    const disk = new MemoryDisk(preallocate);
    disk.carryOut(this.operations.slice(0, operations));
    return disk;
  }
}

/** Two full segments and some, with overwrites, votes and a compaction. */
function smallLog(): RecordedLog {
  const log = new RecordedLog().sync();
  log.append(hardState(1, 0xa1, 0)).sync();
  for (let index = 1; index <= 9; index++) log.append(undefined, entry(index, 1, "value".repeat(index % 4))).sync();
  log.append(hardState(2, undefined, 5), entry(6, 2), entry(7, 2)).sync();
  for (let index = 8; index <= 24; index++) {
    log
      .append(index % 5 === 0 ? hardState(2, undefined, index - 1) : undefined, entry(index, 2, "w".repeat(40)))
      .sync();
  }
  log.compact(10, 2).sync();
  for (let index = 25; index <= 30; index++) log.append(undefined, entry(index, 2, "u".repeat(60))).sync();
  return log;
}

/** Recovers, carries the repairs out, and shows that the log can be written and recovered again. */
function recoverAndGoOn(segments: readonly LogSegment[]): LogContent | string {
  const log = recoverLog(segments, config);
  if (!log.ok) return log.reason;
  const content = { base: log.base, hardState: log.hardState, entries: [...log.entries] };
  const disk = new MemoryDisk(false, segments);
  disk.carryOut(log.operations);
  const model = new ModelLog();
  model.reset(content.base, content.hardState);
  model.append({ hardState: undefined, entries: content.entries });
  expect(recovered(disk.segments, segmentBytesMax)).toEqual(content);
  const next = entry(model.last.index + 1, 99, "written after the crash");
  disk.carryOut(log.store.append({ hardState: hardState(99, 0xa1, 0), entries: [next] }));
  model.append({ hardState: hardState(99, 0xa1, 0), entries: [next] });
  expect(recovered(disk.segments, segmentBytesMax)).toEqual(model.content);
  return content;
}

describe("recovery from a crash", () => {
  it("a last write cut short at any byte, missing or zero behind the cut, is taken back as a whole and nothing else is", () => {
    const log = smallLog();
    let cuts = 0;
    for (let position = 1; position < log.operations.length; position++) {
      const operation = log.operations[position] as LogOperation;
      const before = log.contents[position] as LogContent;
      for (const preallocate of [false, true]) {
        if (operation.type !== "append") {
          expect(recoverAndGoOn(log.disk(position, preallocate).segments)).toEqual(before);
          continue;
        }
        if (position === 1) continue;
        const found = log.disk(position, preallocate).segments;
        const place = found.findIndex(({ name }) => name === operation.segment);
        const { name, bytes: whole } = found[place] as LogSegment;
        for (let length = 0; length < operation.bytes.length; length++) {
          const bytes = new Uint8Array(preallocate ? whole.length : operation.offset + length);
          bytes.set(whole.subarray(0, operation.offset));
          bytes.set(operation.bytes.subarray(0, length), operation.offset);
          found[place] = { name, bytes };
          // To go on writing after each cut would show the same again and again.
          const content = length % 16 === 0 ? recoverAndGoOn(found) : recovered(found, segmentBytesMax);
          if (textOf(content) !== textOf(before)) expect({ length, position, content }).toEqual(before);
          cuts++;
        }
      }
    }
    expect(cuts).toBeGreaterThan(2_000);
    expect(recoverAndGoOn(log.disk(log.operations.length, true).segments)).toEqual(log.model.content);
  });

  // 1. Entries 2..3 of term 1 are here, committed nowhere. 2. A leader of term 2 overwrites them and says that 3 is
  // committed: hard state and entries go into a new segment. 3. Power fails when only its beginning is on the disk.
  it("a segment's beginning alone does not commit what the write behind it was to overwrite", () => {
    const log = new RecordedLog().sync();
    log.append(hardState(1, 0xa1, 1), entry(1, 1), entry(2, 1), entry(3, 1, "x".repeat(700))).sync();
    const before = log.operations.length;
    log.append(hardState(2, undefined, 3), entry(2, 2, "y".repeat(400)), entry(3, 2));
    const kinds = log.operations.slice(before).map(({ type }) => type);
    expect(kinds).toEqual(["create", "append", "append"]);
    const content = recovered(log.disk(before + 2, false).segments, segmentBytesMax);
    expect(content).toMatchObject({ hardState: { term: 1, commitIndex: 1 } });
  });

  it("bytes that no record calls durable are named, so that a world may write them again", () => {
    const log = new RecordedLog().sync();
    for (let index = 1; index <= 4; index++) log.append(undefined, entry(index, 1)).sync();
    const durable = log.store.end;
    for (let index = 5; index <= 8; index++) log.append(undefined, entry(index, 1));
    const found = recoverLog(log.disk(log.operations.length, true).segments, config);
    if (!found.ok) throw new Error(found.reason);
    expect(found.doubtful).toEqual([{ segment: expect.stringMatching(/^0{16}-/), offset: durable.offset }]);
    // A later segment is doubtful as a whole.
    for (let index = 9; index <= 14; index++) log.append(undefined, entry(index, 1, "x".repeat(300)));
    const more = recoverLog(log.disk(log.operations.length, false).segments, config);
    if (!more.ok) throw new Error(more.reason);
    expect(more.doubtful[0]?.offset).toBe(durable.offset);
    expect(more.doubtful.slice(1).map(({ offset }) => offset)).toEqual(more.doubtful.slice(1).map(() => 0));
    expect(more.doubtful.length).toBeGreaterThan(1);
  });

  it("a cut is made on the disk, so that nothing later stands behind garbage", () => {
    const log = smallLog();
    const segments = log.disk(log.operations.length, false).segments;
    const last = segments[segments.length - 1] as LogSegment;
    const torn = { name: last.name, bytes: last.bytes.slice(0, last.bytes.length - 3) };
    const result = recoverLog([...segments.slice(0, -1), torn], config);
    if (!result.ok) throw new Error(result.reason);
    const cut = result.operations[0];
    expect(result.operations).toHaveLength(1);
    expect(cut).toMatchObject({ type: "truncate", segment: last.name });
    expect(result.notes[0]).toContain(last.name);
    expect(cut?.type === "truncate" && cut.sizeBytes).toBe(result.store.end.offset);
  });

  it("the stored commit index never makes recovery drop entries", () => {
    const log = new RecordedLog().append(hardState(1, 0xa1, 1), entry(1, 1), entry(2, 1), entry(3, 1)).sync();
    expect(recovered(log.disk(log.operations.length, false).segments, segmentBytesMax)).toMatchObject({
      hardState: hardState(1, 0xa1, 1),
      entries: [entry(1, 1), entry(2, 1), entry(3, 1)],
    });
  });

  it("a commit index beyond the entries that survived is brought back to the last of them", () => {
    const log = new RecordedLog().append(undefined, entry(1, 1)).sync();
    log.append(hardState(1, undefined, 2));
    expect(recovered(log.disk(log.operations.length, false).segments, segmentBytesMax)).toMatchObject({
      hardState: hardState(1, undefined, 1),
    });
  });

  it("a reset cut short leaves either the old log or the new one", () => {
    const log = smallLog();
    const before = log.operations.length;
    log
      .reset(500, 4, hardState(4, 0xb2, 500))
      .sync()
      .append(undefined, entry(501, 4))
      .sync();
    for (let position = before; position <= log.operations.length; position++) {
      expect(recoverAndGoOn(log.disk(position, true).segments)).toEqual(log.contents[position]);
    }
    expect(log.disk(log.operations.length, false).segments).toHaveLength(1);
  });

  it("segments that nothing needs may be gone in any combination", () => {
    const log = new RecordedLog().sync();
    for (let index = 1; index <= 60; index++) log.append(undefined, entry(index, 1, "v".repeat(60))).sync();
    log.compact(55, 1).sync();
    const whole = log.disk(log.operations.length, false).segments;
    log.append(undefined, entry(61, 1));
    const dropped = log.operations.filter((operation) => operation.type === "remove").map(({ segment }) => segment);
    expect(dropped.length).toBeGreaterThan(3);
    for (let subset = 0; subset < 2 ** dropped.length; subset++) {
      const left = whole.filter(({ name }) => !dropped.some((each, bit) => each === name && subset & (1 << bit)));
      const content = recoverAndGoOn(left);
      expect(content).toMatchObject({
        base: base(55, 1),
        entries: [56, 57, 58, 59, 60].map((index) => entry(index, 1, "v".repeat(60))),
      });
    }
  });

  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant("append" as const),
        back: fc.nat(5),
        size: fc.nat(400),
        state: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("reset" as const), ahead: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("sync" as const), pending: fc.nat(4) }) },
  );
  const life = fc.record({
    steps: fc.array(step, { maxLength: 20 }),
    kept: fc.nat(),
    part: fc.nat(),
    zeros: fc.boolean(),
  });

  it("after any crash the log holds all that was synced and nothing that was not written", () => {
    fc.assert(
      fc.property(fc.array(life, { maxLength: 5 }), (lives) => {
        let log = new RecordedLog();
        let disk = new MemoryDisk(false);
        let term = 0;
        for (const { steps, kept, part, zeros } of lives) {
          // Ends of writes that were handed to the disk one after the other, without waiting.
          let pending: { readonly end: LogPosition; readonly operations: number }[] = [];
          term += 1;
          for (const [position, each] of steps.entries()) {
            const { last, content } = log.model;
            if (each.type === "append") {
              // Only a new leader, in a new term, overwrites.
              const back = position === 0 ? Math.min(each.back, last.index - content.base.index) : 0;
              const written = entry(last.index + 1 - back, term, "s".repeat(each.size));
              log.append(each.state ? hardState(term, position, 0) : undefined, written);
            } else if (each.type === "compact") {
              const at = log.model.termAt(last.index - each.back);
              if (at !== undefined) log.compact(last.index - each.back, at);
            } else if (each.type === "reset") {
              log.reset(last.index + each.ahead, term, hardState(term, undefined, last.index + each.ahead));
            } else {
              const done = pending[each.pending % Math.max(1, pending.length)];
              if (done === undefined) continue;
              log.store.persisted(done.end);
              log.synced = done.operations;
              pending = pending.filter(({ operations }) => operations > done.operations);
              continue;
            }
            pending.push({ end: log.store.end, operations: log.operations.length });
          }
          const survived = log.synced + (kept % (log.operations.length - log.synced + 1));
          disk.carryOut(log.operations.slice(0, survived));
          const torn = log.operations[survived];
          if (torn?.type === "append") {
            const bytes = new Uint8Array(zeros ? torn.bytes.length : part % torn.bytes.length);
            bytes.set(torn.bytes.subarray(0, part % torn.bytes.length));
            disk.carryOut([{ ...torn, bytes }]);
          }
          const result = recoverLog(disk.segments, config);
          if (!result.ok) throw new Error(result.reason);
          const content = { base: result.base, hardState: result.hardState, entries: [...result.entries] };
          expect(textOf(content)).toBe(textOf(log.contents[survived] as LogContent));
          disk = new MemoryDisk(false, disk.segments);
          disk.carryOut(result.operations);
          log = new RecordedLog({ store: result.store, content });
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("damage", () => {
  it("every flipped byte is refused, naming a segment", () => {
    const log = smallLog();
    const segments = log.disk(log.operations.length, false).segments;
    for (const [position, segment] of segments.entries()) {
      for (let offset = 0; offset < segment.bytes.length; offset++) {
        for (const mask of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
          const bytes = segment.bytes.slice();
          bytes[offset] = (bytes[offset] as number) ^ mask;
          const found = [...segments];
          found[position] = { name: segment.name, bytes };
          const content = recovered(found, segmentBytesMax);
          if (typeof content !== "string") throw new Error(`flip ${mask} at ${segment.name} ${offset} went unseen`);
          expect(content).toMatch(/log segment [0-9a-f]{16}-[0-9a-f]{16}\.wal/);
        }
      }
    }
  });

  it("a flipped byte in preallocated space behind the end costs nothing that was written", () => {
    const log = smallLog();
    const segments = log.disk(log.operations.length, true).segments;
    const last = segments[segments.length - 1] as LogSegment;
    for (let offset = log.store.end.offset; offset < last.bytes.length; offset += 7) {
      const bytes = last.bytes.slice();
      bytes[offset] = 0x57;
      const content = recovered([...segments.slice(0, -1), { name: last.name, bytes }], segmentBytesMax);
      expect(typeof content === "string" ? content : content).toEqual(log.model.content);
    }
  });

  /** Where every record of the last segment lies. */
  function recordsOf(log: RecordedLog): { from: number; to: number }[] {
    const name = log.disk(log.operations.length, false).segments.at(-1)?.name;
    const found: { from: number; to: number }[] = [];
    for (const operation of log.operations) {
      if (operation.type !== "append" || operation.segment !== name) continue;
      found.push({ from: operation.offset, to: operation.offset + operation.bytes.length });
    }
    return found;
  }

  it("records that were lost from any places are seen: what was durable is missed, what was not is cut off", () => {
    const log = new RecordedLog().sync();
    for (let index = 1; index <= 5; index++) log.append(undefined, entry(index, 1)).sync();
    for (let index = 6; index <= 10; index++) log.append(undefined, entry(index, 1));
    const records = recordsOf(log).slice(1);
    const [segment] = log.disk(log.operations.length, true).segments as [LogSegment];
    for (let subset = 1; subset < 2 ** records.length; subset++) {
      const bytes = segment.bytes.slice();
      const lost = records.map((_, record) => (subset & (1 << record)) !== 0);
      records.forEach(({ from, to }, record) => {
        if (lost[record]) bytes.fill(0, from, to);
      });
      const first = lost.indexOf(true);
      // Records 0..4 were synced one by one, so that each says that those before it were durable; 5..9 say so of 0..4.
      const missed = lost.some((gone, record) => !gone && record > first && first < 5);
      const content = recovered([{ name: segment.name, bytes }], segmentBytesMax);
      if (missed) expect(content).toContain(`${segment.name}, offset ${records[first]?.from}`);
      else expect(content).toEqual(log.contents[log.contents.length - 1 - (records.length - first)]);
    }
  });

  it("records left out from between others are never passed over", () => {
    const log = smallLog();
    const segments = log.disk(log.operations.length, false).segments;
    const records = recordsOf(log);
    const last = segments[segments.length - 1] as LogSegment;
    for (let subset = 1; subset < 2 ** records.length; subset++) {
      const left = records.filter((_, record) => (subset & (1 << record)) === 0);
      const isPrefix = left.every(({ from }, position) => from === records[position]?.from);
      if (isPrefix) continue;
      const bytes = Uint8Array.from(left.flatMap(({ from, to }) => [...last.bytes.subarray(from, to)]));
      expect(recovered([...segments.slice(0, -1), { name: last.name, bytes }], segmentBytesMax)).toBeTypeOf("string");
    }
  });

  it("two records that changed places are refused", () => {
    const log = smallLog();
    const segments = log.disk(log.operations.length, false).segments;
    const last = segments[segments.length - 1] as LogSegment;
    const records = recordsOf(log).slice(-4);
    const bytes = last.bytes.slice();
    const [a, b] = [records[0], records[1]];
    if (a === undefined || b === undefined) throw new Error("too few records");
    bytes.set(last.bytes.subarray(b.from, b.to), a.from);
    bytes.set(last.bytes.subarray(a.from, a.to), a.from + (b.to - b.from));
    expect(recovered([...segments.slice(0, -1), { name: last.name, bytes }], segmentBytesMax)).toContain(last.name);
  });

  it("a record of another past is refused, even where it was written", () => {
    const pasts = ["x", "y"].map((text) => {
      const log = new RecordedLog().sync().append(undefined, entry(1, 1)).sync();
      return log
        .append(undefined, entry(2, 1, text))
        .sync()
        .append(undefined, entry(3, 1))
        .sync();
    });
    const [mine, other] = pasts.map((log) => log.disk(log.operations.length, false).segments[0] as LogSegment);
    const last = recordsOf(pasts[0] as RecordedLog).at(-1);
    if (mine === undefined || other === undefined || last === undefined) throw new Error("a log without a segment");
    const bytes = mine.bytes.slice();
    bytes.set(other.bytes.subarray(last.from, last.to), last.from);
    expect(recovered([{ name: mine.name, bytes }], segmentBytesMax)).toContain("a record of another past");
  });

  it("an earlier segment that ends too soon is refused, even at a record's border", () => {
    const log = smallLog();
    const segments = log.disk(log.operations.length, false).segments;
    expect(segments.length).toBeGreaterThan(2);
    for (let position = 0; position < segments.length - 1; position++) {
      const segment = segments[position] as LogSegment;
      for (let length = 0; length < segment.bytes.length; length++) {
        const found = [...segments];
        found[position] = { name: segment.name, bytes: segment.bytes.slice(0, length) };
        expect(recovered(found, segmentBytesMax)).toContain(segment.name);
      }
    }
  });

  it("a missing segment in the middle is refused by its number", () => {
    const segments = smallLog().disk(smallLog().operations.length, false).segments;
    const reason = recovered([segments[0], ...segments.slice(2)] as LogSegment[], segmentBytesMax);
    expect(reason).toContain("sequence 0000000000000001 is missing");
    expect(reason).toContain(segments[2]?.name);
  });

  it("a missing oldest segment is refused when no compaction dropped it", () => {
    const segments = smallLog().disk(smallLog().operations.length, false).segments;
    for (let lost = 1; lost < segments.length; lost++) {
      const reason = recovered(segments.slice(lost), segmentBytesMax);
      expect(reason).toContain("sequence 0000000000000000 is missing");
      expect(reason).toContain(segments[lost]?.name);
    }
  });

  it("a segment that is there twice is refused, under whatever name", () => {
    const segments = smallLog().disk(smallLog().operations.length, false).segments;
    const copied = segments[1] as LogSegment;
    const sameSequence = { name: segmentName(1, 777), bytes: copied.bytes };
    expect(recovered([...segments, sameSequence], segmentBytesMax)).toContain(`${sameSequence.name}`);
    const last = segments.length;
    const asNext = { name: segmentName(last, 777), bytes: copied.bytes };
    expect(recovered([...segments, asNext], segmentBytesMax)).toContain(asNext.name);
    expect(recovered([...segments, { name: "lost+found", bytes: copied.bytes }], segmentBytesMax)).toContain(
      "lost+found",
    );
  });

  it("segments of another member or another cluster are refused by name", () => {
    const segments = smallLog().disk(smallLog().operations.length, false).segments;
    for (const other of [
      { ...identity, memberId: memberIdOf(0xb2n) },
      { ...identity, clusterId: clusterIdOf(0xc2n) },
    ]) {
      const { store, operations } = createLog(other, config);
      const disk = new MemoryDisk(false);
      disk.carryOut(operations);
      for (let index = 1; index <= 30; index++) {
        disk.carryOut(store.append({ hardState: undefined, entries: [entry(index, 1, "o".repeat(60))] }));
      }
      const foreign = disk.segments[1] as LogSegment;
      const found = [segments[0], foreign, ...segments.slice(2)] as LogSegment[];
      expect(recovered(found, segmentBytesMax)).toContain(`log segment ${foreign.name} belongs to member`);
    }
  });

  it("another format version is refused as such", () => {
    const at = { sequence: 0, offset: 0 };
    const { bytes } = encodeSegmentStart(
      { version: 2, identity, sequence: 0, neededFrom: 0, base: base(0, 0), hardState: hardState(0, undefined, 0) },
      { kind: "segment", place: at, owner: 0, link: 0, solid: at },
    );
    expect(recovered([{ name: segmentName(0, 1), bytes }], segmentBytesMax)).toContain("format version 2");
  });

  it("every refusal says what to do", () => {
    const segments = smallLog().disk(smallLog().operations.length, false).segments;
    const broken = segments.map(({ name, bytes }, position) =>
      position === 0
        ? { name, bytes: bytes.map((byte, offset) => (offset === 200 ? byte ^ 1 : byte)) }
        : { name, bytes },
    );
    expect(recovered(broken, segmentBytesMax)).toMatch(/offset \d+.*empty data directory\.$/);
  });
});
