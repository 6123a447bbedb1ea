/*
 * Every state of the disk that a crash can leave, enumerated: for each script of calls, each moment since when nothing
 * was synced, and each number of operations handed out after it,
 *
 *   - every subset of those operations that reached the disk; what is missing before one that is there reads as zeros;
 *   - the last one of them cut short: at its first byte, inside and behind its header, in its middle, before its last
 *     byte, and at every border of a sector; the rest missing or zero;
 *   - names: a segment whose creation is lost is not there, whatever was written to it; then no later one is there;
 *   - order: before a segment is removed, and while one is cut, everything handed out earlier is durable (log-disk
 *     contract), so those divide the operations.
 *
 * From each of them recovery must find what some moment since the last sync held: never less than was promised, never
 * anything that no moment held, and never a refusal. Then the repairs are carried out, and the log must go on.
 */
import { describe, expect, it } from "vitest";
import { defaultMemberConfig } from "../../core/config.ts";
import { memberIdOf } from "../../core/ids.ts";
import type { LogOperation } from "../../core/output.ts";
import type { Entry, HardState } from "../../core/raft/message.ts";
import {
  createLog,
  type LogBase,
  type LogSegment,
  type LogStore,
  neverBegun,
  recoverLog,
} from "../../core/storage/log-store.ts";
import { openLog } from "../../core/storage/open-log.ts";
import { base, entry, hardState, identity, type LogContent, MemoryDisk, ModelLog, textOf } from "./log-kit.ts";

const segmentBytesMax = 1024;
const config = { ...defaultMemberConfig, segmentBytesMax };

type Call =
  | { readonly call: "append"; readonly state?: HardState; readonly entries: readonly Entry[] }
  | { readonly call: "compact"; readonly to: LogBase }
  | { readonly call: "reset"; readonly to: LogBase; readonly state: HardState };

const append = (state: HardState | undefined, ...entries: readonly Entry[]): Call =>
  state === undefined ? { call: "append", entries } : { call: "append", state, entries };

/** A log that was synced after every call up to one, and never again. */
interface Tape {
  readonly operations: readonly LogOperation[];
  /** contents[k]: what the log holds after the first k operations. */
  readonly contents: readonly LogContent[];
  /** Operations that are durable. */
  readonly synced: number;
}

function record(calls: readonly Call[], syncedCalls: number): Tape {
  const model = new ModelLog();
  const { store, operations: first } = createLog(identity, config);
  const operations: LogOperation[] = [...first];
  let synced = syncedCalls < 0 ? 0 : operations.length;
  store.persisted(syncedCalls < 0 ? { sequence: 0, offset: 0 } : store.end);
  const blank = model.content;
  const contents: LogContent[] = operations.map(() => blank);
  for (const [position, call] of calls.entries()) {
    for (const operation of carryOut(store, model, call)) {
      operations.push(operation);
      contents.push(contentAfter(operations));
    }
    // A write that needs several records has moments of its own between them; where it ends is what the model says.
    expect(contents.at(-1)).toEqual(model.content);
    if (position >= syncedCalls) continue;
    store.persisted(store.end);
    synced = operations.length;
  }
  return { operations, contents: [blank, ...contents], synced };
}

/** Without a crash, in order and whole. */
function contentAfter(operations: readonly LogOperation[]): LogContent {
  const disk = new MemoryDisk(false);
  disk.carryOut(operations);
  const log = recoverLog(disk.segments, config);
  if (!log.ok) throw new Error(log.reason);
  return { base: log.base, hardState: log.hardState, entries: [...log.entries] };
}

function carryOut(store: LogStore, model: ModelLog, call: Call): readonly LogOperation[] {
  switch (call.call) {
    case "append": {
      const write = { hardState: call.state, entries: call.entries };
      model.append(write);
      return store.append(write);
    }
    case "compact":
      model.compact(call.to);
      return store.compact(call.to);
    case "reset":
      model.reset(call.to, call.state);
      return store.reset(call.to, call.state);
  }
}

/** A disk on which writes may be missing before others that are there. */
class HoleyDisk {
  readonly #preallocate: boolean;
  readonly #segments: Map<string, Uint8Array>;

  constructor(preallocate: boolean, from: readonly LogSegment[]) {
    this.#preallocate = preallocate;
    this.#segments = new Map(from.map(({ name, bytes }) => [name, bytes]));
  }

  carryOut(operation: LogOperation): void {
    const bytes = this.#segments.get(operation.segment);
    if (operation.type === "create") {
      this.#segments.set(operation.segment, new Uint8Array(this.#preallocate ? operation.expectedBytes : 0));
    } else if (operation.type === "remove") this.#segments.delete(operation.segment);
    else if (bytes !== undefined && operation.type === "append") {
      const longer = new Uint8Array(Math.max(bytes.length, operation.offset + operation.bytes.length));
      longer.set(bytes);
      longer.set(operation.bytes, operation.offset);
      this.#segments.set(operation.segment, longer);
    } else if (bytes !== undefined && operation.type === "truncate") {
      this.#segments.set(operation.segment, bytes.slice(0, operation.sizeBytes));
    }
  }

  get segments(): LogSegment[] {
    return [...this.#segments].map(([name, bytes]) => ({ name, bytes }));
  }
}

/** Where a write of so many bytes at that offset is cut short. */
function cutsOf(offset: number, length: number): number[] {
  const cuts = new Set([1, 13, 25, 26, 27, length >> 1, length - 1]);
  for (let border = 512 - (offset % 512); border < length; border += 512) cuts.add(border);
  return [...cuts].filter((cut) => cut > 0 && cut < length).sort((a, b) => a - b);
}

function cutShort(operation: LogOperation, cut: number, isZero: boolean): LogOperation {
  if (operation.type !== "append") return operation;
  const bytes = new Uint8Array(isZero ? operation.bytes.length : cut);
  bytes.set(operation.bytes.subarray(0, cut));
  return { ...operation, bytes };
}

/** Calls `look` with every state that a crash after the first `written` operations can leave. */
function eachState(
  { operations, synced }: Tape,
  written: number,
  preallocate: boolean,
  look: (segments: readonly LogSegment[]) => void,
): void {
  // From the last barrier before them all but the newest are durable; each place between barriers is a moment of its own.
  const barrier = (operation: LogOperation | undefined): boolean =>
    operation?.type === "remove" || operation?.type === "truncate";
  let from = synced;
  for (let position = synced; position < written; position++) {
    if (barrier(operations[position])) from = barrier(operations[position + 1]) ? position : position + 1;
  }
  if (written > 0 && barrier(operations[written - 1])) from = written - 1;
  const durable = new HoleyDisk(preallocate, []);
  for (const operation of operations.slice(0, from)) durable.carryOut(operation);
  const open = operations.slice(from, written);
  for (let mask = 0; mask < 1 << open.length; mask++) {
    const isThere = (position: number): boolean => (mask & (1 << position)) !== 0;
    const lostName = open.findIndex(({ type }, position) => type === "create" && !isThere(position));
    if (
      lostName >= 0 &&
      open.some(({ type }, position) => type === "create" && position > lostName && isThere(position))
    )
      continue;
    const there = open.filter((_, position) => isThere(position));
    const last = there.at(-1);
    const state = (tail: LogOperation | undefined): readonly LogSegment[] => {
      const disk = new HoleyDisk(preallocate, durable.segments);
      for (const operation of there.slice(0, -1)) disk.carryOut(operation);
      if (tail !== undefined) disk.carryOut(tail);
      return disk.segments;
    };
    look(state(last));
    // With more than one hole before it, where the last one ends tells nothing new.
    if (last?.type !== "append" || open.length - there.length > 1 + open.length - 1 - open.indexOf(last)) continue;
    for (const cut of cutsOf(last.offset, last.bytes.length)) {
      for (const isZero of [false, true]) look(state(cutShort(last, cut, isZero)));
    }
  }
}

/** Recovers, carries the repairs out, writes once more and starts a second time. @returns what the first start found */
function startAndGoOn(segments: readonly LogSegment[], isThorough: boolean): LogContent | string {
  const begins = neverBegun(segments);
  const log = begins ? createLog(identity, config, segments) : recoverLog(segments, config);
  if ("ok" in log && !log.ok) return log.reason;
  const content = "ok" in log ? { base: log.base, hardState: log.hardState, entries: [...log.entries] } : blank;
  if (!isThorough) return content;
  const disk = new MemoryDisk(false, segments);
  disk.carryOut(log.operations);
  const last = content.entries.at(-1)?.index ?? content.base.index;
  const next = entry(last + 1, 99, "after the crash");
  log.store.persisted(log.store.end);
  disk.carryOut(log.store.append({ hardState: hardState(99, undefined, 0), entries: [next] }));
  const again = recoverLog(disk.segments, config);
  if (!again.ok) return `after the repair: ${again.reason}`;
  expect([...again.entries]).toEqual([...content.entries, next]);
  return content;
}
const blank = new ModelLog().content;

/** For people: entries by place alone. */
function shortOf(content: LogContent | string): string {
  if (typeof content === "string") return content;
  const { base: from, hardState: state, entries } = content;
  const places = entries.map(({ index, term }) => `${index}@${term}`).join(" ");
  return `after ${from.index}@${from.term}: ${places}; term ${state.term}, vote ${state.votedFor}, commit ${state.commitIndex}`;
}

/** Looks at every state. @returns how many there were */
function enumerate(calls: readonly Call[]): number {
  let states = 0;
  for (let syncedCalls = -1; syncedCalls < calls.length; syncedCalls++) {
    const tape = record(calls.slice(0, syncedCalls + 3), syncedCalls);
    for (let written = tape.synced; written <= tape.operations.length; written++) {
      const moments = tape.contents.slice(tape.synced, written + 1);
      const allowed = new Set(moments.map(textOf));
      for (const preallocate of [false, true]) {
        eachState(tape, written, preallocate, (segments) => {
          states++;
          const found = startAndGoOn(segments, states % 7 === 0);
          if (typeof found !== "string" && allowed.has(textOf(found))) return;
          expect({ syncedCalls, written, preallocate, found: shortOf(found) }).toEqual(moments.map(shortOf));
        });
      }
    }
  }
  return states;
}

const long = (index: number, term: number): Entry => entry(index, term, `${index}@${term}`.padEnd(300, "."));

const overwrites = [
  append(hardState(1, 7, 0), entry(1, 1), entry(2, 1)),
  append(hardState(1, 7, 1), entry(3, 1), entry(4, 1)),
  append(hardState(2, 8, 1), entry(3, 2)),
  append(hardState(2, 8, 3), entry(4, 2), entry(5, 2)),
  append(hardState(3, undefined, 3), entry(5, 3), entry(6, 3)),
  append(hardState(4, 9, 3)),
  append(undefined, entry(6, 4), entry(7, 4)),
];
const rotation = [
  append(hardState(1, 7, 0), long(1, 1), long(2, 1)),
  append(hardState(1, 7, 1), long(3, 1)),
  append(hardState(2, 8, 3), long(2, 2), long(3, 2), long(4, 2)),
  append(hardState(2, 8, 4), entry(5, 2)),
  append(hardState(3, 9, 4), long(5, 3), long(6, 3)),
  append(undefined, long(7, 3)),
];
const compactions: readonly Call[] = [
  append(hardState(1, 7, 0), long(1, 1), long(2, 1)),
  append(hardState(1, 7, 2), long(3, 1), long(4, 1)),
  append(undefined, long(5, 1), entry(6, 1)),
  { call: "compact", to: base(4, 1) },
  append(hardState(2, 8, 6), entry(7, 2)),
  append(undefined, long(8, 2), long(9, 2)),
  { call: "compact", to: base(5, 1) },
  append(hardState(2, 8, 9), entry(10, 2)),
];
const installed = base(9, 3);
const beforeInstall = [append(hardState(1, 7, 0), entry(1, 1), entry(2, 1)), append(hardState(3, 8, 1), long(3, 1))];
const installs: readonly Call[] = [
  ...beforeInstall,
  { call: "reset", to: installed, state: hardState(3, 8, 9) },
  append(hardState(3, 8, 10), entry(10, 3), entry(11, 3)),
  append(hardState(4, undefined, 11), entry(12, 4)),
];

describe("every state a crash can leave", () => {
  it("of appends that overwrite each other: 2,076 states", () => {
    expect(enumerate(overwrites)).toBe(2_076);
  });

  it("of segments that are closed and begun: 14,566 states", { timeout: 120_000 }, () => {
    expect(enumerate(rotation)).toBe(14_566);
  });

  it("of a log that is compacted: 10,368 states", { timeout: 120_000 }, () => {
    expect(enumerate(compactions)).toBe(10_368);
  });

  it("of a log that a snapshot replaces: 1,970 states", () => {
    expect(enumerate(installs)).toBe(1_970);
  });

  // The backend is durable at the snapshot before the log restarts behind it, so a crash finds both or the backend alone.
  it("of a backend that a snapshot replaced, with its log before, during and after the restart: 309 states", () => {
    let states = 0;
    const opened = (segments: readonly LogSegment[], applied: LogBase) =>
      openLog({ segments, identity, config, applied, installedAt: installed.index, canBeFilledUp: false });
    for (let syncedCalls = beforeInstall.length; syncedCalls < installs.length; syncedCalls++) {
      const tape = record(installs.slice(0, syncedCalls + 3), syncedCalls);
      for (let written = tape.synced; written <= tape.operations.length; written++) {
        eachState(tape, written, false, (segments) => {
          states++;
          const log = opened(segments, installed);
          if (!log.ok) throw new Error(log.reason);
          expect([log.base, log.hardState.commitIndex >= installed.index]).toEqual([installed, true]);
          // Term 3 and its vote were promised before the snapshot came.
          if (log.hardState.term === 3) expect(log.hardState.votedFor).toBe(memberIdOf(8n));
          else expect(log.hardState.term).toBe(4);
          expect([...log.entries].map(({ index }) => index)).toEqual([10, 11, 12].slice(0, log.entries.length));
        });
      }
    }
    // The backend as it was, and the log from before the restart: as if nothing had come.
    const before = record(beforeInstall, beforeInstall.length);
    eachState(before, before.operations.length, false, (segments) => {
      states++;
      expect(opened(segments, base(1, 1))).toMatchObject({ ok: true, base: base(0, 0), hardState: { term: 3 } });
    });
    expect(states).toBe(309);
  });
});
