/*
 * Between clients and members: carries what sessions ask over links of their own and brings back what came of it.
 * Requests and replies take time; a stream keeps its order; whoever dies takes its connections along, and a client
 * then learns only that the connection is gone.
 */
import {
  defaultMemberConfig,
  type MemberConfig,
  type RefusalName,
  type Reply,
  refusals,
  requestIdOf,
  type StreamReply,
  type StreamRequest,
  streamIdOf,
} from "../core/index.ts";
import type { Plan } from "../scenarios/plan.ts";
import { type ClientInput, type ClientOutput, ClientSession } from "../scenarios/session/client.ts";
import { FinalSession } from "../scenarios/session/final.ts";
import type { Recorder } from "../scenarios/session/recorder.ts";
import { type WatchInput, type WatchOutput, WatchSession } from "../scenarios/session/watch.ts";
import { type Arrival, type Arrived, type Call, newStream, type Stream } from "./client-traffic.ts";
import { kindOrders, kinds } from "./event-kinds.ts";
import type { MemberHost } from "./member-host.ts";
import { combine32 } from "./random.ts";
import type { Schedule, ScheduledEvent } from "./schedule.ts";

/** `link` is the planned client's number: what becomes of its messages does not depend on who else is in the plan. */
type Session = { readonly link: number; readonly requireLeader?: boolean } & (
  | { readonly kind: "client"; readonly session: ClientSession }
  | { readonly kind: "watch"; readonly session: WatchSession }
  | { readonly kind: "final"; readonly session: FinalSession }
);

export interface LinksWorld {
  readonly schedule: Schedule;
  readonly timeUs: number;
  readonly hosts: readonly MemberHost[];
  finalFinished(missing: readonly string[]): void;
}

export class ClientLinks {
  readonly #world: LinksWorld;
  readonly #seed: number;
  readonly #minUs: number;
  readonly #spreadUs: number;
  readonly #members: readonly string[];
  readonly #recorder: Recorder;
  /** Who reads at the end: somebody who may read everything, where users are told apart. */
  readonly #finalUser: string | undefined;
  readonly #sessions: Session[] = [];
  /** How many messages each session's link has carried, both ways. */
  readonly #carried: number[] = [];
  /** In flight, by call id and watch number. */
  readonly #calls = new Map<number, Call>();
  readonly #watches = new Map<number, Stream>();
  readonly #keepAlives = new Map<number, Stream>();
  /** Per member: after so many taken replies its watch streams are told of them. */
  readonly #creditSteps: readonly number[];
  /** Per member: what its present life has to answer, by its own ids. */
  readonly #requests: Map<number, Call>[];
  readonly #streams: Map<number, Stream>[];

  constructor(options: { readonly plan: Plan; readonly recorder: Recorder; readonly world: LinksWorld }) {
    const { plan, recorder, world } = options;
    this.#world = world;
    this.#seed = combine32(plan.seed, 0xc11e47);
    this.#minUs = plan.link.minDelayMs * 1_000;
    this.#spreadUs = (plan.link.maxDelayMs - plan.link.minDelayMs) * 1_000 + 1;
    this.#members = plan.members.map((member) => member.name);
    this.#recorder = recorder;
    this.#creditSteps = plan.members.map(({ config }) => creditStepOf({ ...defaultMemberConfig, ...config }));
    this.#finalUser = plan.clients.some(({ user }) => user !== undefined) ? "root" : undefined;
    this.#requests = plan.members.map(() => new Map());
    this.#streams = plan.members.map(() => new Map());
    for (const client of plan.clients) {
      const session = new ClientSession({ client, members: this.#members, recorder });
      this.#add({ kind: "client", link: client.client, requireLeader: client.requireLeader === true, session });
    }
    for (const watch of plan.watches) {
      const session = new WatchSession({ watch, members: this.#members, recorder });
      this.#add({ kind: "watch", link: watch.client, session });
    }
  }

  start(): void {
    for (let position = 0; position < this.#sessions.length; position++) this.#wakeAt(position, this.#nowMs);
  }

  beginFinal(): void {
    const isAsked = (slot: number): boolean => this.#world.hosts[slot]?.servesClients ?? false;
    const session = new FinalSession({
      members: this.#members,
      recorder: this.#recorder,
      isAsked,
      user: this.#finalUser,
    });
    this.#wakeAt(this.#add({ kind: "final", link: 0, session }), this.#nowMs);
  }

  /** No new calls; slow watchers catch up. */
  stopClients(): void {
    for (const [position, { kind, session }] of this.#sessions.entries()) {
      if (kind === "client") this.#carryOut(position, session.step({ type: "stop", nowMs: this.#nowMs }));
      else if (kind === "watch") this.#carryOut(position, session.step({ type: "hurry", nowMs: this.#nowMs }));
    }
  }

  closeWatches(): void {
    for (const [position, { kind, session }] of this.#sessions.entries()) {
      if (kind === "watch") this.#carryOut(position, session.step({ type: "close", nowMs: this.#nowMs }));
    }
  }

  // ---- events --------------------------------------------------------------------------------------------------

  wake(position: number): void {
    this.#step(position, { type: "wake", nowMs: this.#nowMs });
  }

  /** Something from a client reaches a member. */
  arrive(event: ScheduledEvent): void {
    const host = this.#world.hosts[event.slot];
    if (host === undefined || host.hold(event)) return;
    const arrival = event.payload as Arrival;
    switch (arrival.type) {
      case "call":
        this.#submit(host, arrival.call);
        return;
      case "gone": {
        const { call } = arrival;
        if (!host.isUp || host.life !== call.life || !this.#requests[host.slot]?.delete(call.requestId)) return;
        host.step({ type: "clientGone", nowMs: host.nowMs, requestId: requestIdOf(call.requestId) });
        return;
      }
      case "open":
        this.#open(host, arrival.stream, arrival.request);
        return;
      default: {
        const { stream } = arrival;
        if (!host.isUp || host.life !== stream.life || stream.ended) return;
        const streamId = streamIdOf(stream.streamId);
        const { nowMs } = host;
        if (arrival.type === "request") {
          host.step({ type: "streamRequest", nowMs, streamId, request: arrival.request });
        } else if (arrival.type === "drained") {
          host.step({ type: "streamDrained", nowMs, streamId, replies: arrival.replies });
        } else {
          stream.ended = true;
          this.#streams[host.slot]?.delete(stream.streamId);
          host.step({ type: "streamClosed", nowMs, streamId });
        }
      }
    }
  }

  /** Something reaches a session. */
  arriveAtSession(position: number, payload: unknown): void {
    const arrived = payload as Arrived;
    const nowMs = this.#nowMs;
    if (arrived.type === "watchReply") {
      this.#step(position, { type: "reply", nowMs, watch: arrived.watch, reply: arrived.reply });
    } else if (arrived.type === "ended") {
      this.#watches.delete(arrived.watch);
      this.#step(position, { type: "ended", nowMs, watch: arrived.watch, reason: arrived.reason });
    } else {
      this.#calls.delete(arrived.callId);
      this.#keepAlives.delete(arrived.callId);
      const { callId } = arrived;
      if (arrived.type !== "reply") this.#step(position, { type: arrived.type, nowMs, callId });
      else if (this.#lostWithItsMember(arrived)) this.#step(position, { type: "connectionLost", nowMs, callId });
      else this.#step(position, { type: "reply", nowMs, callId, reply: arrived.reply });
    }
  }

  /** A reply on its way when its member died: every other one is lost. */
  #lostWithItsMember(reply: { readonly callId: number; readonly slot: number; readonly life: number }): boolean {
    const host = this.#world.hosts[reply.slot];
    if (host === undefined || (host.isUp && host.life === reply.life)) return false;
    return (combine32(this.#seed, reply.callId) & 1) === 1;
  }

  // ---- what a member does --------------------------------------------------------------------------------------

  replied(host: MemberHost, requestId: number, reply: Reply): void {
    const call = this.#requests[host.slot]?.get(requestId);
    if (call === undefined) return;
    this.#requests[host.slot]?.delete(requestId);
    this.#toSession(call.session, { type: "reply", callId: call.callId, reply, slot: host.slot, life: host.life }, 0);
  }

  streamReplied(host: MemberHost, streamId: number, reply: StreamReply): void {
    const stream = this.#streams[host.slot]?.get(streamId);
    if (stream === undefined) return;
    if (reply.type === "watch") {
      if (stream.kind !== "watch") return;
      stream.toClientUs = this.#toSession(
        stream.session,
        { type: "watchReply", watch: stream.number, reply },
        stream.toClientUs,
      );
      return;
    }
    this.#toSession(
      stream.session,
      { type: "reply", callId: stream.number, reply, slot: host.slot, life: host.life },
      0,
    );
    this.#toMember(host.slot, { type: "close", stream });
  }

  streamEnded(host: MemberHost, streamId: number, refusal: RefusalName | undefined): void {
    const stream = this.#streams[host.slot]?.get(streamId);
    if (stream === undefined) return;
    stream.ended = true;
    this.#streams[host.slot]?.delete(streamId);
    if (stream.kind === "watch") {
      const reason = refusal === undefined ? "ended by the member" : refusals[refusal].text;
      this.#toSession(stream.session, { type: "ended", watch: stream.number, reason }, stream.toClientUs);
    } else if (refusal === undefined) {
      this.#toSession(stream.session, { type: "connectionLost", callId: stream.number }, 0);
    } else {
      const reply: Reply = { ok: false, refusal };
      this.#toSession(
        stream.session,
        { type: "reply", callId: stream.number, reply, slot: host.slot, life: host.life },
        0,
      );
    }
  }

  /** Every connection to that member breaks. */
  lifeEnded(host: MemberHost): void {
    for (const call of this.#requests[host.slot]?.values() ?? []) {
      this.#toSession(call.session, { type: "connectionLost", callId: call.callId }, 0);
    }
    this.#requests[host.slot]?.clear();
    for (const stream of this.#streams[host.slot]?.values() ?? []) {
      stream.ended = true;
      if (stream.kind === "watch") {
        const ended: Arrived = { type: "ended", watch: stream.number, reason: "connection lost" };
        this.#toSession(stream.session, ended, stream.toClientUs);
      } else this.#toSession(stream.session, { type: "connectionLost", callId: stream.number }, 0);
    }
    this.#streams[host.slot]?.clear();
  }

  // ---- sessions ------------------------------------------------------------------------------------------------

  #add(session: Session): number {
    this.#carried.push(0);
    return this.#sessions.push(session) - 1;
  }

  #step(position: number, input: ClientInput | WatchInput): void {
    const entry = this.#sessions[position];
    if (entry === undefined) return;
    // Each session is only ever given inputs of its own kind: they come back from what it asked for.
    const session = entry.session as { step(input: ClientInput | WatchInput): readonly (ClientOutput | WatchOutput)[] };
    this.#carryOut(position, session.step(input));
  }

  #carryOut(
    position: number,
    outputs: ReturnType<FinalSession["step"]> | readonly (ClientOutput | WatchOutput)[],
  ): void {
    for (const output of outputs) {
      switch (output.type) {
        case "wakeAt":
          this.#wakeAt(position, output.atMs);
          break;
        case "call": {
          const { callId, request, credential } = output;
          const call: Call = { session: position, callId, request, credential, life: 0, requestId: 0 };
          this.#calls.set(callId, call);
          this.#toMember(output.member, { type: "call", call });
          break;
        }
        case "keepAlive":
          this.#keepAlive(position, output);
          break;
        case "abandon":
          this.#abandon(output.callId, output.member);
          break;
        case "open": {
          const { watch: number, credential } = output;
          const stream = newStream({ session: position, number, kind: "watch", credential });
          this.#watches.set(output.watch, stream);
          this.#toMember(output.member, { type: "open", stream, request: output.request });
          break;
        }
        case "finished":
          this.#world.finalFinished(output.missing);
          break;
        default:
          this.#onStream(output);
      }
    }
  }

  #onStream(output: Extract<WatchOutput, { type: "request" | "drained" | "close" }>): void {
    const stream = this.#watches.get(output.watch);
    if (stream === undefined) return;
    if (output.type === "request") {
      this.#toMember(output.member, { type: "request", stream, request: output.request });
    } else if (output.type === "drained") {
      stream.taken += output.replies;
      if (stream.taken < (this.#creditSteps[output.member] ?? 1)) return;
      this.#toMember(output.member, { type: "drained", stream, replies: stream.taken });
      stream.taken = 0;
    } else {
      this.#watches.delete(output.watch);
      this.#toMember(output.member, { type: "close", stream });
    }
  }

  #keepAlive(position: number, output: Extract<ClientOutput, { readonly type: "keepAlive" }>): void {
    const { callId: number, credential } = output;
    const stream = newStream({ session: position, number, kind: "leaseKeepAlive", credential });
    this.#keepAlives.set(output.callId, stream);
    const request: StreamRequest = { type: "leaseKeepAlive", leaseId: output.leaseId };
    this.#toMember(output.member, { type: "open", stream, request });
  }

  #abandon(callId: number, member: number): void {
    const call = this.#calls.get(callId);
    const stream = this.#keepAlives.get(callId);
    this.#calls.delete(callId);
    this.#keepAlives.delete(callId);
    if (call !== undefined) this.#toMember(member, { type: "gone", call });
    if (stream !== undefined) this.#toMember(member, { type: "close", stream });
  }

  // ---- members -------------------------------------------------------------------------------------------------

  #submit(host: MemberHost, call: Call): void {
    if (!host.isUp) {
      this.#toSession(call.session, { type: "connectionRefused", callId: call.callId }, 0);
      return;
    }
    host.lastRequestId += 1;
    call.life = host.life;
    call.requestId = host.lastRequestId;
    this.#requests[host.slot]?.set(call.requestId, call);
    const { request, credential } = call;
    const requestId = requestIdOf(call.requestId);
    const shown = credential === undefined ? {} : { credential };
    const requireLeader = this.#sessions[call.session]?.requireLeader === true;
    host.step({ type: "clientRequest", nowMs: host.nowMs, requestId, request, requireLeader, ...shown });
  }

  #open(host: MemberHost, stream: Stream, request: StreamRequest): void {
    if (!host.isUp) {
      if (stream.kind === "watch") {
        this.#toSession(stream.session, { type: "ended", watch: stream.number, reason: "connection refused" }, 0);
      } else this.#toSession(stream.session, { type: "connectionRefused", callId: stream.number }, 0);
      return;
    }
    host.lastStreamId += 1;
    stream.life = host.life;
    stream.streamId = host.lastStreamId;
    this.#streams[host.slot]?.set(stream.streamId, stream);
    const streamId = streamIdOf(stream.streamId);
    // Every other watcher asks to be told when its member has no leader, as careful clients do.
    const requireLeader = stream.kind === "watch" && ((this.#sessions[stream.session]?.link ?? 0) & 1) === 1;
    const { kind, credential } = stream;
    const shown = credential === undefined ? {} : { credential };
    host.step({ type: "streamOpened", nowMs: host.nowMs, streamId, kind, requireLeader, ...shown });
    if (!stream.ended && host.isUp && host.life === stream.life) {
      host.step({ type: "streamRequest", nowMs: host.nowMs, streamId, request });
    }
  }

  // ---- links ---------------------------------------------------------------------------------------------------

  #toMember(slot: number, arrival: Arrival): void {
    const owner = arrival.type === "call" || arrival.type === "gone" ? arrival.call : arrival.stream;
    let atUs = this.#world.timeUs + this.#delayUs(owner.session);
    if ("toMemberUs" in owner) {
      atUs = Math.max(atUs, owner.toMemberUs);
      owner.toMemberUs = atUs;
    }
    this.#world.schedule.add(atUs, kindOrders[kinds.arrival] ?? 0, kinds.arrival, slot, 0, 0, arrival);
  }

  /** @returns when it arrives, so that what follows on the same stream does not overtake it */
  #toSession(session: number, arrived: Arrived, notBeforeUs: number): number {
    const atUs = Math.max(this.#world.timeUs + this.#delayUs(session), notBeforeUs);
    const order = kindOrders[kinds.sessionInput] ?? 0;
    this.#world.schedule.add(atUs, order, kinds.sessionInput, session, 0, 0, arrived);
    return atUs;
  }

  #wakeAt(session: number, atMs: number): void {
    const atUs = Math.max(this.#world.timeUs, atMs * 1_000);
    const order = kindOrders[kinds.sessionWake] ?? 0;
    this.#world.schedule.add(atUs, order, kinds.sessionWake, session, 0, 0, undefined);
  }

  /** A function of how much this session's link has carried, so that one client less moves no other. */
  #delayUs(session: number): number {
    const carried = (this.#carried[session] ?? 0) + 1;
    this.#carried[session] = carried;
    return (
      this.#minUs + (combine32(combine32(this.#seed, this.#sessions[session]?.link ?? 0), carried) % this.#spreadUs)
    );
  }

  get #nowMs(): number {
    return Math.floor(this.#world.timeUs / 1_000);
  }
}

/**
 * A receiver gives room back when half of the window is taken, as HTTP/2 stacks do: a member that waits for room has
 * sent the whole window, so at least that much comes back to it. Where bytes may fill the window, any one reply may.
 */
function creditStepOf({ watchRepliesMax, watchStreamBytesMax, watchBytesMax }: MemberConfig): number {
  const { watchStreamBytesMax: usual, watchBytesMax: usualOfAll } = defaultMemberConfig;
  return watchStreamBytesMax < usual || watchBytesMax < usualOfAll ? 1 : Math.max(1, watchRepliesMax >> 1);
}
