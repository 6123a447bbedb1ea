/*
 * Three to five machines under everything the network and the disks may do: loss, copies, any order, messages of any
 * age, slow writes, crashes that lose what was not written, compaction, snapshots, transfers. After every step the five
 * properties of the Raft paper (figure 3) are checked, and at the end, when all is well again, that the cluster works.
 */
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { assert } from "../../core/assert.ts";
import { utf8Decode, utf8Encode } from "../../core/bytes.ts";
import { compareIds, indexOf, type LogIndex, type MemberId, memberIdOf, noTerm } from "../../core/ids.ts";
import type { Configuration, Entry, RaftMessage } from "../../core/raft/message.ts";
import { majorityOf } from "../../core/raft/quorum.ts";
import { SimRandom } from "../../sim/random.ts";
import { Cluster, type Disk, type Node } from "./cluster.ts";

/** Weights of what may happen next; 0 switches a kind off for the whole run. */
interface Weather {
  readonly seed: number;
  readonly steps: number;
  readonly members: number;
  readonly shape: "plain" | "learner" | "joint" | "sole";
  readonly isDiskSlow: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly electionTicks: number;
  readonly appendBytesMax: number;
  readonly appendsInFlightMax: number;
  readonly appendsInFlightBytesMax: number;
  readonly isOrdered: boolean;
  readonly tick: number;
  readonly persist: number;
  readonly drop: number;
  readonly copy: number;
  readonly crash: number;
  readonly compact: number;
  readonly transfer: number;
  readonly isolate: number;
  /** A member that starts asks the others what it may have forgotten. */
  readonly asksOthers: boolean;
  /** One member at a time gets an older state of its disk back; only where the others are asked. */
  readonly restore: number;
}

const weather: fc.Arbitrary<Weather> = fc.record({
  seed: fc.nat(1_000_000_000),
  steps: fc.constantFrom(200, 600, 1500),
  members: fc.constantFrom(3, 3, 4, 5),
  shape: fc.constantFrom("plain", "plain", "learner", "joint", "sole"),
  isDiskSlow: fc.boolean(),
  preVote: fc.boolean(),
  checkQuorum: fc.boolean(),
  electionTicks: fc.constantFrom(2, 3, 6),
  appendBytesMax: fc.constantFrom(0, 50, 1_000_000),
  appendsInFlightMax: fc.constantFrom(1, 2, 16),
  appendsInFlightBytesMax: fc.constantFrom(1, 60, 1_000_000),
  isOrdered: fc.boolean(),
  tick: fc.constantFrom(10, 30, 80),
  persist: fc.constantFrom(5, 30),
  drop: fc.constantFrom(0, 5, 30),
  copy: fc.constantFrom(0, 2, 10),
  crash: fc.constantFrom(0, 1, 4),
  compact: fc.constantFrom(0, 1, 3),
  transfer: fc.constantFrom(0, 1),
  isolate: fc.constantFrom(0, 1, 2),
  asksOthers: fc.boolean(),
  restore: fc.constantFrom(0, 1, 4),
});

test.prop([weather], { numRuns: 100 })(
  "no loss, copy, delay, crash or slow disk makes the members disagree, and they recover from all of it",
  (drawn) => {
    const storm = new Storm(drawn);
    for (let step = 0; step < drawn.steps; step++) storm.step();
    storm.calmDown();
  },
);

/** The entry of one index and term, wherever it is found: one content, one predecessor. */
interface Known {
  readonly entry: Entry;
  readonly prevTerm: number;
}

class Storm {
  private readonly weather: Weather;
  private readonly random: SimRandom;
  private readonly cluster: Cluster;
  private readonly archive: RaftMessage[] = [];
  private readonly isolated = new Set<MemberId>();
  private readonly leaders = new Map<number, MemberId>();
  private readonly known = new Map<string, Known>();
  /** By index − 1: what was committed, and the term of the member that first said so. */
  private readonly committed: { readonly entry: Entry; readonly seenInTerm: number }[] = [];
  private readonly commitSeen = new Map<Node, { incarnation: number; commitIndex: LogIndex }>();
  /** Reads under way: what was known committed anywhere when each was asked. */
  private readonly reads = new Map<string, number>();
  /** Copies of disks, oldest first. */
  private readonly copies: { readonly node: Node; readonly disk: Disk }[] = [];
  /** The member whose disk was put back last; it counts again once it is sound. */
  private restored: Node | undefined;
  /** The same, until that it forgot is on its disk. */
  private unfound: Node | undefined;
  private lastName = 0;

  constructor(drawn: Weather) {
    this.weather = drawn;
    this.random = new SimRandom(drawn.seed);
    this.cluster = new Cluster({
      configuration: configurationOf(drawn),
      config: drawn,
      random: (id) => this.random.fork(`election/${id}`),
      isDiskSlow: drawn.isDiskSlow,
      asksOthers: drawn.asksOthers,
    });
  }

  step(): void {
    const { weather: weights, random } = this;
    const kinds = [
      ["deliver", 60],
      ["tick", weights.tick],
      ["persist", weights.isDiskSlow ? weights.persist : 0],
      ["propose", 6],
      ["read", 3],
      ["drop", weights.drop],
      ["copy", weights.copy],
      ["crash", weights.crash],
      ["restart", 4],
      ["copyDisk", weights.asksOthers ? 2 * weights.restore : 0],
      ["restore", weights.asksOthers ? weights.restore : 0],
      ["compact", weights.compact],
      ["transfer", weights.transfer],
      ["isolate", weights.isolate],
      ["heal", 2],
    ] as const;
    let draw = random.below(kinds.reduce((sum, [, weight]) => sum + weight, 0));
    const [kind] = kinds.find(([, weight]) => {
      draw -= weight;
      return draw < 0;
    }) ?? ["tick"];
    this.perform(kind, this.victim(kind));
    this.check();
  }

  /** Everything works again: there must be a leader, and a new entry must reach everyone. */
  calmDown(): void {
    const { cluster } = this;
    this.isolated.clear();
    for (const node of cluster.nodes) if (!node.isUp) cluster.restart(node);
    const name = `last-${++this.lastName}`;
    for (let round = 0; round < 40 * this.weather.electionTicks; round++) {
      for (const node of cluster.nodes) cluster.act(node, (raft) => raft.tick());
      this.settle();
      const leader = cluster.nodes.find((node) => node.raft.role === "leader");
      if (leader === undefined) continue;
      this.cluster.abortSnapshots([leader]);
      if (round % 5 === 0) cluster.act(leader, (raft) => void raft.propose([utf8Encode(name)]));
      this.settle();
      const isEverywhere = cluster.nodes.every((node) => node.applied.some((entry) => utf8Decode(entry.data) === name));
      if (isEverywhere) return;
    }
    expect.fail("the cluster does not work although nothing is wrong any more");
  }

  private settle(): void {
    const { cluster } = this;
    for (let count = 0; count < 5_000; count++) {
      let isBusy = false;
      for (const node of cluster.nodes) isBusy = cluster.persist(node) || isBusy;
      const message = cluster.inFlight.shift();
      if (message !== undefined) cluster.deliver(message);
      else if (!isBusy) return;
      this.check();
    }
    expect.fail("messages never end");
  }

  /** Any member; for a restart one that is down, and for trouble in every second case one that leads. */
  private victim(kind: string): Node {
    const { nodes } = this.cluster;
    const any = nodes[this.random.below(nodes.length)] as Node;
    if (kind === "restart") return nodes.find((node) => !node.isUp) ?? any;
    if ((kind !== "isolate" && kind !== "crash" && kind !== "restore") || this.random.below(2) === 0) return any;
    return nodes.find((node) => node.isUp && node.raft.role === "leader") ?? any;
  }

  private perform(kind: string, node: Node): void {
    const { cluster, random } = this;
    switch (kind) {
      case "deliver": {
        const message = this.takeMessage();
        if (message === undefined) return;
        this.archive[random.below(200)] = message;
        const isCut = this.isolated.has(message.from) || this.isolated.has(message.to);
        if (!isCut) cluster.deliver(message);
        return;
      }
      case "drop":
        this.takeMessage();
        return;
      case "copy": {
        const message = this.archive[random.below(200)];
        if (message !== undefined) cluster.deliver(message);
        return;
      }
      case "tick":
        cluster.act(node, (raft) => raft.tick());
        return;
      case "persist":
        cluster.persist(node);
        return;
      case "propose": {
        const names = Array.from({ length: 1 + random.below(3) }, () => utf8Encode(`c${++this.lastName}`));
        cluster.act(node, (raft) => void raft.propose(names));
        return;
      }
      case "read": {
        const context = ++this.lastName;
        this.reads.set(readName(node, context), this.committed.length);
        cluster.act(node, (raft) => void raft.requestRead(context));
        return;
      }
      case "crash":
        // What the others remember of it is all there is to find out with.
        if (node.isUp && (this.unfound === undefined || this.unfound === node)) cluster.crash(node);
        return;
      case "restart":
        if (!node.isUp) cluster.restart(node);
        return;
      case "copyDisk":
        this.copies.push({ node, disk: cluster.copyDisk(node) });
        return;
      case "restore":
        this.restore(node);
        return;
      case "compact":
        if (!node.isUp || node.writes.length > 0 || node.applied.length <= node.disk.baseIndex) return;
        cluster.compact(node, indexOf(node.applied.length - random.below(2)));
        return;
      case "transfer":
        cluster.act(node, (raft) => {
          const { voters } = raft.configuration;
          raft.transferLeadership(voters[random.below(voters.length)] as MemberId);
        });
        return;
      case "isolate":
        this.isolated.add(node.id);
        return;
      case "heal":
        this.isolated.clear();
        for (const sick of cluster.nodes) {
          if (sick.isUp && sick.raft.role === "leader") this.cluster.abortSnapshots([sick]);
        }
        return;
      default:
        throw new Error(kind);
    }
  }

  /**
   * Puts an older state back, if so many others remember more that among any that could let this member go on there is
   * one of them. Only one member at a time forgets.
   */
  private restore(node: Node): void {
    const { cluster, random, restored } = this;
    if (restored !== undefined) {
      const isWell = restored.isUp && restored.raft.standing === "sound" && !restored.disk.hardState.isRecovering;
      if (!isWell) return;
    }
    const copies = this.copies.filter((copy) => copy.node === node);
    const copy = copies[random.below(Math.max(1, copies.length))];
    if (copy === undefined) return;
    const { voters, outgoing } = configurationOf(this.weather);
    for (const half of [voters, outgoing]) {
      if (half.length === 0) continue;
      if (half.length === 1 && half[0] === node.id) return;
      const knowers = half.filter((id) => id !== node.id && this.knowsMore(cluster.node(id), node, copy.disk));
      if (knowers.length < half.length - majorityOf(half.length) + 1) return;
    }
    cluster.restoreDisk(node, copy.disk);
    this.copies.splice(0, this.copies.length, ...this.copies.filter((one) => one.node !== node));
    cluster.restart(node);
    this.restored = node;
    this.unfound = node;
  }

  /** What that member would answer if it were asked. */
  private knowsMore(member: Node, about: Node, disk: Disk): boolean {
    if (!member.isUp) return false;
    const { cluster } = this;
    const sent = cluster.inFlight;
    cluster.inFlight = [];
    cluster.deliver({
      type: "hello",
      from: about.id,
      to: member.id,
      term: noTerm,
      incarnation: about.incarnation,
    });
    const reply = cluster.inFlight.find((message) => message.type === "helloReply");
    cluster.inFlight = sent;
    if (reply?.type !== "helloReply") return false;
    const lastIndex = disk.baseIndex + disk.entries.length;
    return reply.seenTerm > disk.hardState.term || reply.heldIndex > lastIndex;
  }

  private takeMessage(): RaftMessage | undefined {
    const { inFlight } = this.cluster;
    if (inFlight.length === 0) return undefined;
    const position = this.weather.isOrdered ? 0 : this.random.below(inFlight.length);
    return inFlight.splice(position, 1)[0];
  }

  // ---- what must hold after every step -------------------------------------------------------------------------

  private check(): void {
    this.cluster.events = [];
    if (this.unfound?.disk.hardState.isRecovering === true) this.unfound = undefined;
    for (const node of this.cluster.nodes) {
      if (!node.isUp) continue;
      this.checkElectionSafety(node);
      this.checkLogMatching(node);
      this.checkCommitted(node);
      this.checkReads(node);
    }
    for (const node of this.cluster.nodes) if (node.isUp && node.raft.role === "leader") this.checkCompleteness(node);
  }

  private checkElectionSafety({ raft }: Node): void {
    if (raft.role !== "leader") return;
    const before = this.leaders.get(raft.term);
    assert(before === undefined || before === raft.id, "two members led one term", raft.term);
    this.leaders.set(raft.term, raft.id);
  }

  private checkLogMatching({ raft }: Node): void {
    // A sole voter keeps to itself what it appended in a term that is not on its disk: a crash undoes term and entries.
    const isSilent =
      this.weather.shape === "sole" && raft.role === "leader" && raft.termAt(raft.stableIndex) !== raft.term;
    const lastIndex = isSilent ? raft.stableIndex : raft.lastIndex;
    for (let index = raft.firstIndex as number; index <= lastIndex; index++) {
      const entry = raft.entryAt(indexOf(index)) as Entry;
      const prevTerm = raft.termAt(indexOf(index - 1)) as number;
      const name = `${index}/${entry.term}`;
      const known = this.known.get(name);
      if (known === undefined) this.known.set(name, { entry, prevTerm });
      else {
        assert(known.entry.data === entry.data, "one index and term has two contents", name);
        assert(known.prevTerm === prevTerm, "one index and term has two predecessors", name);
      }
    }
  }

  private checkCommitted(node: Node): void {
    const { raft, applied } = node;
    const seen = this.commitSeen.get(node);
    const isSameLife = seen?.incarnation === node.incarnation;
    assert(!isSameLife || raft.commitIndex >= seen.commitIndex, "the commit index fell", raft.id);
    this.commitSeen.set(node, { incarnation: node.incarnation, commitIndex: raft.commitIndex });
    for (let index = raft.firstIndex as number; index <= raft.commitIndex; index++) {
      const entry = raft.entryAt(indexOf(index)) as Entry;
      const before = this.committed[index - 1];
      if (before !== undefined) {
        assert(before.entry.term === entry.term, "two entries were committed at one index", index);
        continue;
      }
      assert(this.committed.length === index - 1, "commits leave no gap", index);
      this.checkDurable(entry);
      const copies = this.committed.filter((one) => one.entry.kind === "command" && one.entry.data === entry.data);
      assert(copies.length === 0, "one proposal was committed twice", index);
      this.committed.push({ entry, seenInTerm: raft.term });
    }
    for (let position = node.disk.state.length; position < applied.length; position++) {
      const known = this.committed[position];
      assert(
        known?.entry.term === applied[position]?.term,
        "an entry was applied that was not committed",
        position + 1,
      );
    }
  }

  /** Whatever is committed is on the disks of a majority, of both halves if there are two. */
  private checkDurable(entry: Entry): void {
    const { voters, outgoing } = configurationOf(this.weather);
    for (const half of [voters, outgoing]) {
      if (half.length === 0) continue;
      const holders = half.filter((id) => {
        const member = this.cluster.node(id);
        // What it said before it forgot may count until others have heard; the entry is recovered from them.
        if (member === this.restored && member.raft.standing !== "sound") return true;
        const { disk } = member;
        if (entry.index <= disk.baseIndex) return true;
        return disk.entries[entry.index - disk.baseIndex - 1]?.term === entry.term;
      });
      assert(holders.length >= majorityOf(half.length), "an entry was committed before it was durable", entry.index);
    }
  }

  private checkCompleteness({ raft }: Node): void {
    this.committed.forEach(({ entry, seenInTerm }, position) => {
      if (seenInTerm >= raft.term || position + 1 < raft.firstIndex) return;
      assert(raft.termAt(entry.index) === entry.term, "a leader lacks what was committed before its term", entry.index);
    });
  }

  /** A read sees everything that anybody knew as committed when it was asked. */
  private checkReads(node: Node): void {
    for (const [context, readIndex] of node.served) {
      const least = this.reads.get(readName(node, context));
      assert(least !== undefined, "a read was served that nobody asked for in this life", context);
      assert(readIndex >= least, "a read is older than what was committed when it was asked", readIndex, least);
    }
    node.served.clear();
  }
}

const readName = (node: Node, context: number): string => `${node.id}/${node.incarnation}/${context}`;

function configurationOf({ members, shape }: Weather): Configuration {
  const ids = Array.from({ length: members }, (_, position) => memberIdOf(BigInt(position + 1))).sort(compareIds);
  switch (shape) {
    case "plain":
      return { voters: ids, outgoing: [], learners: [] };
    case "learner":
      return { voters: ids.slice(0, -1), outgoing: [], learners: ids.slice(-1) };
    case "sole":
      return { voters: ids.slice(0, 1), outgoing: [], learners: ids.slice(1) };
    case "joint":
      return { voters: ids.slice(0, -1), outgoing: ids.slice(1), learners: [] };
  }
}
