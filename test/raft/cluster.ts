/*
 * A handful of Raft machines without the rest of a member: a bag of messages between them, a disk each whose writes
 * finish in order and are lost by a crash until they have, and a state machine that is the list of applied entries.
 * Nothing happens by itself; a test says which message arrives and which write is done.
 */
import { assert } from "../../core/assert.ts";
import { emptyBytes, utf8Decode, utf8Encode } from "../../core/bytes.ts";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import {
  hexOf,
  indexOf,
  type LogIndex,
  type MemberId,
  memberIdOf,
  noIndex,
  noTerm,
  type Term,
} from "../../core/ids.ts";
import type { Random } from "../../core/ports.ts";
import { votersOf } from "../../core/raft/confchange.ts";
import { describeConfiguration, describeEntry } from "../../core/raft/describe.ts";
import { blankHardState } from "../../core/raft/hard-state.ts";
import type { Configuration, Entry, HardState, RaftMessage, SnapshotChunk } from "../../core/raft/message.ts";
import { Raft } from "../../core/raft/raft.ts";
import type { Ready } from "../../core/raft/ready.ts";
import { divergenceText } from "../../core/server/standing.ts";

/** What survives a crash. */
export interface Disk {
  hardState: HardState;
  baseIndex: LogIndex;
  baseTerm: Term;
  entries: Entry[];
  /** The applied state as of the last compaction or installed snapshot. */
  state: readonly Entry[];
  configuration: Configuration;
}

type Write =
  | {
      readonly type: "log";
      readonly hardState: HardState | undefined;
      readonly entries: readonly Entry[];
      readonly messages: RaftMessage[];
    }
  | {
      readonly type: "snapshot";
      readonly hardState: HardState;
      readonly index: LogIndex;
      readonly term: Term;
      readonly state: readonly Entry[];
      readonly configuration: Configuration;
      readonly keepsTail: boolean;
      readonly messages: RaftMessage[];
    };

export interface Node {
  readonly id: MemberId;
  readonly disk: Disk;
  raft: Raft;
  /** Under way, oldest first. */
  writes: Write[];
  /** Every entry applied, from index 1. */
  applied: Entry[];
  isUp: boolean;
  incarnation: number;
  /** Read contexts served: context → read index. */
  readonly served: Map<number, LogIndex>;
}

/** A configuration as the data of an entry: its JSON, ids as texts. */
export function configurationData(configuration: Configuration): Uint8Array {
  return utf8Encode(JSON.stringify(configuration, (_key, value) => (typeof value === "bigint" ? `${value}` : value)));
}

function readConfiguration(data: Uint8Array): Configuration {
  const texts: { [part in keyof Configuration]: string[] } = JSON.parse(utf8Decode(data));
  const ids = (part: readonly string[]): MemberId[] => part.map((text) => memberIdOf(BigInt(text)));
  return { voters: ids(texts.voters), outgoing: ids(texts.outgoing), learners: ids(texts.learners) };
}

export interface ClusterOptions {
  readonly configuration: Configuration;
  /** Members of no configuration yet. */
  readonly spare?: readonly MemberId[];
  readonly config?: Partial<MemberConfig>;
  readonly random: (id: MemberId) => Random;
  /** Writes wait for {@link Cluster.persist}; otherwise each is done at once. */
  readonly isDiskSlow: boolean;
  /** A leader leaves a joint configuration by itself; otherwise it stays until it is told. */
  readonly leavesJoint?: boolean;
  /** A member that starts asks the others what it may have forgotten; otherwise every disk is trusted. */
  readonly asksOthers?: boolean;
}

export class Cluster {
  readonly nodes: readonly Node[];
  /** Sent and neither delivered nor lost, oldest first. */
  inFlight: RaftMessage[] = [];
  /** What happened since the last look, in words. */
  events: string[] = [];
  private readonly options: ClusterOptions;
  private readonly config: MemberConfig;
  /** State machine contents of snapshots on their way, by transfer. */
  private readonly snapshots: (readonly Entry[])[] = [];

  constructor(options: ClusterOptions) {
    this.options = options;
    this.config = { ...defaultMemberConfig, ...options.config };
    const { voters, outgoing, learners } = options.configuration;
    const ids = [...new Set([...voters, ...outgoing, ...learners, ...(options.spare ?? [])])].sort((a, b) =>
      a < b ? -1 : 1,
    );
    this.nodes = ids.map((id) => this.newNode(id));
  }

  node(id: MemberId): Node {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`no member ${id}`);
    return found;
  }

  /** Calls into one machine and carries out everything that follows from it. */
  act(node: Node, call: (raft: Raft) => void): void {
    if (!node.isUp) return;
    const before = { role: node.raft.role, term: node.raft.term };
    call(node.raft);
    this.carryOut(node);
    if (before.role !== node.raft.role || (before.term !== node.raft.term && node.raft.role !== "follower")) {
      this.say(node, `becomes ${node.raft.role} of term ${node.raft.term}`);
    }
  }

  /** The message arrives; nothing happens at a member that is down. */
  deliver(message: RaftMessage): void {
    const node = this.node(message.to);
    if (message.type === "snapshotChunk") this.receiveSnapshot(node, message);
    else if (message.type === "snapshotChunkReply") this.act(node, (raft) => void raft.acceptSnapshotMessage(message));
    else this.act(node, (raft) => raft.step(message));
  }

  /** The oldest write of that member is done. False when none is under way. */
  persist(node: Node): boolean {
    const write = node.writes.shift();
    if (write === undefined) return false;
    this.act(node, (raft) => {
      this.finishWrite(node, write, raft);
      this.inFlight.push(...write.messages);
    });
    return true;
  }

  /** What was not on disk is gone. */
  crash(node: Node): void {
    node.isUp = false;
    node.writes = [];
  }

  restart(node: Node, life = node.incarnation + 1): void {
    node.isUp = true;
    node.incarnation = life;
    node.applied = node.disk.state.slice();
    node.raft = this.newRaft(node);
    this.carryOut(node);
  }

  copyDisk(node: Node): Disk {
    return { ...node.disk, entries: node.disk.entries.slice() };
  }

  /** The member goes down and its disk is as it was then. */
  restoreDisk(node: Node, copy: Disk): void {
    this.crash(node);
    Object.assign(node.disk, copy, { entries: copy.entries.slice() });
  }

  /** Makes the applied state up to `index` durable and forgets the log up to there. */
  compact(node: Node, index: LogIndex): void {
    const { disk } = node;
    assert(index <= node.applied.length, "a test compacts what is applied", index);
    disk.state = node.applied.slice(0, index);
    const changes = disk.state.filter((entry) => entry.kind === "configuration");
    const last = changes[changes.length - 1];
    if (last !== undefined) disk.configuration = readConfiguration(last.data);
    const kept = disk.entries.filter((entry) => entry.index > index);
    disk.baseTerm = (disk.entries.find((entry) => entry.index === index) ?? { term: disk.baseTerm }).term;
    disk.baseIndex = index;
    disk.entries = kept;
    node.raft.compactTo(index);
  }

  /** Sends everything the member has applied as one chunk. */
  sendSnapshot(from: Node, to: MemberId): void {
    const last = from.applied[from.applied.length - 1];
    this.snapshots.push(from.applied.slice());
    this.inFlight.push({
      type: "snapshotChunk",
      from: from.id,
      to,
      term: from.raft.term,
      transferId: this.snapshots.length,
      snapshotIndex: last?.index ?? noIndex,
      snapshotTerm: last?.term ?? noTerm,
      configuration: from.raft.configuration,
      chunk: 0,
      last: true,
      bytes: emptyBytes,
    });
  }

  /** A member resends lost chunks; here a lost snapshot is given up now and then. */
  abortSnapshots(from: readonly Node[] = this.nodes, to: readonly Node[] = this.nodes): void {
    for (const node of from) {
      for (const { id } of to) this.act(node, (raft) => raft.snapshotAborted(id));
    }
  }

  say(node: Node, text: string): void {
    this.events.push(`${hexOf(node.id)} ${text}`);
  }

  private receiveSnapshot(node: Node, chunk: SnapshotChunk): void {
    this.act(node, (raft) => {
      if (!raft.acceptSnapshotMessage(chunk)) return;
      const { snapshotIndex: index, snapshotTerm: term, configuration } = chunk;
      const keepsTail = raft.termAt(index) === term;
      if (!raft.installSnapshot({ index, term, configuration })) return;
      const state = this.snapshots[chunk.transferId - 1] as readonly Entry[];
      node.applied = state.slice();
      this.say(node, `installs a snapshot up to ${index}${keepsTail ? " and keeps the tail" : ""}`);
      const { hardState } = raft;
      this.write(node, { type: "snapshot", hardState, index, term, configuration, state, keepsTail, messages: [] });
    });
  }

  private carryOut(node: Node): void {
    while (node.raft.hasReady()) this.carryOutReady(node, node.raft.takeReady());
    const { outlivedBy, divergence } = node.raft;
    if (outlivedBy === 0 && divergence === undefined) return;
    this.crash(node);
    if (divergence !== undefined) this.say(node, `ends: ${divergenceText(divergence, node.raft, [])}`);
    else this.say(node, `ends in its life ${node.incarnation}: others have met its life ${outlivedBy}`);
  }

  private carryOutReady(node: Node, ready: Ready): void {
    this.inFlight.push(...ready.messages);
    const { hardState, entries } = ready;
    if (hardState !== undefined || entries.length > 0) {
      assert(ready.mustSync || entries.length === 0, "entries are synced");
      this.write(node, { type: "log", hardState, entries, messages: [...ready.messagesAfterPersist] });
    } else if (ready.messagesAfterPersist.length > 0) {
      const newest = node.writes[node.writes.length - 1];
      (newest?.messages ?? this.inFlight).push(...ready.messagesAfterPersist);
    }
    for (const entry of ready.committed) {
      assert(entry.index === node.applied.length + 1, "entries are applied in order, each once", entry.index);
      assert(entry.index <= node.raft.stableIndex, "only durable entries are applied", entry.index);
      node.applied.push(entry);
      if (entry.kind === "command") this.say(node, `applies ${describeEntry(entry)}`);
      else if (entry.kind === "configuration") this.configure(node, entry);
    }
    if (ready.committed.length > 0) node.raft.appliedTo(indexOf(node.applied.length));
    for (const { readContext, readIndex } of ready.readStates) {
      node.served.set(readContext, readIndex);
      this.say(node, `may serve read ${readContext} at index ${readIndex}`);
    }
    for (const readContext of ready.readsAborted) this.say(node, `gives up read ${readContext}`);
    for (const command of ready.dropped)
      this.say(node, `drops ${JSON.stringify(utf8Decode(command))} of another member`);
    for (const to of ready.snapshotsWanted) {
      this.say(node, `sends a snapshot to ${hexOf(to)}`);
      this.sendSnapshot(node, to);
    }
  }

  private configure(node: Node, entry: Entry): void {
    const configuration = readConfiguration(entry.data);
    this.say(node, `applies ${entry.term}/${entry.index} ${describeConfiguration(configuration)}`);
    node.raft.applyConfiguration(configuration);
  }

  /** By a list that member has applied. */
  private votedBefore(by: MemberId, id: MemberId): boolean {
    const changes = this.node(by).applied.filter((entry) => entry.kind === "configuration");
    const lists = [this.options.configuration, ...changes.map((entry) => readConfiguration(entry.data))];
    return lists.some((list) => votersOf(list).includes(id));
  }

  private write(node: Node, write: Write): void {
    node.writes.push(write);
    if (this.options.isDiskSlow) return;
    node.writes.pop();
    this.finishWrite(node, write, node.raft);
    this.inFlight.push(...write.messages);
  }

  private finishWrite(node: Node, write: Write, raft: Raft): void {
    const { disk } = node;
    if (write.type === "snapshot") {
      const tail = write.keepsTail ? disk.entries.filter((entry) => entry.index > write.index) : [];
      disk.hardState = write.hardState;
      disk.baseIndex = write.index;
      disk.baseTerm = write.term;
      disk.entries = tail;
      disk.state = write.state;
      disk.configuration = write.configuration;
      return;
    }
    if (write.hardState !== undefined) disk.hardState = write.hardState;
    const first = write.entries[0];
    const last = write.entries[write.entries.length - 1];
    if (first === undefined || last === undefined) return;
    disk.entries = disk.entries.filter((entry) => entry.index < first.index);
    for (const entry of write.entries) {
      if (entry.index <= disk.baseIndex) continue;
      assert(entry.index === disk.baseIndex + disk.entries.length + 1, "the disk has no gap", entry.index);
      disk.entries.push(entry);
    }
    raft.persisted(last.index, last.term);
  }

  private newNode(id: MemberId): Node {
    const disk: Disk = {
      hardState: blankHardState,
      baseIndex: noIndex,
      baseTerm: noTerm,
      entries: [],
      state: [],
      configuration: this.options.configuration,
    };
    const node = { id, disk, writes: [], applied: [], isUp: true, incarnation: 1, served: new Map<number, LogIndex>() };
    return { ...node, raft: this.newRaft(node) };
  }

  private newRaft(node: Pick<Node, "id" | "disk" | "incarnation">): Raft {
    const { disk } = node;
    return new Raft({
      id: node.id,
      configuration: disk.configuration,
      config: this.config,
      hardState: disk.hardState,
      snapshotIndex: disk.baseIndex,
      snapshotTerm: disk.baseTerm,
      entries: disk.entries,
      appliedIndex: indexOf(disk.state.length),
      random: this.options.random(node.id),
      incarnation: node.incarnation,
      standing: this.options.asksOthers ? "checking" : "sound",
      hasServed: () => false,
      wasVoter: (id) => this.votedBefore(node.id, id),
      ...(this.options.leavesJoint === true
        ? { leaveJoint: ({ voters, learners }) => configurationData({ voters, outgoing: [], learners }) }
        : {}),
    });
  }
}
