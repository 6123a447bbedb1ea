/*
 * Our core in the simulator as a server of bytes: simulated machines, clocks, disks and links, and above each member the
 * same seam and the same programs for locks and elections that stand in the real process. Before an answer is handed
 * over every member has applied what was committed, so that any of them may be asked next and none is behind.
 */

import type { CallTarget } from "../../chaos/member/calls.ts";
import { Switchboard } from "../../chaos/member/calls.ts";
import { electionPrograms } from "../../chaos/member/concurrency/election.ts";
import { lockPrograms } from "../../chaos/member/concurrency/lock.ts";
import type { UntimedInput } from "../../chaos/member/loop.ts";
import { type CallStatus, credentialOf, Seam } from "../../chaos/member/seam.ts";
import {
  clusterIdOf,
  defaultMemberConfig,
  type Input,
  type Member,
  type MemberConfig,
  type MemberRecord,
  memberIdOf,
  type PeerMessage,
  type RefusalName,
  type Reply,
  requestIdOf,
  rpcCodeNumbers,
  type StreamReply,
  startMember,
  streamIdOf,
} from "../../core/index.ts";
import { kindOrders, kinds } from "../../sim/event-kinds.ts";
import type { HostWorld, PasswordWork } from "../../sim/host-world.ts";
import { type BrokenInvariant, Invariants } from "../../sim/invariants.ts";
import { MemberHost } from "../../sim/member-host.ts";
import { SimNetwork } from "../../sim/network.ts";
import { SimRandom } from "../../sim/random.ts";
import { recode } from "../../sim/recode.ts";
import { Schedule } from "../../sim/schedule.ts";
import { type Caller, type OpenStream, type Outcome, okStatus, type PendingCall, type Target } from "./target.ts";

const link = { minDelayMs: 1, maxDelayMs: 2, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 };
const messageOrder = kindOrders[kinds.peerMessage] ?? 0;
const codeNames = new Map<number, string>(Object.entries(rpcCodeNumbers).map(([name, number]) => [number, name]));
const startMs = 60_000;
const steadyMs = 6_000;

/** One cluster from its first start. */
class SimCluster implements HostWorld {
  readonly schedule = new Schedule();
  readonly hosts: readonly MemberHost[];
  readonly seams: readonly Seam[];
  readonly entrances: readonly CallTarget[];
  timeUs = 0;
  readonly #network: SimNetwork;
  readonly #invariants: Invariants;
  #failed: string | undefined;
  #membersChosen = 0;
  /** Something was handed to a client's side since the last look: promises there may wait to go on. */
  answered = false;
  #isTelling = false;

  constructor(options: { readonly size: number; readonly seed: number; readonly config: Partial<MemberConfig> }) {
    const { size, seed } = options;
    const names = Array.from({ length: size }, (_, slot) => `m${slot + 1}`);
    const members = names.map(
      (name, slot): MemberRecord => ({
        memberId: memberIdOf(BigInt(slot + 1)),
        name: "",
        peerUrls: [`http://${name}:2380`],
        clientUrls: [],
        isLearner: false,
      }),
    );
    this.#network = new SimNetwork({ seed, members: size, law: link });
    this.#invariants = new Invariants(names);
    const random = new SimRandom(seed);
    this.hosts = names.map(
      (name, slot) =>
        new MemberHost({
          slot,
          name,
          memberId: memberIdOf(BigInt(slot + 1)),
          clusterId: clusterIdOf(0xd1ffn),
          members,
          config: { ...defaultMemberConfig, ...options.config },
          clockOffsetMs: slot * 1_000,
          clockDriftPpm: 0,
          syncMs: { min: 0.1, max: 0.3 },
          seed,
          random: random.fork(`member/${name}`),
          startMember,
          world: this,
        }),
    );
    this.seams = this.hosts.map(
      (host) =>
        new Seam({
          submit: (input) => this.#submit(host, input),
          facts: { version: "3.6.14", storageVersion: "3.6.0", quotaBytes: defaultMemberConfig.quotaBytes },
          chooseMemberId: () => memberIdOf(100n + BigInt(++this.#membersChosen)),
        }),
    );
    this.entrances = this.seams.map(
      (seam) => new Switchboard(seam, new Map([...lockPrograms(seam), ...electionPrograms(seam)])),
    );
    for (const host of this.hosts) host.start();
    for (const host of this.hosts) {
      for (const { memberId } of this.hosts) {
        if (memberId !== host.memberId) host.step({ type: "peerLink", nowMs: host.nowMs, memberId, connected: true });
      }
    }
  }

  // ---- HostWorld -----------------------------------------------------------------------------------------------

  send(from: number, message: PeerMessage): void {
    const to = Number(message.to) - 1;
    const receiver = this.hosts[to];
    if (receiver === undefined || to === from) return;
    for (const delayMs of this.#network.send(from, to)) {
      const atUs = this.timeUs + delayMs * 1_000;
      this.schedule.add(atUs, messageOrder, kinds.peerMessage, to, receiver.life, from, message);
    }
  }

  replied(host: MemberHost, requestId: number, reply: Reply): void {
    this.#tell(host, (seam) => seam.reply(requestIdOf(requestId), reply));
  }

  streamReplied(host: MemberHost, streamId: number, reply: StreamReply): void {
    this.#tell(host, (seam) => seam.streamReply(streamIdOf(streamId), reply));
  }

  streamEnded(host: MemberHost, streamId: number, refusal: RefusalName | undefined): void {
    this.#tell(host, (seam) => seam.streamEnded(streamIdOf(streamId), refusal));
  }

  #tell(host: MemberHost, tell: (seam: Seam) => void): void {
    const seam = this.seams[host.slot];
    if (seam === undefined) return;
    this.answered = true;
    this.#isTelling = true;
    tell(seam);
    this.#isTelling = false;
  }

  /** Later where it is an answer to an answer: a member is not stepped in the middle of its outputs. */
  #submit(host: MemberHost, input: UntimedInput): void {
    if (this.#isTelling) queueMicrotask(() => host.step({ ...input, nowMs: host.nowMs } as Input));
    else host.step({ ...input, nowMs: host.nowMs } as Input);
  }

  /** Hashes that a person can read. Later, as above. */
  passwordGiven(host: MemberHost, { type, requestId, password, ...rest }: PasswordWork & { hash?: string }): void {
    this.answered = true;
    const hash = `hash of ${password}`;
    queueMicrotask(() => {
      if (type === "hashPassword") host.step({ type: "passwordHashed", nowMs: host.nowMs, requestId, hash });
      else host.step({ type: "passwordChecked", nowMs: host.nowMs, requestId, matches: rest.hash === hash });
    });
  }

  roleChanged(): void {}
  stepped(host: MemberHost): void {
    if (host.member !== undefined) this.#invariants.afterStep(host.slot, host.member);
  }
  lifeStarted(): void {}
  lifeEnded(): void {}
  alarmsChanged(): void {}
  compactedByItself(): void {}
  removedItself(host: MemberHost): void {
    host.leave();
  }

  memberFailed(host: MemberHost, rule: string, reason: string): void {
    this.#failed ??= `${host.name}: ${rule}: ${reason}`;
  }

  // ---- the world -----------------------------------------------------------------------------------------------

  /** @throws when a member stopped, or an invariant is broken */
  stepEvent(): void {
    const event = this.schedule.take();
    if (event === undefined) throw new Error("nothing is left to happen in the simulated cluster");
    this.timeUs = event.timeUs;
    const host = this.hosts[event.slot];
    if (host?.isUp === true && host.life === event.life) {
      if (event.kind !== kinds.peerMessage) host.handle(event);
      else this.#deliver(host, event.payload as PeerMessage);
    }
    const broken: BrokenInvariant | undefined = this.#invariants.broken;
    const failed = this.#failed ?? (broken === undefined ? undefined : `${broken.rule}: ${broken.text}`);
    if (failed !== undefined) throw new Error(`the simulated cluster failed: ${failed}`);
  }

  #deliver(host: MemberHost, message: PeerMessage): void {
    const arrived = recode(message);
    if ("malformed" in arrived) throw new Error(`a message does not survive its bytes: ${arrived.malformed}`);
    host.step({ type: "peerMessage", nowMs: host.nowMs, message: arrived });
  }

  /** Every member knows the name of every member. */
  get hasPublished(): boolean {
    return this.hosts.every(({ member }) => (member as Member | undefined)?.members.every(({ name }) => name !== ""));
  }

  get isSettled(): boolean {
    const [first] = this.hosts;
    const applied = first?.member?.appliedIndex ?? 0;
    return this.hosts.every(
      ({ member }) =>
        member !== undefined &&
        member.appliedIndex === applied &&
        member.raft.lastIndex === applied &&
        member.raft.leaderId !== undefined,
    );
  }
}

export interface SimTargetOptions {
  readonly size: number;
  readonly seed: number;
  readonly config?: Partial<MemberConfig>;
}

export class SimTarget implements Target {
  readonly name: string;
  readonly memberIds: readonly bigint[];
  readonly #options: SimTargetOptions;
  #cluster: SimCluster;
  #lives = 0;

  private constructor(options: SimTargetOptions) {
    this.name = options.size === 1 ? "simulated member" : `simulated ${options.size} members`;
    this.memberIds = Array.from({ length: options.size }, (_, slot) => BigInt(slot + 1));
    this.#options = options;
    this.#cluster = this.#begin();
  }

  static async start(options: SimTargetOptions): Promise<SimTarget> {
    const target = new SimTarget(options);
    await target.#ready();
    return target;
  }

  /** No files and no releases are here; and of three members only one leads, which need not be the one that is asked. */
  serves(method: string): boolean {
    if (method === "MoveLeader") return this.#options.size === 1;
    return !["Hash", "Defragment", "Snapshot", "Downgrade"].includes(method);
  }

  call(path: string, request: Uint8Array, caller: Caller): PendingCall {
    let giveUp = (): void => {};
    const result = new Promise<Outcome>((resolve) => {
      giveUp = this.#entrance(caller).unary(path, request, optionsOf(caller), {
        answer: (bytes) => resolve({ type: "answer", bytes }),
        fail: (status) => resolve({ type: "status", ...named(status) }),
      });
    });
    return { result, cancel: () => giveUp() };
  }

  open(path: string, caller: Caller): OpenStream {
    const replies: Uint8Array[] = [];
    let ended: OpenStream["ended"];
    const stream = this.#entrance(caller).open(path, optionsOf(caller), {
      send(bytes, taken) {
        replies.push(bytes);
        taken();
      },
      end(status) {
        ended ??= status === undefined ? okStatus : named(status);
      },
    });
    return {
      replies,
      get ended() {
        return ended;
      },
      send: (bytes) => stream?.message(bytes),
      halfClose: () => stream?.halfClosed(),
      cancel: () => stream?.gone(),
    };
  }

  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    const cluster = this.#cluster;
    const endUs = cluster.timeUs + limitMs * 1_000;
    for (;;) {
      // Whoever was answered goes on before more happens: promises, and what the seam tells its member a turn later.
      cluster.answered = false;
      await new Promise((resolve) => setImmediate(resolve));
      if (cluster.answered) continue;
      if (condition() && cluster.isSettled) return true;
      if (cluster.timeUs > endUs) return false;
      while (!cluster.answered && cluster.timeUs <= endUs && !(condition() && cluster.isSettled)) cluster.stepEvent();
    }
  }

  async restart(): Promise<void> {
    this.#cluster = this.#begin();
    await this.#ready();
  }

  async close(): Promise<void> {}

  #begin(): SimCluster {
    const { size, seed, config = {} } = this.#options;
    this.#lives += 1;
    return new SimCluster({ size, seed: seed + this.#lives, config });
  }

  async #ready(): Promise<void> {
    const cluster = this.#cluster;
    if (!(await this.until(() => cluster.hasPublished, startMs)))
      throw new Error("the simulated cluster does not start");
    // Nobody may be added before the others were heard for so long.
    await this.until(() => false, steadyMs);
  }

  #entrance({ member }: Caller): CallTarget {
    const { entrances } = this.#cluster;
    const entrance = entrances[member % entrances.length];
    if (entrance === undefined) throw new Error(`there is no member ${member}`);
    return entrance;
  }
}

const optionsOf = ({ token }: Caller) =>
  token === undefined ? { requireLeader: false } : { requireLeader: false, credential: credentialOf(token) };

const named = ({ code, text }: CallStatus): { readonly code: string; readonly text: string } => ({
  code: codeNames.get(code) ?? String(code),
  text,
});
