/*
 * The stage of the interaction files of testdata/: one write-ahead log on a disk of named segments that can be damaged,
 * and the commands a file may give it. What a command answers is what the log wrote or what a start found.
 *
 *   new [segment=1024] [preallocate=on]    a new log; segments of so many bytes, zeros up to there when preallocated
 *   append 1@1 2@1 [term=1 vote=2 commit=1] [bytes=40]     entries by index and term, and a hard state when a term is given
 *   compact 4@1 / reset 9@3 term=3         what comes up to there is in the backend; a snapshot replaces the log
 *   durable                everything written so far is known to be durable
 *   tear keep=30           of the newest record only so many bytes reached the disk
 *   rot 2@1                one bit of the newest entry of that name flips
 *   lose segment=0         a segment is gone;  fetch 0 / return: it is put aside, and comes back
 *   restart                the member starts on what is on the disk: repairs, notes, and what it holds; or a refusal
 *   start 2@1 [others=none] [installed=on]    the same for a member whose backend is durable at that entry: others can
 *                          fill it up, or none; it came as a snapshot
 *   log                    what a start would find
 *   segments               their names and whether anything is in them
 */
import { assert } from "../../core/assert.ts";
import { utf8Encode } from "../../core/bytes.ts";
import { defaultMemberConfig } from "../../core/config.ts";
import { hexOf, memberIdOf, noIndex } from "../../core/ids.ts";
import type { LogOperation } from "../../core/output.ts";
import { describeEntry } from "../../core/raft/describe.ts";
import { blankHardState } from "../../core/raft/hard-state.ts";
import type { Entry, HardState } from "../../core/raft/message.ts";
import {
  createLog,
  type LogRecovery,
  type LogSegment,
  type LogStore,
  recoverLog,
} from "../../core/storage/log-store.ts";
import { openLog } from "../../core/storage/open-log.ts";
import type { Command } from "../kit/datadriven.ts";
import { base, entry, hardState, identity, MemoryDisk } from "./log-kit.ts";

interface LastRecord {
  readonly segment: string;
  readonly offset: number;
  readonly end: number;
}

export class StorageTheatre {
  #config = { segmentBytesMax: 1024 };
  #preallocates = false;
  #disk = new MemoryDisk(false);
  #store: LogStore | undefined;
  #newest: LastRecord | undefined;
  #aside: LogSegment | undefined;

  execute(command: Command): readonly string[] {
    switch (command.name) {
      case "new":
        return this.#begin(command);
      case "append":
        return this.#carryOut(this.#log.append(writeOf(command)));
      case "compact":
        return this.#carryOut(this.#log.compact(positionOf(command)));
      case "reset":
        return this.#carryOut(this.#log.reset(positionOf(command), hardStateOf(command) ?? blankHardState));
      case "durable":
        this.#log.persisted(this.#log.end);
        return [];
      case "tear":
        this.#tear(numberOf(command, "keep", 0));
        return [];
      case "rot":
        this.#rot(command.words[0] as string);
        return [];
      case "lose":
        this.#replace(this.#segments.filter((_, position) => position !== numberOf(command, "segment", 0)));
        return [];
      case "fetch":
        this.#aside = this.#segments[Number(command.words[0])];
        return [];
      case "return":
        assert(this.#aside !== undefined, "nothing was put aside");
        this.#replace([...this.#segments, this.#aside]);
        return [];
      case "restart":
        return this.#restart();
      case "start":
        return this.#start(command);
      case "log":
        return describeRecovery(recoverLog(this.#segments, this.#config));
      case "segments":
        return this.#segments.map(({ name, bytes }) => `${name}${bytes.some((byte) => byte !== 0) ? "" : " empty"}`);
      default:
        throw new Error(`unknown command: ${command.line}`);
    }
  }

  get #log(): LogStore {
    assert(this.#store !== undefined, "the log was refused, or never begun");
    return this.#store;
  }

  /** In the order of their names, which is that of their sequence. */
  get #segments(): readonly LogSegment[] {
    return this.#disk.segments.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #replace(segments: readonly LogSegment[]): void {
    this.#disk = new MemoryDisk(this.#preallocates, segments);
  }

  #begin(command: Command): readonly string[] {
    this.#config = { segmentBytesMax: numberOf(command, "segment", 1024) };
    this.#preallocates = command.options.get("preallocate")?.[0] === "on";
    this.#disk = new MemoryDisk(this.#preallocates);
    const { store, operations } = createLog(identity, this.#config);
    this.#store = store;
    return this.#carryOut(operations);
  }

  #restart(): readonly string[] {
    const log = recoverLog(this.#segments, this.#config);
    this.#store = log.ok ? log.store : undefined;
    return [...(log.ok ? this.#carryOut(log.operations) : []), ...describeRecovery(log)];
  }

  #start(command: Command): readonly string[] {
    const config = { ...defaultMemberConfig, ...this.#config };
    const canBeFilledUp = command.options.get("others")?.[0] !== "none";
    const applied = positionOf(command);
    const installedAt = command.options.has("installed") ? applied.index : noIndex;
    const log = openLog({ segments: this.#segments, identity, config, applied, installedAt, canBeFilledUp });
    this.#store = log.ok ? log.store : undefined;
    if (!log.ok) return [`refused: ${log.reason}`];
    const lines = [...this.#carryOut(log.operations), ...describeRecovery({ ...log, identity })];
    return log.hardState.isRecovering ? [...lines, "it recovers"] : lines;
  }

  #carryOut(operations: readonly LogOperation[]): readonly string[] {
    const lines: string[] = [];
    for (const operation of operations) {
      this.#disk.carryOut([operation]);
      if (operation.type === "create") lines.push(`begins ${operation.segment}`);
      else if (operation.type === "remove") lines.push(`removes ${operation.segment}`);
      else if (operation.type === "truncate") lines.push(`cuts ${operation.segment}`);
      else if (operation.type === "setAside") lines.push(`sets ${operation.segment} aside`);
      else {
        const { segment, offset, bytes } = operation;
        this.#newest = { segment, offset, end: offset + bytes.length };
      }
    }
    return lines;
  }

  #tear(keep: number): void {
    const newest = this.#newest;
    assert(newest !== undefined, "nothing was written yet");
    const from = newest.offset + keep;
    // Space that was preallocated goes on after the record, and is zeros.
    this.#change(newest.segment, (bytes) => (bytes.length > newest.end ? bytes.fill(0, from) : bytes.slice(0, from)));
  }

  #rot(name: string): void {
    const wanted = utf8Encode(name);
    const found = this.#segments.findLast(({ bytes }) => lastPlaceOf(bytes, wanted) >= 0);
    assert(found !== undefined, "no entry of that name is on the disk");
    this.#change(found.name, (bytes) => {
      const changed = bytes.slice();
      const place = lastPlaceOf(bytes, wanted);
      changed[place] = (changed[place] as number) ^ 1;
      return changed;
    });
  }

  #change(name: string, how: (bytes: Uint8Array) => Uint8Array): void {
    this.#replace(this.#segments.map((each) => (each.name === name ? { name, bytes: how(each.bytes) } : each)));
  }
}

function writeOf(command: Command): { hardState: HardState | undefined; entries: readonly Entry[] } {
  const bytes = numberOf(command, "bytes", 0);
  const entries = command.words.map((word) => {
    const { index, term } = placeOf(word);
    return entry(index, term, word.padEnd(bytes, "."));
  });
  return { hardState: hardStateOf(command), entries };
}

function hardStateOf(command: Command): HardState | undefined {
  if (!command.options.has("term")) return undefined;
  const vote = numberOf(command, "vote", 0);
  const plain = hardState(1, vote === 0 ? undefined : vote, numberOf(command, "commit", 0));
  return { ...plain, term: base(0, numberOf(command, "term", 0)).term };
}

function positionOf(command: Command): ReturnType<typeof base> {
  const { index, term } = placeOf(command.words[0] as string);
  return base(index, term);
}

/** `4@1`: entry 4 of term 1. */
function placeOf(word: string): { readonly index: number; readonly term: number } {
  const [index, term] = word.split("@").map(Number);
  return { index: index as number, term: term as number };
}

function numberOf(command: Command, option: string, standard: number): number {
  const word = command.options.get(option)?.[0];
  return word === undefined ? standard : Number(word);
}

function lastPlaceOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let place = bytes.length - wanted.length; place >= 0; place--) {
    if (wanted.every((byte, position) => bytes[place + position] === byte)) return place;
  }
  return -1;
}

function describeRecovery(log: LogRecovery): readonly string[] {
  if (!log.ok) return [`refused: ${log.reason}`];
  const { term, votedFor, commitIndex } = log.hardState;
  const vote = votedFor === undefined || votedFor === memberIdOf(0n) ? "none" : hexOf(votedFor);
  const entries = [...log.entries].map(describeEntry).join(", ");
  return [
    ...log.notes.map((note) => `note: ${note}`),
    `term=${term} vote=${vote} commit=${commitIndex}, after ${log.base.term}/${log.base.index}: [${entries}]`,
  ];
}
