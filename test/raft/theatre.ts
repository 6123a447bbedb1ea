/*
 * The stage of the interaction files of testdata/: a cluster of Raft machines, and the commands a file may give it. Every
 * command answers with what happened, in the one printed form of messages. Nothing here judges; the file does.
 *
 *   cluster voters=(1,2,3) [outgoing=] [learners=] [spare=(4)] [disk=slow] [start=asking] [joint=leave] [any field of MemberConfig=]
 *                          a new cluster
 *   given 1 term=3 terms=(1,1,3) [vote=2] [commit=2]   member 1 restarts with this on its disk
 *   lead 1                 member 1 campaigns and everything is delivered and written, without the words
 *   tick 1 [times=10] [ms=100]     also moves its clock;  clock 1 by=50 moves the clock alone
 *   campaign 1      propose 1 a b [bytes=100]      read 1 context=7      transfer 1 to=2
 *   configure 1 voters=(1,2,3) [learners=]                a change of the configuration is proposed
 *   deliver [1 2] [type=(append)] [drop=(2,3)] [reverse]   what is in flight now, from those senders; `drop`: to them
 *   run                    delivers until nothing is in flight
 *   isolate 1 / heal       messages from and to it are lost from now on / no more
 *   cut from=(1) to=(2,3)  messages that way are lost from now on, those the other way are not
 *   lose [1] [type=] [to=] messages in flight are lost
 *   keep old [1] [type=]   moves messages in flight to a shelf;  send old: copies of them arrive
 *   forge TYPE from=9 to=1 term=5 [last=3/7] [index=7] [prev=1/1] [entries=(1/2)] [life=1] [transfer]
 *                          a message that nobody sent just now is in flight
 *   persist 1 [times=1]    finishes writes of a slow disk
 *   crash 1 / restart 1 [life=2]    compact 1 index=4      snapshot 1 to=3      fail 1 to=3 (a transfer)
 *   disk 1 as=old          keeps a copy of a disk;  restore 1 as=old: the member goes down, its disk is that copy
 *   status / log 1 / progress 1       who is what; what a log holds; how a leader sees the others
 */
import { utf8Encode } from "../../core/bytes.ts";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import { hexOf, indexOf, type MemberId, termOf } from "../../core/ids.ts";
import type { Random } from "../../core/ports.ts";
import { describeEntry, describeMessage } from "../../core/raft/describe.ts";
import { blankHardState } from "../../core/raft/hard-state.ts";
import type { Entry, RaftMessage } from "../../core/raft/message.ts";
import type { Command } from "../kit/datadriven.ts";
import { Cluster, configurationData, type Disk, type Node } from "./cluster.ts";
import { asId, forged, givenEntry, numberOf, optionId } from "./forge.ts";

/** Member k always waits E + (k − 1) ticks. */
const fixedChance = (id: MemberId): Random => {
  const random: Random = {
    nextUint32: () => 0,
    below: (bound) => Math.min(bound - 1, Number(id) - 1),
    fork: () => random,
  };
  return random;
};

export class Theatre {
  private cluster = new Cluster({
    configuration: { voters: [], outgoing: [], learners: [] },
    random: fixedChance,
    isDiskSlow: false,
  });
  private readonly shelves = new Map<string, RaftMessage[]>();
  private readonly disks = new Map<string, Disk>();
  /** Milliseconds each member's clock shows. */
  private readonly clocks = new Map<MemberId, number>();
  private isolated: MemberId[] = [];
  private cuts: { readonly from: readonly MemberId[]; readonly to: readonly MemberId[] }[] = [];

  execute(command: Command): readonly string[] {
    const lines = this.perform(command);
    const { events } = this.cluster;
    this.cluster.events = [];
    return [...lines, ...events];
  }

  private perform(command: Command): readonly string[] {
    const { cluster } = this;
    switch (command.name) {
      case "cluster":
        this.cluster = newCluster(command);
        this.clocks.clear();
        this.isolated = [];
        this.cuts = [];
        return [];
      case "given":
        this.given(command);
        return [];
      case "tick":
        for (let time = 0; time < numberOf(command, "times", 1); time++) {
          this.moveClock(command, numberOf(command, "ms", defaultMemberConfig.tickMs));
          cluster.act(this.node(command), (raft) => raft.tick());
        }
        return [];
      case "clock":
        this.moveClock(command, numberOf(command, "by", 0));
        return [];
      case "campaign":
        cluster.act(this.node(command), (raft) => raft.campaign());
        return [];
      case "lead": {
        cluster.act(this.node(command), (raft) => raft.campaign());
        do this.run();
        while (cluster.nodes.some((node) => cluster.persist(node)));
        cluster.events = [];
        return [describeNode(this.node(command))];
      }
      case "propose": {
        const bytes = numberOf(command, "bytes", 0);
        const commands = command.words.slice(1).map((word) => utf8Encode(word.padEnd(bytes, ".")));
        let outcome = "";
        cluster.act(this.node(command), (raft) => {
          outcome = raft.propose(commands);
        });
        return outcome === "appended" ? [] : [outcome];
      }
      case "configure": {
        const part = (name: string) => (command.options.get(name) ?? []).map(asId);
        const configuration = { voters: part("voters"), outgoing: part("outgoing"), learners: part("learners") };
        let outcome = "";
        cluster.act(this.node(command), (raft) => {
          outcome = raft.proposeConfiguration(configurationData(configuration));
        });
        return outcome === "appended" ? [] : [outcome];
      }
      case "read": {
        let outcome = "";
        cluster.act(this.node(command), (raft) => {
          outcome = raft.requestRead(numberOf(command, "context", 1));
        });
        return outcome === "waiting" ? [] : [outcome];
      }
      case "transfer": {
        let isStarted = false;
        cluster.act(this.node(command), (raft) => {
          isStarted = raft.transferLeadership(optionId(command, "to"));
        });
        return isStarted ? [] : ["refused"];
      }
      case "deliver":
        return this.deliver(command);
      case "run":
        return this.run();
      case "isolate":
        this.isolated.push(asId(command.words[0] as string));
        return [];
      case "heal":
        this.isolated = [];
        this.cuts = [];
        return [];
      case "cut":
        this.cuts.push({
          from: (command.options.get("from") ?? []).map(asId),
          to: (command.options.get("to") ?? []).map(asId),
        });
        return [];
      case "lose": {
        const lost = this.takeInFlight(
          command.words.map(asId),
          command.options.get("type"),
          command.options.get("to")?.map(asId),
        );
        return lost.map((message) => `dropped: ${describeMessage(message)}`);
      }
      case "forge":
        cluster.inFlight.push(forged(command));
        return [];
      case "keep":
        return this.keep(command);
      case "send":
        return this.send(command.words[0] as string);
      case "persist":
        for (let time = 0; time < numberOf(command, "times", 1); time++) cluster.persist(this.node(command));
        return [];
      case "crash":
        cluster.crash(this.node(command));
        return [];
      case "restart":
        cluster.restart(this.node(command), numberOf(command, "life", this.node(command).incarnation + 1));
        return [];
      case "connect":
        cluster.act(this.node(command), (raft) => raft.connected(optionId(command, "to")));
        return [];
      case "disk":
        this.disks.set(wordOf(command, "as"), cluster.copyDisk(this.node(command)));
        return [];
      case "restore":
        cluster.restoreDisk(this.node(command), this.disks.get(wordOf(command, "as")) as Disk);
        return [];
      case "compact":
        cluster.compact(this.node(command), indexOf(numberOf(command, "index", 0)));
        return [];
      case "snapshot":
        cluster.sendSnapshot(this.node(command), optionId(command, "to"));
        return [];
      case "fail":
        cluster.act(this.node(command), (raft) => raft.snapshotAborted(optionId(command, "to")));
        return [];
      case "status":
        return cluster.nodes.map(describeNode);
      case "log":
        return [describeLog(this.node(command))];
      case "progress":
        return describeProgress(this.node(command), cluster.nodes);
      default:
        throw new Error(`unknown command: ${command.line}`);
    }
  }

  private moveClock(command: Command, byMs: number): void {
    const { id, raft } = this.node(command);
    const nowMs = (this.clocks.get(id) ?? 0) + byMs;
    this.clocks.set(id, nowMs);
    raft.noteNow(nowMs);
  }

  private node(command: Command): Node {
    return this.cluster.node(asId(command.words[0] as string));
  }

  private given(command: Command): void {
    const node = this.node(command);
    const terms = command.options.get("terms") ?? [];
    node.disk.entries = terms.map((word, position) => givenEntry(`${word}/${position + 1}`));
    const vote = command.options.get("vote")?.[0];
    node.disk.hardState = {
      ...blankHardState,
      term: termOf(numberOf(command, "term", 0)),
      votedFor: vote === undefined ? undefined : asId(vote),
      commitIndex: indexOf(numberOf(command, "commit", 0)),
    };
    this.cluster.restart(node);
    this.cluster.events = [];
  }

  /** Everything in flight now that the command names; what that gives rise to stays in flight. */
  private deliver(command: Command): readonly string[] {
    const senders = command.words.filter((word) => word !== "reverse").map(asId);
    const dropped = (command.options.get("drop") ?? []).map(asId);
    const chosen = this.takeInFlight(senders, command.options.get("type"));
    if (command.words.includes("reverse")) chosen.reverse();
    const lines: string[] = [];
    for (const message of chosen) this.arrive(message, dropped, lines);
    return lines;
  }

  private run(): readonly string[] {
    const lines: string[] = [];
    for (let round = 0; this.cluster.inFlight.length > 0; round++) {
      if (round > 10_000) throw new Error("the cluster never comes to rest");
      this.arrive(this.cluster.inFlight.shift() as RaftMessage, [], lines);
    }
    return lines;
  }

  private arrive(message: RaftMessage, dropped: readonly MemberId[], lines: string[]): void {
    const isLost =
      dropped.includes(message.to) ||
      this.isolated.includes(message.to) ||
      this.isolated.includes(message.from) ||
      this.cuts.some(({ from, to }) => from.includes(message.from) && to.includes(message.to));
    const isDown = !this.cluster.node(message.to).isUp;
    lines.push(`${isLost || isDown ? "dropped: " : ""}${describeMessage(message)}`);
    if (!isLost) this.cluster.deliver(message);
    lines.push(...this.cluster.events.map((event) => `  ${event}`));
    this.cluster.events = [];
  }

  private keep(command: Command): readonly string[] {
    const [shelf, ...senders] = command.words;
    const kept = this.takeInFlight(
      senders.map(asId),
      command.options.get("type"),
      command.options.get("to")?.map(asId),
    );
    this.shelves.set(shelf as string, kept);
    return kept.map((message) => `kept: ${describeMessage(message)}`);
  }

  private send(shelf: string): readonly string[] {
    const lines: string[] = [];
    for (const message of this.shelves.get(shelf) ?? []) this.arrive(message, [], lines);
    return lines;
  }

  private takeInFlight(
    senders: readonly MemberId[],
    types: readonly string[] | undefined,
    receivers?: readonly MemberId[],
  ): RaftMessage[] {
    const isChosen = (message: RaftMessage) =>
      (senders.length === 0 || senders.includes(message.from)) &&
      (types === undefined || types.includes(message.type)) &&
      (receivers === undefined || receivers.includes(message.to));
    const chosen = this.cluster.inFlight.filter(isChosen);
    this.cluster.inFlight = this.cluster.inFlight.filter((message) => !isChosen(message));
    return chosen;
  }
}

function newCluster(command: Command): Cluster {
  const part = (name: string) => (command.options.get(name) ?? []).map(asId);
  const config: { [field: string]: number | boolean } = { electionTicks: 3 };
  for (const [name, values] of command.options) {
    if (!(name in defaultMemberConfig)) continue;
    const word = values[0] as string;
    config[name] = word === "on" || word === "off" ? word === "on" : Number(word);
  }
  return new Cluster({
    configuration: { voters: part("voters"), outgoing: part("outgoing"), learners: part("learners") },
    spare: part("spare"),
    config: config as Partial<MemberConfig>,
    random: fixedChance,
    isDiskSlow: command.options.get("disk")?.[0] === "slow",
    leavesJoint: command.options.get("joint")?.[0] === "leave",
    asksOthers: command.options.get("start")?.[0] === "asking",
  });
}

const wordOf = (command: Command, option: string): string => command.options.get(option)?.[0] as string;

function describeNode(node: Node): string {
  const { raft } = node;
  if (!node.isUp) return `${hexOf(node.id)}: down`;
  const leader = raft.leaderId === undefined ? "none" : hexOf(raft.leaderId);
  const position = `last=${raft.termAt(raft.lastIndex)}/${raft.lastIndex} stable=${raft.stableIndex}`;
  const standing = raft.standing === "sound" ? "" : ` ${raft.standing}`;
  return `${hexOf(node.id)}: ${raft.role}${standing} term=${raft.term} leader=${leader} ${position} commit=${raft.commitIndex}`;
}

function describeLog(node: Node): string {
  const { raft } = node;
  const entries: string[] = [];
  for (let index = raft.firstIndex as number; index <= raft.lastIndex; index++) {
    entries.push(describeEntry(raft.entryAt(indexOf(index)) as Entry));
  }
  const base = indexOf(raft.firstIndex - 1);
  return `${hexOf(node.id)}: after ${raft.termAt(base)}/${base}: [${entries.join(", ")}] commit=${raft.commitIndex}`;
}

function describeProgress(leader: Node, nodes: readonly Node[]): readonly string[] {
  return nodes.flatMap(({ id }) => {
    const progress = leader.raft.progressOf(id);
    if (progress === undefined) return [];
    const position = `match=${progress.matchIndex} next=${progress.nextIndex}`;
    return [`${hexOf(leader.id)} sees ${hexOf(id)}: ${progress.state} ${position}`];
  });
}
