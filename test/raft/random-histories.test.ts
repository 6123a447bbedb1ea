/*
 * A founder gets its disk from the time when it was alone back, leads alone, writes, takes learners in and forgets the
 * beginning of its log, and then meets the cluster that went on without it: running, or started again. The others are
 * harmed by nothing it says; it ends, or it holds what they hold.
 */
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { utf8Decode, utf8Encode } from "../../core/bytes.ts";
import { indexOf, memberIdOf } from "../../core/ids.ts";
import type { Entry } from "../../core/raft/message.ts";
import { SimRandom } from "../../sim/random.ts";
import { Cluster, configurationData, type Disk, type Node } from "./cluster.ts";

const idsOf = (numbers: readonly number[]) => numbers.map((id) => memberIdOf(BigInt(id)));

test.prop([fc.nat(1_000_000_000)], { numRuns: 200 })(
  "a founder with a history of its own harms nobody, and takes none of theirs for its own",
  (seed) => {
    const meeting = new Meeting(seed);
    const copy = meeting.foundAndGrow();
    meeting.leadAlone(copy);
    meeting.meet();
    meeting.judge();
  },
);

class Meeting {
  private readonly random: SimRandom;
  private readonly cluster: Cluster;
  private readonly founder: Node;
  /** Members 2 and 3: the cluster that goes on. */
  private readonly others: readonly Node[];
  private readonly hasLearner: boolean;
  private isAlone = false;
  /** What the founder applied as the only voter, after its disk was put back. */
  private readonly acknowledged = new Set<string>();
  private hasEnded = false;
  private isWritten = 0;

  constructor(seed: number) {
    const random = new SimRandom(seed);
    this.random = random;
    this.hasLearner = random.below(2) === 0;
    this.cluster = new Cluster({
      configuration: { voters: idsOf([1]), outgoing: [], learners: [] },
      spare: idsOf([2, 3, 8]),
      config: {
        electionTicks: 3,
        preVote: random.below(4) > 0,
        checkQuorum: random.below(4) > 0,
        appendBytesMax: [0, 50, 1_000_000][random.below(3)] as number,
      },
      random: (id) => random.fork(`election/${id}`),
      isDiskSlow: random.below(3) === 0,
      asksOthers: true,
    });
    const [founder, ...others] = this.cluster.nodes.slice(0, 3);
    if (founder === undefined) throw new Error("no founder");
    this.founder = founder;
    this.others = others;
  }

  /** What the founder's disk was before the others came. */
  foundAndGrow(): Disk {
    const { cluster, founder, random } = this;
    this.run(15);
    if (random.below(2) === 0) this.write(founder, "shared");
    this.run(1);
    if (this.hasLearner) this.configure(founder, [1], [2]);
    this.run(3);
    // Stopped for the copy, both histories go on with an empty entry of one term.
    const isStopped = random.below(2) === 0;
    if (isStopped) cluster.crash(founder);
    const copy = cluster.copyDisk(founder);
    if (isStopped) cluster.restart(founder);
    this.run(20);
    this.growTo([1, 2]);
    this.growTo([1, 2, 3]);
    this.run(10);
    for (let round = random.below(4); round > 0; round--) {
      const leader = this.leaderOf(cluster.nodes);
      this.write(leader, "together");
      const to = cluster.nodes[random.below(3)] as Node;
      cluster.act(leader, (raft) => void raft.transferLeadership(to.id));
      this.run(8);
    }
    return copy;
  }

  leadAlone(copy: Disk): void {
    const { cluster, founder, others, random } = this;
    cluster.restoreDisk(founder, copy);
    this.run(30 + random.below(10), others);
    for (let round = random.below(3); round > 0; round--) {
      this.write(this.leaderOf(others), "without it");
      this.run(2, others);
    }
    if (random.below(3) === 0) for (const other of others) this.compact(other, 0);
    cluster.restart(founder);
    this.isAlone = true;
    this.run(14, [founder]);
    for (let round = random.below(6); round > 0; round--) {
      const draw = random.below(7);
      if (draw < 3) this.write(founder, "alone");
      else if (draw === 3) this.configure(founder, [1], this.hasLearner ? [2, 8] : [8]);
      else if (draw === 4) this.configure(founder, [1], this.hasLearner ? [2] : []);
      // Where all is forgotten there is nothing to compare.
      else if (draw === 5) this.compact(founder, 3);
      else this.restartFounder();
      this.run(random.below(2), [founder]);
    }
  }

  meet(): void {
    const { cluster, founder, others, random } = this;
    const way = random.below(3);
    if (way === 0) cluster.crash(founder);
    this.run(40, others);
    this.leaderOf(others);
    if (way === 0) {
      this.isAlone = false;
      cluster.restart(founder);
    }
    const other = others[random.below(2)] as Node;
    if (way < 2) cluster.act(founder, (raft) => raft.connected(other.id));
    this.run(60);
  }

  judge(): void {
    const { founder, others } = this;
    const leader = this.leaderOf(others.concat(this.isAlone ? [] : [founder]));
    this.write(leader, "last");
    this.run(20);
    const [{ applied }] = others as [Node, Node];
    expect(textOf(applied[applied.length - 1]), "the cluster works").toMatch(/^last/);
    if (this.hasEnded) return;
    expect(founder.raft.role === "leader" && founder !== leader, "two histories go on").toBe(false);
    if (founder.raft.standing !== "sound") {
      // Whatever the others hold lies before what it has forgotten, or what it changed alone: nothing can be compared yet.
      expect(founder.raft.commitIndex).toBeGreaterThanOrEqual(leader.raft.lastIndex);
      return;
    }
    expect(founder.applied.map(nameOf)).toEqual(applied.map(nameOf));
    const isComparable = others.every(({ raft }) => raft.firstIndex === 1);
    if (isComparable) expect([...this.acknowledged], "lost, and nobody was told").toEqual([]);
  }

  /** So many ticks of these; all that is sent among them arrives, all that is written gets durable. */
  private run(ticks: number, nodes: readonly Node[] = this.cluster.nodes): void {
    const { cluster } = this;
    const isHere = (id: Node["id"]): boolean => nodes.some((node) => node.id === id);
    for (let tick = 0; tick < ticks; tick++) {
      for (const node of nodes) cluster.act(node, (raft) => raft.tick());
      if (tick % 5 === 0) cluster.abortSnapshots(nodes, nodes);
      for (let isBusy = true; isBusy; ) {
        isBusy = false;
        for (const node of nodes) isBusy = cluster.persist(node) || isBusy;
        const message = cluster.inFlight.shift();
        if (message !== undefined && isHere(message.from) && isHere(message.to)) cluster.deliver(message);
        isBusy ||= message !== undefined;
        this.look();
      }
    }
  }

  private look(): void {
    for (const event of this.cluster.events) {
      if (event.startsWith("1 ends")) this.hasEnded = true;
      else expect(event, "a member that is well ended").not.toMatch(/^\S+ ends/);
      const alone = /^1 applies \S+ "(alone .*)"/.exec(event)?.[1];
      if (alone !== undefined && this.isAlone) this.acknowledged.add(alone);
    }
    this.cluster.events = [];
  }

  private leaderOf(nodes: readonly Node[]): Node {
    for (let attempt = 0; attempt < 20; attempt++) {
      const leader = nodes.find(({ isUp, raft }) => isUp && raft.role === "leader");
      if (leader !== undefined) return leader;
      this.run(4, nodes);
    }
    throw new Error("nobody leads");
  }

  private growTo(voters: readonly number[]): void {
    const ids = idsOf(voters);
    for (let attempt = 0; attempt < 40; attempt++) {
      const leader = this.leaderOf(this.cluster.nodes);
      if (ids.every((id) => this.cluster.node(id).raft.configuration.voters.join() === ids.join())) return;
      if (leader.raft.commitIndex === leader.raft.lastIndex) this.configure(leader, voters, []);
      this.run(4);
    }
    throw new Error("the cluster does not grow");
  }

  private write(node: Node, name: string): void {
    const names = Array.from({ length: 1 + this.random.below(3) }, () => `${name} ${++this.isWritten}`);
    this.cluster.act(node, (raft) => void raft.propose(names.map(utf8Encode)));
    this.look();
  }

  private configure(node: Node, voters: readonly number[], learners: readonly number[]): void {
    const configuration = { voters: idsOf(voters), outgoing: [], learners: idsOf(learners) };
    this.cluster.act(node, (raft) => void raft.proposeConfiguration(configurationData(configuration)));
    this.look();
  }

  private compact(node: Node, keeping: number): void {
    const index = node.applied.length - keeping;
    if (node.isUp && node.writes.length === 0 && index > node.disk.baseIndex)
      this.cluster.compact(node, indexOf(index));
  }

  private restartFounder(): void {
    this.cluster.crash(this.founder);
    this.cluster.restart(this.founder);
    this.run(14, [this.founder]);
  }
}

const textOf = (entry: Entry | undefined): string => (entry === undefined ? "" : utf8Decode(entry.data));
const nameOf = (entry: Entry): string => `${entry.term}/${entry.index} ${textOf(entry)}`;
