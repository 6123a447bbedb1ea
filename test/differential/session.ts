/*
 * One sequence at one target: every step is carried out, and what it brought is written down in a form that can be laid
 * beside another target's. Between two sequences the store is emptied and its history compacted, so that the next begins
 * as on a fresh server, only at another revision.
 *
 * Watches: before anything that a watch behind could notice (a compaction, the end) each live one is brought up to date:
 * its own first key is put and deleted, and the deletion, or what its filters leave of the two, must arrive.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { textOfBytes } from "../../core/bytes.ts";
import {
  AlarmResponseSchema,
  AuthenticateRequestSchema,
  AuthenticateResponseSchema,
  AuthRoleListResponseSchema,
  AuthUserListResponseSchema,
  CompactionRequestSchema,
  LeaseGrantRequestSchema,
  LeaseGrantResponseSchema,
  LeaseLeasesResponseSchema,
  MemberAddResponseSchema,
  MemberListResponseSchema,
  PutRequestSchema,
  PutResponseSchema,
  RangeResponseSchema,
} from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { decodePlain, encodePlain, type Plain } from "./messages.ts";
import { type KnownMethod, methodNamed } from "./methods.ts";
import { normalForm } from "./normal-form.ts";
import { Places } from "./places.ts";
import { snapshotOf } from "./snapshot-stream.ts";
import { alone, type Seen, type Sequence, type Step, stray, type Transcript } from "./steps.ts";
import type { Caller, Outcome, PendingCall, Target } from "./target.ts";
import { WatchStreams } from "./watch-streams.ts";

type CallStep = Extract<Step, { do: "call" }>;
type QueueStep = Extract<Step, { do: "queue" }>;

interface Waiting {
  readonly step: string;
  readonly method: KnownMethod;
  readonly call: PendingCall;
  readonly prefix: string;
  /** 0 while its key is not known. */
  createRevision: bigint;
  outcome: Outcome | undefined;
}

/** In place of an outcome: this target cannot be asked. */
export const notServed = "not served here";

const everything = { key: "\0", rangeEnd: "\0" } as const;
const callMs = 60_000;
/** Passwords root may have had when a sequence ended with auth on. */
const passwords = ["", "one", "two"] as const;

const memberChanges: ReadonlySet<string> = new Set(["MemberAdd", "MemberRemove", "MemberUpdate", "MemberPromote"]);

export class Session {
  readonly #target: Target;
  readonly #places: Places;
  readonly #seen: Seen[] = [];
  readonly #tokens = new Map<string, string>();
  /** While it is off nobody shows a token: etcd 3.4 would judge it all the same (`avoided.ts`). */
  #authOn = false;
  readonly #waiting = new Map<string, Waiting>();
  #watches: WatchStreams;
  #member = 0;
  #comparableHashes = false;
  /** When a change of members was answered last. */
  #changedMs = Number.NEGATIVE_INFINITY;
  /** When a member was removed last. */
  #removedMs = Number.NEGATIVE_INFINITY;

  constructor(target: Target) {
    this.#target = target;
    this.#places = new Places(target);
    this.#watches = new WatchStreams(target, this.#places);
  }

  /**
   * Runs a sequence from an empty store; {@link reset} must have made it.
   *
   * @param comparableHashes every target begins at the same revision, cleanly
   */
  async run(sequence: Sequence, comparableHashes: boolean): Promise<Transcript> {
    this.#comparableHashes = comparableHashes;
    await this.runSteps(sequence);
    await this.#finish();
    return [...this.#seen];
  }

  /** The same without the look at everything that ends it. */
  async runSteps(sequence: Sequence): Promise<Transcript> {
    this.#seen.length = 0;
    let number = 0;
    for (const step of sequence.flat()) {
      number += 1;
      this.#member = number;
      await this.#carryOut(`${number} ${nameOf(step)}`, step);
      await this.#collectQueue();
    }
    return [...this.#seen];
  }

  /**
   * Empties the store, whatever state it is in.
   *
   * @param options.cleanly waits until the old history is gone from the disk too, so that hashes do not count it
   * @returns the revision a sequence will begin with
   */
  async reset(options: { readonly cleanly: boolean }): Promise<bigint> {
    this.#watches.close();
    this.#watches = new WatchStreams(this.#target, this.#places);
    for (const { call } of this.#waiting.values()) call.cancel();
    this.#waiting.clear();
    this.#tokens.clear();
    this.#member = 0;
    await this.#dropAuth();
    await this.#dropAlarms();
    await this.#dropLearners();
    const { leases } = fromBinary(LeaseLeasesResponseSchema, await this.#must("LeaseLeases", {}));
    for (const { ID } of leases) await this.#must("LeaseRevoke", { ID });
    await this.#must("DeleteRange", everything);
    // So that there is something newer than whatever was compacted last.
    await this.#must("Put", { key: "reset" });
    await this.#must("DeleteRange", everything);
    const { header } = fromBinary(RangeResponseSchema, await this.#must("Range", everything));
    const revision = header?.revision ?? 0n;
    await this.#must("Compact", { revision, physical: options.cleanly });
    this.#places.begin(revision);
    return revision;
  }

  // ---- steps -------------------------------------------------------------------------------------------------------

  async #carryOut(name: string, step: Step): Promise<void> {
    switch (step.do) {
      case "call":
        await this.#call(name, step);
        return;
      case "keepAlive":
        await this.#keepAlive(name, step);
        return;
      case "watch":
        this.#see(name, await this.#watches.create(step.stream, step.request, this.#caller(step.as)));
        if (step.stream === alone) this.#watches.forget(alone);
        return;
      case "cancelWatch":
        // One that is behind would be canceled at another event by each server.
        await this.#catchUp(name);
        this.#see(name, await this.#watches.cancel(step.stream, step.watchId));
        return;
      case "progress":
        await this.#catchUp(name);
        this.#see(name, await this.#watches.progress(step.stream));
        return;
      case "queue":
        await this.#queue(name, step);
        return;
      case "observe":
        await this.#observe(name, step.name);
        return;
      case "snapshot":
        if (this.#target.serves("Snapshot")) this.#see(name, await snapshotOf(this.#target, this.#caller(undefined)));
        else this.#see(name, notServed);
        return;
      case "giveUp":
        this.#waiting.get(step.label)?.call.cancel();
        await this.#goneFromQueue(step.label);
        return;
      case "pass":
        await this.#target.until(() => false, step.ms);
        return;
    }
  }

  async #call(name: string, step: CallStep): Promise<void> {
    if (!this.#target.serves(step.method)) {
      this.#see(name, notServed);
      return;
    }
    if (step.method === "Compact") await this.#catchUp(name);
    if (memberChanges.has(step.method)) await this.#settleMembers(step.method);
    const method = methodNamed(step.method);
    const bytes = encodePlain(method.input, step.request, this.#places.resolve);
    const outcome = await this.#outcomeOf(this.#target.call(method.path, bytes, this.#caller(step.as)));
    if (memberChanges.has(step.method)) this.#changedMs = performance.now();
    if (outcome.type === "answer") this.#learn(step, bytes, outcome.bytes);
    this.#see(name, normalForm(step.method, this.#plainOf(method, outcome), this.#comparableHashes));
  }

  /** What a step's answer tells before it is written down. */
  #learn(step: CallStep, request: Uint8Array, answer: Uint8Array): void {
    if (step.method === "LeaseGrant") {
      if (fromBinary(LeaseGrantRequestSchema, request).ID !== 0n) return;
      this.#places.granted.push(fromBinary(LeaseGrantResponseSchema, answer).ID);
      // Keys that hang on it have other bytes at each server.
      this.#comparableHashes = false;
    } else if (step.method === "MemberAdd") {
      const { member } = fromBinary(MemberAddResponseSchema, answer);
      if (member !== undefined) this.#places.added.push(member.ID);
    } else if (step.method === "MemberRemove") {
      this.#removedMs = performance.now();
    } else if (step.method === "Compact") {
      const { revision, physical } = fromBinary(CompactionRequestSchema, request);
      this.#places.compacted = revision;
      // Until its work is done etcd 3.4 may count in a hash what is about to go.
      if (!physical) this.#comparableHashes = false;
    } else if (step.method === "AuthEnable" || step.method === "AuthDisable") {
      this.#authOn = step.method === "AuthEnable";
    } else if (step.method === "Authenticate") {
      const { name } = fromBinary(AuthenticateRequestSchema, request);
      this.#tokens.set(name, fromBinary(AuthenticateResponseSchema, answer).token);
    } else if (step.method === "Put") {
      const { key } = fromBinary(PutRequestSchema, request);
      const { header } = fromBinary(PutResponseSchema, answer);
      this.#places.notePut(textOfBytes(key), header?.revision ?? 0n);
    }
  }

  async #keepAlive(name: string, step: Extract<Step, { do: "keepAlive" }>): Promise<void> {
    const { path, input, output } = methodNamed("LeaseKeepAlive");
    const stream = this.#target.open(path, this.#caller(step.as));
    for (const ID of step.leases) stream.send(encodePlain(input, { ID }, this.#places.resolve));
    stream.halfClose();
    const ended = await this.#target.until(() => stream.ended !== undefined, callMs);
    if (!ended) stream.cancel();
    const replies = stream.replies.map((reply) => decodePlain(output, reply, this.#places.meaning));
    this.#see(name, { replies, end: stream.ended ?? "still open" });
  }

  // ---- locks and elections -----------------------------------------------------------------------------------------

  async #queue(name: string, { method: methodName, label, name: queue, lease, value }: QueueStep): Promise<void> {
    if (this.#waiting.has(label)) {
      this.#see(name, "waits already");
      return;
    }
    const method = methodNamed(methodName);
    const request = { name: queue, lease, ...(value === undefined ? {} : { value }) };
    const bytes = encodePlain(method.input, request, this.#places.resolve);
    const call = this.#target.call(method.path, bytes, this.#caller(undefined));
    const prefix = `${queue}/`;
    const waiting: Waiting = {
      step: `${name} (${label})`,
      method,
      call,
      prefix,
      createRevision: 0n,
      outcome: undefined,
    };
    void call.result.then((outcome) => {
      waiting.outcome = outcome;
    });
    this.#waiting.set(label, waiting);
    const key = `${prefix}${lease.toString(16)}`;
    // Until it is answered or its key is there, with its value where somebody had put it before; a last look in any
    // case, so that every run knows the key alike.
    for (let look = 0; look < 500; look++) {
      await this.#target.until(() => waiting.outcome !== undefined, 2);
      const isAnswered = waiting.outcome !== undefined;
      const { kvs } = fromBinary(RangeResponseSchema, await this.#must("Range", { key }));
      const [kv] = kvs;
      waiting.createRevision = kv?.createRevision ?? 0n;
      if (isAnswered || (kv !== undefined && (value === undefined || textOfBytes(kv.value) === value))) return;
    }
  }

  /** Whoever leads is told at once; where nobody does, nothing is said. */
  async #observe(name: string, election: string): Promise<void> {
    const { path, input, output } = methodNamed("Observe");
    const own = { key: `${election}/`, rangeEnd: `${election}0` };
    const { kvs } = fromBinary(RangeResponseSchema, await this.#must("Range", own));
    const stream = this.#target.open(path, this.#caller(undefined));
    stream.send(encodePlain(input, { name: election }, this.#places.resolve));
    // Newer servers do not begin before their client has said its one request is all.
    stream.halfClose();
    if (kvs.length > 0) await this.#target.until(() => stream.replies.length > 0 || stream.ended !== undefined, callMs);
    const [first] = stream.replies;
    const leader = first === undefined ? "nobody" : decodePlain(output, first, this.#places.meaning);
    this.#see(name, { leader, end: stream.ended ?? "open" });
    stream.cancel();
  }

  /** Those before whom nobody stands any more are answered; that is waited for and written down. */
  async #collectQueue(): Promise<void> {
    for (const [label, waiting] of this.#waiting) {
      if (waiting.outcome === undefined && waiting.createRevision > 0n) {
        const before = {
          key: waiting.prefix,
          rangeEnd: `${waiting.prefix.slice(0, -1)}0`,
          maxCreateRevision: waiting.createRevision - 1n,
          countOnly: false,
        };
        const { kvs } = fromBinary(RangeResponseSchema, await this.#must("Range", before));
        if (kvs.length > 0) continue;
      }
      if (!(await this.#target.until(() => waiting.outcome !== undefined, callMs)) || waiting.outcome === undefined) {
        this.#see(waiting.step, "no answer although it is its turn");
      } else this.#see(waiting.step, this.#plainOf(waiting.method, waiting.outcome));
      this.#waiting.delete(label);
    }
  }

  /** A client that is gone leaves no key behind. */
  async #goneFromQueue(label: string): Promise<void> {
    const waiting = this.#waiting.get(label);
    this.#waiting.delete(label);
    if (waiting === undefined || waiting.createRevision === 0n) return;
    const revision = waiting.createRevision;
    const own = {
      key: waiting.prefix,
      rangeEnd: `${waiting.prefix.slice(0, -1)}0`,
      minCreateRevision: revision,
      maxCreateRevision: revision,
    };
    for (let look = 0; look < 500; look++) {
      const { kvs } = fromBinary(RangeResponseSchema, await this.#must("Range", own));
      if (kvs.length === 0) return;
      await this.#target.until(() => false, 5);
    }
    this.#see(waiting.step, "its key is still there although its client is gone");
  }

  // ---- watches -----------------------------------------------------------------------------------------------------

  /** Every live watch gets all it is owed up to now. */
  async #catchUp(name: string): Promise<void> {
    for (const key of this.#watches.liveKeys()) {
      const put = await this.#try("Put", { key, value: "mark" });
      const deletion = await this.#try("DeleteRange", { key });
      this.#watches.owe(key, { put, deletion });
    }
    const missing = await this.#watches.settle();
    if (missing.length > 0) this.#see(`${name}, watches up to date`, missing);
  }

  async #finish(): Promise<void> {
    await this.#catchUp("the end");
    for (const { step, outcome } of this.#watches.collected()) this.#see(step, outcome);
    const method = methodNamed("Range");
    const outcome = await this.#outcomeOf(
      this.#target.call(method.path, encodePlain(method.input, everything, this.#places.resolve), this.#caller("root")),
    );
    this.#see("the end, all keys", this.#plainOf(method, outcome));
  }

  // ---- calls -------------------------------------------------------------------------------------------------------

  #see(step: string, outcome: Plain): void {
    this.#seen.push({ step, outcome });
  }

  #caller(as: string | undefined): Caller {
    const shows = this.#authOn || as === stray ? as : undefined;
    const token = shows === "nonsense" || shows === stray ? shows : this.#tokens.get(shows ?? "");
    return { member: this.#member, token };
  }

  async #outcomeOf(call: PendingCall): Promise<Outcome> {
    let outcome: Outcome | undefined;
    void call.result.then((result) => {
      outcome = result;
    });
    if (await this.#target.until(() => outcome !== undefined, callMs)) return outcome ?? noAnswer;
    call.cancel();
    return noAnswer;
  }

  #plainOf({ output }: KnownMethod, outcome: Outcome): Plain {
    if (outcome.type === "status") return { code: outcome.code, text: outcome.text };
    return decodePlain(output, outcome.bytes, this.#places.meaning);
  }

  async #answerOf(methodName: string, request: Plain): Promise<Outcome> {
    const method = methodNamed(methodName);
    const bytes = encodePlain(method.input, request, this.#places.resolve);
    const outcome = await this.#outcomeOf(this.#target.call(method.path, bytes, this.#caller("root")));
    if (outcome.type === "answer") this.#plainOf(method, outcome);
    return outcome;
  }

  /** @throws when the target refuses what it must not refuse */
  async #must(methodName: string, request: Plain): Promise<Uint8Array> {
    const outcome = await this.#answerOf(methodName, request);
    if (outcome.type === "answer") return outcome.bytes;
    throw new Error(`${this.#target.name} refuses ${methodName} ${JSON.stringify(request, bigints)}: ${outcome.text}`);
  }

  /** The revision of the answer; undefined when it was refused. */
  async #try(methodName: "Put" | "DeleteRange", request: Plain): Promise<bigint | undefined> {
    const outcome = await this.#answerOf(methodName, request);
    return outcome.type === "answer" ? this.#places.current : undefined;
  }

  // ---- resetting ---------------------------------------------------------------------------------------------------

  async #dropAlarms(): Promise<void> {
    const { alarms } = fromBinary(AlarmResponseSchema, await this.#must("Alarm", {}));
    for (const { memberID, alarm } of alarms) await this.#must("Alarm", { action: 2, memberID, alarm });
  }

  async #dropLearners(): Promise<void> {
    const { members } = fromBinary(MemberListResponseSchema, await this.#must("MemberList", {}));
    for (const { ID } of members) {
      if (this.#target.memberIds.includes(ID)) continue;
      await this.#settleMembers("MemberRemove");
      await this.#must("MemberRemove", { ID });
      this.#changedMs = performance.now();
      this.#removedMs = this.#changedMs;
    }
  }

  /**
   * A new member's id is made of its URLs and the second; within the second in which one of those URLs was removed it is
   * that one's id, and nobody gets it again. And a change that comes before etcd's Raft has noted that the one before was
   * applied is dropped there without a word: its caller waits for ever.
   */
  async #settleMembers(method: string): Promise<void> {
    const nowMs = performance.now();
    const fromMs = Math.max(this.#changedMs + 50, method === "MemberAdd" ? this.#removedMs + 1_000 : 0);
    if (fromMs > nowMs) await this.#target.until(() => false, Math.ceil(fromMs - nowMs));
  }

  /** Auth off, no users, no roles. */
  async #dropAuth(): Promise<void> {
    this.#authOn = true;
    if ((await this.#answerOf("AuthDisable", {})).type === "status") {
      await this.#becomeRoot();
      await this.#must("AuthDisable", {});
    }
    this.#authOn = false;
    this.#tokens.clear();
    const { users } = fromBinary(AuthUserListResponseSchema, await this.#must("UserList", {}));
    for (const name of users) await this.#must("UserDelete", { name });
    const { roles } = fromBinary(AuthRoleListResponseSchema, await this.#must("RoleList", {}));
    for (const role of roles) await this.#must("RoleDelete", { role });
  }

  async #becomeRoot(): Promise<void> {
    for (const password of passwords) {
      const outcome = await this.#answerOf("Authenticate", { name: "root", password });
      if (outcome.type === "status") continue;
      this.#tokens.set("root", fromBinary(AuthenticateResponseSchema, outcome.bytes).token);
      return;
    }
    throw new Error(`nobody can become root at ${this.#target.name}`);
  }
}

const noAnswer: Outcome = { type: "status", code: "none", text: `no answer within ${callMs} ms` };

const bigints = (_name: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}n` : value);

function nameOf(step: Step): string {
  switch (step.do) {
    case "call":
    case "queue":
      return step.method;
    default:
      return step.do;
  }
}
