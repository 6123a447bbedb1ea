/*
 * The Lock service over members of a test cluster, without any port: calls are carried to a member and back by hand, and
 * time passes when a test says so.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { CallTarget } from "../../chaos/member/calls.ts";
import { lockPrograms } from "../../chaos/member/concurrency/lock.ts";
import type { OpenStream, StreamAnswers } from "../../chaos/member/seam.ts";
import { bytesOfText, type RequestId, refusals, rpcCodeNumbers, textOfBytes } from "../../core/index.ts";
import { callsByPath, type StreamCall } from "../../core/wire/calls.ts";
import { LockRequestSchema, LockResponseSchema } from "../../core/wire/gen/v3lockpb/lock_pb.ts";
import type { ServerFacts } from "../../core/wire/maintenance.ts";
import type { TestCluster, TestMember, TestStream } from "./cluster.ts";

const facts: ServerFacts = { version: "3.5.0", storageVersion: "3.5.0", quotaBytes: 0 };

/** What the program of one member asks of it. */
class ByHand implements CallTarget {
  readonly #cluster: TestCluster;
  readonly #member: TestMember;
  readonly #asked: { readonly requestId: RequestId; readonly settle: () => boolean }[] = [];
  readonly #streams: { readonly settle: () => void }[] = [];

  constructor(cluster: TestCluster, member: TestMember) {
    this.#cluster = cluster;
    this.#member = member;
  }

  unary(...[path, bytes, , to]: Parameters<CallTarget["unary"]>): () => void {
    const call = callsByPath.get(path);
    if (call?.kind !== "unary") throw new Error(`no call of ${path}`);
    const requestId = this.#cluster.submit(this.#member, call.decodeRequest(bytes));
    const settle = (): boolean => {
      const reply = this.#cluster.reply(this.#member, requestId);
      if (reply === undefined) return false;
      if (reply.ok) to.answer(call.encodeAnswer(reply.header, reply.answer, facts));
      else to.fail({ code: rpcCodeNumbers[refusals[reply.refusal].code], text: refusals[reply.refusal].text });
      return true;
    };
    this.#asked.push({ requestId, settle });
    return () => {};
  }

  open(...[path, , to]: Parameters<CallTarget["open"]>): OpenStream {
    const call = callsByPath.get(path);
    if (call?.kind !== "stream") throw new Error(`no stream of ${path}`);
    const { id, stream } = this.#cluster.openStream(this.#member, call.stream);
    this.#streams.push({ settle: () => handOn(stream, call, to) });
    return {
      message: (bytes) => {
        const request = call.decodeRequest(bytes);
        if (request !== undefined) this.#cluster.send(this.#member, id, request);
      },
      halfClosed: () => {},
      gone: () => this.#cluster.close(this.#member, id),
    };
  }

  /** Hands on what came meanwhile. */
  settle(): void {
    for (const asked of this.#asked.splice(0)) if (!asked.settle()) this.#asked.push(asked);
    for (const stream of this.#streams) stream.settle();
  }
}

function handOn(stream: TestStream, call: StreamCall, to: StreamAnswers): void {
  for (const reply of stream.replies.splice(0)) to.send(call.encodeReply(reply), () => {});
}

/** A call of Lock: its key once it was granted, the error once it was refused. */
export interface LockCall {
  outcome: string | undefined;
}

export class LockService {
  readonly #cluster: TestCluster;
  readonly #members = new Map<TestMember, ByHand>();

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  lock(member: TestMember, name: string, lease: bigint): LockCall {
    const target = this.#members.get(member) ?? new ByHand(this.#cluster, member);
    this.#members.set(member, target);
    const program = new Map(lockPrograms(target)).get("/v3lockpb.Lock/Lock");
    if (program?.kind !== "unary") throw new Error("Lock is a call with one answer");
    const call: LockCall = { outcome: undefined };
    const request = create(LockRequestSchema, { name: bytesOfText(name), lease });
    program.run(
      toBinary(LockRequestSchema, request),
      { requireLeader: false },
      {
        answer(bytes) {
          call.outcome = textOfBytes(fromBinary(LockResponseSchema, bytes).key);
        },
        fail({ text }) {
          call.outcome = text;
        },
      },
    );
    return call;
  }

  /** Time passes, and everything that is asked meanwhile is answered. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      for (const target of this.#members.values()) target.settle();
      await new Promise((resolve) => setImmediate(resolve));
      this.#cluster.pass(100);
    }
  }
}
