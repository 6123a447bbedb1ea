/*
 * Members joined by an instant, lossless network and instant disks, for tests of what a member answers. Time passes only
 * when a test says so. Not the simulator: no chance, no faults but cutting a member off, no history.
 */
import type { Credential } from "../../core/auth/identity.ts";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import type { RefusalName } from "../../core/errors.ts";
import {
  clusterIdOf,
  type MemberId,
  memberIdOf,
  type RequestId,
  requestIdOf,
  type StreamId,
  streamIdOf,
  type WriteId,
} from "../../core/ids.ts";
import type { Input, PeerMessage, StreamKind } from "../../core/input.ts";
import type { Member } from "../../core/member.ts";
import type { MemberEvent, Output } from "../../core/output.ts";
import type { Random } from "../../core/ports.ts";
import type { MemberRecord, Reply, Request, StreamReply, StreamRequest } from "../../core/request.ts";
import { startMember } from "../../core/start.ts";
import type { LogSegment } from "../../core/storage/log-store.ts";
import { MemoryBackend } from "./memory-backend.ts";
import type { NarrowLinks } from "./narrow-links.ts";

/** Small integers in a fixed order: enough for election timeouts and lease ids of a test. */
export function countingRandom(seed: number): Random {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return {
    nextUint32: next,
    below: (bound) => next() % bound,
    fork: (name) => countingRandom([...name].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) >>> 0, seed)),
  };
}

/** In one moment; more than any test has use for. */
const deliveriesMax = 100_000;

export interface TestStream {
  readonly replies: StreamReply[];
  /** undefined while open; "ok" or the refusal once the member ended it. */
  ended: RefusalName | "ok" | undefined;
}

export class TestMember {
  readonly name: string;
  backend = new MemoryBackend({ crashes: false });
  readonly segments = new Map<string, Uint8Array>();
  member: Member | undefined;
  life = 0;
  isCutOff = false;
  /** Why it ended for ever; undefined while it belongs. */
  removedBecause: string | undefined;
  readonly events: MemberEvent[] = [];
  /** How many outputs of each type left it so far; of messages, by their own type. */
  readonly left = new Map<Output["type"] | PeerMessage["type"], number>();
  readonly replies = new Map<RequestId, Reply>();
  readonly streams = new Map<StreamId, TestStream>();
  /** Password work under way, kept while it is held. */
  readonly passwords: Extract<Output, { readonly type: "hashPassword" | "checkPassword" }>[] = [];
  holdsPasswords = false;
  /** Writes under way, oldest first, kept while they are held. */
  readonly writes: WriteId[] = [];
  holdsWrites = false;

  constructor(name: string) {
    this.name = name;
  }

  get running(): Member {
    if (this.member === undefined) throw new Error(`${this.name} is down`);
    return this.member;
  }
}

export class TestCluster {
  readonly config: MemberConfig;
  readonly members: TestMember[];
  /** Those the cluster was founded with. */
  readonly #records: readonly MemberRecord[];
  readonly #inbox: PeerMessage[] = [];
  #delivering = false;
  #lastId = 0;
  nowMs = 1_000;
  /** Releases of members by position, from 0; where there is none, the default. Looked at when a member starts. */
  readonly versions: string[];
  /** Messages that wait for one member are stepped together. */
  gathersMessages = false;
  /** Carry all messages from now on; without them each arrives at once. */
  links: NarrowLinks | undefined;

  constructor(options: {
    readonly size: number;
    readonly learners?: number;
    readonly config?: Partial<MemberConfig>;
    readonly versions?: readonly string[];
  }) {
    this.versions = [...(options.versions ?? [])];
    this.config = { ...defaultMemberConfig, ...options.config };
    const size = options.size + (options.learners ?? 0);
    this.#records = Array.from({ length: size }, (_, position) => ({
      memberId: memberIdOf(BigInt(position + 1)),
      name: "",
      peerUrls: [`http://127.0.0.1:${10_000 + position}`],
      clientUrls: [],
      isLearner: position >= options.size,
    }));
    this.members = this.#records.map((_, position) => new TestMember(`m${position + 1}`));
    for (const each of this.members) this.start(each);
  }

  member(position: number): TestMember {
    const found = this.members[position - 1];
    if (found === undefined) throw new Error(`there is no member ${position}`);
    return found;
  }

  /** The member that leads in the highest term, cut off or not. */
  get leader(): TestMember {
    const leaders = this.members.filter((each) => each.member?.raft.role === "leader");
    const newest = leaders.sort((a, b) => b.running.raft.term - a.running.raft.term)[0];
    if (newest === undefined) throw new Error("there is no leader");
    return newest;
  }

  get followers(): readonly TestMember[] {
    const { leader } = this;
    return this.members.filter((each) => each !== leader);
  }

  /** The process of a member that was added to the cluster; its id is its position. */
  join(): TestMember {
    const each = new TestMember(`m${this.members.length + 1}`);
    this.members.push(each);
    this.start(each);
    return each;
  }

  /** Tells every member to whom it is connected, and lets those connections grow old enough to count. */
  connect(): void {
    this.tellLinks();
    this.pass(5_100);
  }

  /** Tells every member to whom it is connected: all that run. */
  tellLinks(): void {
    for (const each of this.members) {
      for (const [position, other] of this.members.entries()) {
        if (other === each) continue;
        this.tellLink(each, memberIdOf(BigInt(position + 1)), other.member !== undefined);
      }
    }
  }

  /** What a member's world says of its connection to another. */
  tellLink(each: TestMember, memberId: MemberId, connected: boolean): void {
    this.#step(each, { type: "peerLink", nowMs: this.nowMs, memberId, connected });
  }

  start(each: TestMember): void {
    each.life += 1;
    const position = this.members.indexOf(each);
    const segments: LogSegment[] = [...each.segments].map(([name, bytes]) => ({ name, bytes }));
    const started = startMember({
      identity: {
        name: each.name,
        memberId: memberIdOf(BigInt(position + 1)),
        clusterId: clusterIdOf(77n),
        clientUrls: [`http://127.0.0.1:${20_000 + position}`],
        ...(this.versions[position] === undefined ? {} : { version: this.versions[position] }),
      },
      config: this.config,
      segments,
      backend: each.backend,
      members: this.#records,
      random: countingRandom(position + 1),
      incarnation: each.life,
      nowMs: this.nowMs,
    });
    if (!started.ok) throw new Error(started.reason);
    each.member = started.member;
    this.#carryOut(each, started.outputs);
    this.#deliver();
  }

  /** The process ends; its disks stay. */
  stop(each: TestMember): void {
    each.member = undefined;
    each.streams.clear();
  }

  /** The process ends, and nothing is left on its disks. */
  wipe(each: TestMember): void {
    this.stop(each);
    each.segments.clear();
    each.backend = new MemoryBackend({ crashes: false });
  }

  /** Lets time pass, a tick at a time. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs += this.config.tickMs;
      for (const each of this.members) this.#step(each, { type: "tick", nowMs: this.nowMs });
      this.#inbox.push(...(this.links?.tick() ?? []));
      this.#deliver();
    }
  }

  /** Lets time pass until some member leads and every running, connected member knows it. */
  elect(): TestMember {
    for (let waited = 0; waited < 100; waited++) {
      const connected = this.members.filter((each) => each.member !== undefined && !each.isCutOff);
      const known = new Set(connected.map((each) => each.running.raft.leaderId));
      const [leaderId] = known;
      const found = connected.find((each) => each.running.raft.id === leaderId && each.running.raft.role === "leader");
      if (known.size === 1 && found !== undefined) return found;
      this.pass(this.config.tickMs);
    }
    throw new Error("no leader was elected in a hundred ticks");
  }

  /** Sends a request; its reply is in {@link reply} once it came. */
  submit(each: TestMember, request: Request, requireLeader = false, credential?: Credential): RequestId {
    this.#lastId += 1;
    const requestId = requestIdOf(this.#lastId);
    const call = { requestId, request, requireLeader, ...(credential === undefined ? {} : { credential }) };
    this.#step(each, { type: "clientRequest", nowMs: this.nowMs, ...call });
    this.#deliver();
    return requestId;
  }

  /** The client does not wait for that reply any more. */
  giveUp(each: TestMember, requestId: RequestId): void {
    this.#step(each, { type: "clientGone", nowMs: this.nowMs, requestId });
    this.#deliver();
  }

  /** Sends requests that the member steps together. */
  submitAll(each: TestMember, requests: readonly Request[]): readonly RequestId[] {
    const inputs = requests.map((request): Extract<Input, { type: "clientRequest" }> => {
      this.#lastId += 1;
      const requestId = requestIdOf(this.#lastId);
      return { type: "clientRequest", nowMs: this.nowMs, requestId, request, requireLeader: false };
    });
    this.#stepAll(each, inputs);
    this.#deliver();
    return inputs.map(({ requestId }) => requestId);
  }

  reply(each: TestMember, requestId: RequestId): Reply | undefined {
    return each.replies.get(requestId);
  }

  /** Sends a request and returns its reply, which must come without time passing. */
  call(each: TestMember, request: Request, credential?: Credential): Reply {
    const reply = this.reply(each, this.submit(each, request, false, credential));
    if (reply === undefined) throw new Error(`${request.type} got no reply at once`);
    return reply;
  }

  openStream(
    each: TestMember,
    kind: StreamKind,
    requireLeader = false,
    credential?: Credential,
  ): { id: StreamId; stream: TestStream } {
    this.#lastId += 1;
    const id = streamIdOf(this.#lastId);
    const stream: TestStream = { replies: [], ended: undefined };
    each.streams.set(id, stream);
    const opened = { streamId: id, kind, requireLeader, ...(credential === undefined ? {} : { credential }) };
    this.#step(each, { type: "streamOpened", nowMs: this.nowMs, ...opened });
    this.#deliver();
    return { id, stream };
  }

  /** The client ends the stream. */
  close(each: TestMember, streamId: StreamId): void {
    this.#step(each, { type: "streamClosed", nowMs: this.nowMs, streamId });
    this.#deliver();
  }

  send(each: TestMember, streamId: StreamId, request: StreamRequest): void {
    this.#step(each, { type: "streamRequest", nowMs: this.nowMs, streamId, request });
    this.#deliver();
  }

  /** Tells the member that the oldest of the writes that were held is done. */
  finishWrite(each: TestMember): void {
    const writeId = each.writes.shift();
    if (writeId === undefined) throw new Error(`${each.name} has no write under way`);
    this.#step(each, { type: "writeDone", nowMs: this.nowMs, writeId });
    this.#deliver();
  }

  /** Does the password work that was held. */
  workPasswords(each: TestMember): void {
    this.#workPasswords(each);
    this.#deliver();
  }

  /** Hashes that a test can read. */
  #workPasswords(each: TestMember): void {
    for (const work of each.passwords.splice(0)) {
      const { requestId, password } = work;
      const hash = `hash of ${password}`;
      if (work.type === "hashPassword") {
        this.#step(each, { type: "passwordHashed", nowMs: this.nowMs, requestId, hash });
      } else {
        this.#step(each, { type: "passwordChecked", nowMs: this.nowMs, requestId, matches: work.hash === hash });
      }
    }
  }

  /** A message that comes from wherever it says it does. */
  receive(each: TestMember, message: PeerMessage): void {
    this.#step(each, { type: "peerMessage", nowMs: this.nowMs, message });
    this.#deliver();
  }

  /** The member's disk is full, or has room again. */
  tellSpace(each: TestMember, isFull: boolean): void {
    this.#step(each, { type: "diskSpace", nowMs: this.nowMs, isFull });
    this.#deliver();
  }

  #step(each: TestMember, input: Input): void {
    if (each.member !== undefined) this.#carryOut(each, each.member.step(input));
  }

  #stepAll(each: TestMember, inputs: readonly Input[]): void {
    if (each.member !== undefined) this.#carryOut(each, each.member.stepAll(inputs));
  }

  #carryOut(each: TestMember, outputs: readonly Output[]): void {
    for (const output of outputs) {
      const kind = output.type === "sendMessage" ? output.message.type : output.type;
      each.left.set(kind, (each.left.get(kind) ?? 0) + 1);
      switch (output.type) {
        case "sendMessage":
          if (this.links === undefined) this.#inbox.push(output.message);
          else this.links.send(output.message);
          break;
        case "writeLog":
          for (const operation of output.operations) applyLogOperation(each.segments, operation);
          if (output.sync && each.holdsWrites) each.writes.push(output.writeId);
          else if (output.sync) this.#step(each, { type: "writeDone", nowMs: this.nowMs, writeId: output.writeId });
          break;
        case "syncBackend":
          this.#step(each, { type: "backendSynced", nowMs: this.nowMs, writeId: output.writeId });
          break;
        case "reply":
          each.replies.set(output.requestId, output.reply);
          break;
        case "streamReply":
          each.streams.get(output.streamId)?.replies.push(output.reply);
          this.#step(each, { type: "streamDrained", nowMs: this.nowMs, streamId: output.streamId, replies: 1 });
          break;
        case "streamEnded": {
          const stream = each.streams.get(output.streamId);
          if (stream !== undefined) stream.ended = output.refusal ?? "ok";
          break;
        }
        case "hashPassword":
        case "checkPassword":
          each.passwords.push(output);
          if (!each.holdsPasswords) this.#workPasswords(each);
          break;
        case "event":
          each.events.push(output.event);
          break;
        case "outlived":
          throw new Error(`${each.name} was outlived by its life ${output.incarnation}`);
        case "stop":
          if (output.cause !== "removed") throw new Error(`${each.name} stopped: ${output.reason}`);
          each.removedBecause = output.reason;
          this.stop(each);
          return;
      }
    }
  }

  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    let delivered = 0;
    for (let message = this.#inbox.shift(); message !== undefined; message = this.#inbox.shift()) {
      delivered += 1;
      if (delivered > deliveriesMax) throw new Error("the members never come to rest");
      const from = this.member(Number(message.from));
      // A member may be known before its process is there.
      const to = this.members[Number(message.to) - 1];
      if (to === undefined) continue;
      if (from.isCutOff || to.isCutOff) continue;
      const inputs: Input[] = [{ type: "peerMessage", nowMs: this.nowMs, message }];
      while (this.gathersMessages && this.#inbox[0]?.to === message.to) {
        inputs.push({ type: "peerMessage", nowMs: this.nowMs, message: this.#inbox.shift() as PeerMessage });
      }
      this.#stepAll(to, inputs);
    }
    this.#delivering = false;
  }
}

/** Carries one log operation out on segments in memory. */
function applyLogOperation(
  segments: Map<string, Uint8Array>,
  operation: Extract<Output, { type: "writeLog" }>["operations"][number],
): void {
  const bytes = segments.get(operation.segment) ?? new Uint8Array(0);
  switch (operation.type) {
    case "create":
      segments.set(operation.segment, new Uint8Array(0));
      break;
    case "append": {
      const longer = new Uint8Array(Math.max(bytes.length, operation.offset + operation.bytes.length));
      longer.set(bytes);
      longer.set(operation.bytes, operation.offset);
      segments.set(operation.segment, longer);
      break;
    }
    case "truncate":
      segments.set(operation.segment, bytes.slice(0, operation.sizeBytes));
      break;
    case "remove":
      segments.delete(operation.segment);
      break;
    case "setAside":
      break;
  }
}
