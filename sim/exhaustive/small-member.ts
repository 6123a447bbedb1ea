/*
 * One member of a small world: the Raft machine of core with a disk beside it and nothing else. A choice is made at it,
 * and it says what it sent and what clients heard. Writes are done in order; a crash loses those that are not.
 * What the rest of a member does with a Ready is repeated here; its order of durability is that of core/member.ts.
 */
import {
  assert,
  blankHardState,
  type Configuration,
  defaultMemberConfig,
  type Entry,
  type HardState,
  type LogIndex,
  type MemberConfig,
  type MemberId,
  memberIdOf,
  noIndex,
  noTerm,
  Raft,
  type RaftMessage,
  type Random,
  type Ready,
  utf8Encode,
} from "../../core/index.ts";
import type { SmallScenario } from "../../scenarios/small/small-scenario.ts";

/** What may happen at one member. Writes and reads are numbered from 0 over the whole path. */
export type Choice =
  | { readonly type: "timeout" }
  | { readonly type: "heartbeat" }
  | { readonly type: "crash" }
  | { readonly type: "wipe" }
  | { readonly type: "persist" }
  | { readonly type: "write"; readonly write: number }
  | { readonly type: "read"; readonly read: number }
  | { readonly type: "transfer"; readonly to: MemberId }
  | { readonly type: "deliver"; readonly message: RaftMessage };

/** What was in memory is gone. */
export const endsLife = ({ type }: Choice): boolean => type === "crash" || type === "wipe";

/** What came of a choice. */
export interface Outcome {
  readonly sent: RaftMessage[];
  /** Writes whose clients were told that they are done, and where they stand in the log. */
  readonly acknowledged: { readonly write: number; readonly index: LogIndex }[];
  /** Reads that were answered, and with the state after which entry. */
  readonly served: { readonly read: number; readonly index: LogIndex }[];
  /** Reads that will get no answer. */
  readonly abandoned: number[];
}

interface PendingWrite {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  /** Leave when the write is done. */
  readonly messages: RaftMessage[];
}

/** What survives a crash. */
interface Disk {
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
}

/** Data of the n-th write, from 0: one letter. */
export const dataOfWrite = (write: number): string => String.fromCharCode(97 + write);

/** No chance here: every election timeout is the shortest, since when it passes is a choice. */
const noChance: Random = { nextUint32: () => 0, below: () => 0, fork: () => noChance };

export const configOf = (scenario: SmallScenario): MemberConfig => ({
  ...defaultMemberConfig,
  electionTicks: 2,
  ...scenario.config,
});

export class SmallMember {
  readonly id: MemberId;
  readonly #scenario: SmallScenario;
  readonly #config: MemberConfig;
  readonly #configuration: Configuration;
  raft: Raft;
  disk: Disk = { hardState: blankHardState, entries: [] };
  #pending: PendingWrite[] = [];
  /** Differs from what is written in its commit index alone: it goes along with the next write. */
  #unwritten: HardState | undefined;
  #incarnation = 1;
  /** Proposed in this life, and their clients still wait. */
  #writes: number[] = [];
  /** Proven, and waiting until that much is applied. */
  #reads: { readonly read: number; readonly readIndex: LogIndex }[] = [];

  constructor(id: MemberId, scenario: SmallScenario) {
    this.id = id;
    this.#scenario = scenario;
    this.#config = configOf(scenario);
    const voters = Array.from({ length: scenario.members }, (_none, slot) => memberIdOf(BigInt(slot + 1)));
    this.#configuration = { voters, outgoing: [], learners: [] };
    this.raft = this.#begin("sound");
  }

  get hasPendingWrites(): boolean {
    return this.#pending.length > 0;
  }

  /** All that decides what this member will do. */
  get contents(): { readonly [part: string]: unknown } {
    return {
      disk: this.disk,
      incarnation: this.#incarnation,
      pending: this.#pending,
      raft: this.raft,
      reads: this.#reads,
      unwritten: this.#unwritten,
      writes: this.#writes,
    };
  }

  /** @throws InvariantViolation when core finds that something is broken */
  choose(choice: Choice): Outcome {
    const outcome: Outcome = { sent: [], acknowledged: [], served: [], abandoned: [] };
    switch (choice.type) {
      case "timeout":
        for (let tick = 0; tick < this.#config.electionTicks; tick++) this.raft.tick();
        break;
      case "heartbeat":
        this.raft.tick();
        break;
      case "crash":
        this.#crash();
        break;
      case "wipe":
        this.disk = { hardState: blankHardState, entries: [] };
        this.#crash();
        break;
      case "persist":
        this.#finishWrite(outcome);
        break;
      case "write":
        if (this.raft.propose([utf8Encode(dataOfWrite(choice.write))]) === "appended") this.#writes.push(choice.write);
        break;
      case "read":
        if (this.raft.requestRead(choice.read) === "noLeader") outcome.abandoned.push(choice.read);
        break;
      case "transfer":
        this.raft.transferLeadership(choice.to);
        break;
      case "deliver":
        if (choice.message.type === "snapshotChunk" || choice.message.type === "snapshotChunkReply") {
          throw new Error("nothing is compacted in a small scenario, so no snapshot can be on its way");
        }
        this.raft.step(choice.message);
        break;
    }
    while (this.raft.hasReady()) this.#carryOut(this.raft.takeReady(), outcome);
    return outcome;
  }

  #begin(standing: "sound" | "checking"): Raft {
    return new Raft({
      id: this.id,
      configuration: this.#configuration,
      config: this.#config,
      hardState: this.disk.hardState,
      snapshotIndex: noIndex,
      snapshotTerm: noTerm,
      entries: this.disk.entries,
      appliedIndex: noIndex,
      random: noChance,
      incarnation: this.#incarnation,
      standing,
      hasServed: () => false,
      wasVoter: () => false,
    });
  }

  #crash(): void {
    this.#pending = [];
    this.#unwritten = undefined;
    this.#writes = [];
    this.#reads = [];
    this.#incarnation += 1;
    this.raft = this.#begin(this.#scenario.asksOthers ? "checking" : "sound");
  }

  #carryOut(ready: Ready, outcome: Outcome): void {
    outcome.sent.push(...ready.messages);
    this.#write(ready, outcome);
    let applied = this.raft.appliedIndex;
    for (const entry of ready.committed) {
      assert(entry.index === applied + 1, "entries are handed out in order, each once", entry.index, applied);
      assert(entry.index <= this.raft.stableIndex, "only durable entries are handed out", entry.index);
      applied = entry.index;
      const position = this.#writes.findIndex((write) => isDataOf(write, entry));
      if (position < 0) continue;
      const [write] = this.#writes.splice(position, 1);
      if (write !== undefined) outcome.acknowledged.push({ write, index: entry.index });
    }
    if (ready.committed.length > 0) this.raft.appliedTo(applied);
    for (const { readContext, readIndex } of ready.readStates) this.#reads.push({ read: readContext, readIndex });
    outcome.abandoned.push(...ready.readsAborted);
    const due = this.#reads.filter(({ readIndex }) => readIndex <= applied);
    if (due.length === 0) return;
    this.#reads = this.#reads.filter(({ readIndex }) => readIndex > applied);
    for (const { read } of due) outcome.served.push({ read, index: applied });
  }

  #write(ready: Ready, outcome: Outcome): void {
    const { hardState, entries, messagesAfterPersist } = ready;
    if (ready.mustSync) {
      const write = { hardState: hardState ?? this.#unwritten, entries, messages: messagesAfterPersist.slice() };
      this.#unwritten = undefined;
      this.#pending.push(write);
      if (!this.#scenario.slowDisks) this.#finishWrite(outcome);
      return;
    }
    if (hardState !== undefined) this.#unwritten = hardState;
    (this.#pending.at(-1)?.messages ?? outcome.sent).push(...messagesAfterPersist);
  }

  #finishWrite(outcome: Outcome): void {
    const write = this.#pending.shift();
    assert(write !== undefined, "a write is done that was not begun", this.id);
    const { entries, messages } = write;
    const first = entries[0];
    const last = entries.at(-1);
    const kept =
      first === undefined ? this.disk.entries : this.disk.entries.filter((entry) => entry.index < first.index);
    this.disk = { hardState: write.hardState ?? this.disk.hardState, entries: [...kept, ...entries] };
    if (last !== undefined) this.raft.persisted(last.index, last.term);
    outcome.sent.push(...messages);
  }
}

function isDataOf(write: number, entry: Entry): boolean {
  return entry.kind === "command" && entry.data.length === 1 && entry.data[0] === dataOfWrite(write).charCodeAt(0);
}
