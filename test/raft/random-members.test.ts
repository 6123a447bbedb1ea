/*
 * Members come, go, vote, only listen, are the only voter, crash and are connected anew, under every loss and delay; no disk
 * ever forgets. Whoever asks, whoever is asked: none ends because of what it hears, and at the end the cluster works.
 */
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { utf8Decode, utf8Encode } from "../../core/bytes.ts";
import { compareIds, indexOf, type MemberId, memberIdOf } from "../../core/ids.ts";
import type { Configuration, RaftMessage } from "../../core/raft/message.ts";
import { SimRandom } from "../../sim/random.ts";
import { Cluster, configurationData, type Node } from "./cluster.ts";

const everyId: readonly MemberId[] = [1, 2, 3, 4, 5, 6, 7].map((id) => memberIdOf(BigInt(id)));
const membersMax = 5;

test.prop([fc.nat(1_000_000_000)], { numRuns: 100 })(
  "however members come and go, an honest one is not stopped, and does not wait for ever",
  (seed) => {
    const coming = new ComingAndGoing(seed);
    for (let step = 0; step < 1_200; step++) coming.step();
    coming.calmDown();
  },
);

class ComingAndGoing {
  private readonly random: SimRandom;
  private readonly cluster: Cluster;
  private readonly isOrdered: boolean;
  private readonly lossPercent: number;
  private readonly archive: RaftMessage[] = [];
  /** Who was removed never comes back under its id. */
  private readonly removed = new Set<MemberId>();
  private readonly isolated = new Set<MemberId>();
  /** A change waits for its turn: it was made for a list that may be another by then, so it is the last. */
  private isChangeWaiting = false;
  private proposals = 0;

  constructor(seed: number) {
    const random = new SimRandom(seed);
    this.random = random;
    const voters = everyId.slice(0, this.pick([1, 1, 2, 3]));
    this.isOrdered = random.below(2) === 0;
    this.lossPercent = this.pick([0, 5, 25]);
    this.cluster = new Cluster({
      configuration: { voters, outgoing: [], learners: [] },
      spare: everyId.filter((id) => !voters.includes(id)),
      config: {
        electionTicks: this.pick([2, 3, 6]),
        preVote: random.below(2) === 0,
        checkQuorum: random.below(3) > 0,
        soleVoterAtOnce: random.below(3) > 0,
        appendBytesMax: this.pick([0, 50, 1_000_000]),
      },
      random: (id) => random.fork(`election/${id}`),
      isDiskSlow: random.below(2) === 0,
      leavesJoint: true,
      asksOthers: true,
    });
  }

  step(): void {
    const node = this.pick(this.cluster.nodes);
    const draw = this.random.below(100);
    if (draw < 50) this.deliver();
    else if (draw < 72) this.cluster.act(node, (raft) => raft.tick());
    else if (draw < 82) this.cluster.persist(node);
    else if (draw < 86) this.propose(node, `c${++this.proposals}`);
    else if (draw < 88) this.deliverAgain();
    else if (draw < 90) this.connect(node, this.pick(this.cluster.nodes));
    else if (draw < 91) this.cluster.crash(node);
    else if (draw < 95) this.restartOne();
    else if (draw < 97) this.change();
    else if (draw < 98) this.compact(node);
    else if (draw < 99) this.cluster.act(node, (raft) => this.transfer(raft.configuration, node));
    else this.isolateOrHeal(node);
    this.check();
  }

  calmDown(): void {
    const { cluster } = this;
    this.isolated.clear();
    for (const node of cluster.nodes) if (!node.isUp) cluster.restart(node);
    for (let round = 0; round < 400; round++) {
      for (const node of cluster.nodes) cluster.act(node, (raft) => raft.tick());
      this.cluster.abortSnapshots();
      this.settle();
      const leader = this.leader;
      if (leader === undefined) continue;
      if (round % 5 === 0) this.propose(leader, "last");
      const { voters, learners } = leader.raft.configuration;
      const holdsLast = (id: MemberId): boolean =>
        cluster.node(id).applied.some((entry) => utf8Decode(entry.data) === "last");
      if ([...voters, ...learners].every(holdsLast)) return;
    }
    expect.fail("the cluster does not work although nothing is wrong any more");
  }

  private settle(): void {
    for (let count = 0; count < 3_000; count++) {
      let isBusy = false;
      for (const node of this.cluster.nodes) isBusy = this.cluster.persist(node) || isBusy;
      const message = this.cluster.inFlight.shift();
      if (message !== undefined) this.cluster.deliver(message);
      else if (!isBusy) return;
      this.check();
    }
  }

  private check(): void {
    const ended = this.cluster.events.find((event) => event.includes(" ends"));
    this.cluster.events = [];
    expect(ended, "an honest member ended").toBeUndefined();
  }

  private get leader(): Node | undefined {
    return this.cluster.nodes.find(({ isUp, raft }) => isUp && raft.role === "leader");
  }

  private pick<Item>(items: readonly Item[]): Item {
    return items[this.random.below(items.length)] as Item;
  }

  private deliver(): void {
    const { inFlight } = this.cluster;
    const position = this.isOrdered ? 0 : this.random.below(Math.max(1, Math.min(30, inFlight.length)));
    const message = inFlight.splice(position, 1)[0];
    if (message === undefined) return;
    this.archive[this.random.below(100)] = message;
    const isCut = this.isolated.has(message.from) || this.isolated.has(message.to);
    if (!isCut && this.random.below(100) >= this.lossPercent) this.cluster.deliver(message);
  }

  private deliverAgain(): void {
    const message = this.archive[this.random.below(100)];
    if (message !== undefined) this.cluster.deliver(message);
  }

  private propose(node: Node, name: string): void {
    this.cluster.act(node, (raft) => void raft.propose([utf8Encode(name)]));
  }

  private connect(node: Node, other: Node): void {
    if (node !== other && other.isUp) this.cluster.act(node, (raft) => raft.connected(other.id));
  }

  private restartOne(): void {
    const down = this.cluster.nodes.find((node) => !node.isUp);
    if (down !== undefined) this.cluster.restart(down);
  }

  private compact(node: Node): void {
    if (!node.isUp || node.writes.length > 0 || node.applied.length <= node.disk.baseIndex) return;
    this.cluster.compact(node, indexOf(node.applied.length));
  }

  private transfer({ voters }: Configuration, { raft }: Node): void {
    if (voters.length > 0) raft.transferLeadership(this.pick(voters));
  }

  private isolateOrHeal(node: Node): void {
    if (this.random.below(2) === 0) this.isolated.add(node.id);
    else {
      this.isolated.clear();
      this.cluster.abortSnapshots();
    }
  }

  /** One change, or several by joint consensus, once all that was asked for before is applied. */
  private change(): void {
    const { leader } = this;
    if (leader === undefined || this.isChangeWaiting || leader.raft.appliedIndex !== leader.raft.lastIndex) return;
    const before = leader.raft.configuration;
    if (before.outgoing.length > 0) return;
    const isJoint = this.random.below(2) === 0;
    let after = before;
    for (let count = isJoint ? 1 + this.random.below(3) : 1; count > 0; count--) after = this.changed(after, isJoint);
    const votersDiffer = after.voters.join() !== before.voters.join();
    const belongs = (id: MemberId): boolean => after.voters.includes(id) || after.learners.includes(id);
    for (const id of [...before.voters, ...before.learners]) if (!belongs(id)) this.removed.add(id);
    const outgoing = isJoint && votersDiffer ? before.voters : [];
    this.cluster.act(leader, (raft) => {
      this.isChangeWaiting = raft.proposeConfiguration(configurationData({ ...after, outgoing })) === "waiting";
    });
  }

  private changed({ voters, outgoing, learners }: Configuration, isJoint: boolean): Configuration {
    const isFree = (id: MemberId): boolean =>
      !voters.includes(id) &&
      !learners.includes(id) &&
      !this.removed.has(id) &&
      voters.length + learners.length < membersMax;
    const fresh = everyId.filter(isFree).slice(0, 1);
    const voter = voters.length > 1 ? [this.pick(voters)] : [];
    const learner = learners.length > 0 ? [this.pick(learners)] : [];
    const without = (ids: readonly MemberId[], gone: readonly MemberId[]) => ids.filter((id) => !gone.includes(id));
    const sorted = (ids: readonly MemberId[]) => [...ids].sort(compareIds);
    switch (this.random.below(7)) {
      case 0:
        return { voters: sorted([...voters, ...fresh]), outgoing, learners };
      case 1:
        return { voters, outgoing, learners: sorted([...learners, ...fresh]) };
      case 2:
      case 3:
        return { voters: without(voters, voter), outgoing, learners };
      case 4:
        return { voters: sorted([...voters, ...learner]), outgoing, learners: without(learners, learner) };
      case 5:
        return { voters, outgoing, learners: without(learners, learner) };
      default:
        if (!isJoint) return { voters, outgoing, learners };
        return { voters: without(voters, voter), outgoing, learners: sorted([...learners, ...voter]) };
    }
  }
}
