/*
 * faultline etcdctl: the part of etcd's etcdctl that a person at a small cluster needs, with its flags, texts and exit
 * codes: get, put, del, member list, endpoint health, endpoint status. Verbs that are not here say so with exit code 2.
 */

import { fromBinary } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { type Answer, bytesOfText, hexOf, type KeyValue, leaseIdOf, noLease, type Request } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import { type StatusResponse, StatusResponseSchema } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { runVerb, UsageError, wholeNumber } from "../../reports/command.ts";
import { type CallResult, type CallSettings, EtcdClient } from "../client/client.ts";
import { plainRange } from "../client/plain-range.ts";
import { type Reached, type Transport, TransportProblem } from "../client/transport.ts";
import { addGlobalFlags, type GlobalFlags, transportOf, withFullSwitches } from "./global-flags.ts";

type AnswerOf<Type extends Answer["type"]> = Extract<Answer, { readonly type: Type }>;

/** etcd's own exit code for an error of the server or the command. */
const exitError = 1;

/** @param argv after the verb */
export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline etcdctl", withFullSwitches(argv), (program, setExit) => {
    program
      .description("talk to a cluster, ours or any etcd: get, put, del, member list, endpoint health, endpoint status")
      .addHelpText(
        "after",
        "\nExamples:\n  faultline etcdctl put greeting hello\n  faultline etcdctl get --prefix gre\n  faultline etcdctl --endpoints https://127.0.0.1:2379 --cacert ca.pem get greeting\n",
      );
    addGlobalFlags(program);
    const session = () => new Session(program.opts<GlobalFlags>(), transportOf(program));
    const done = (code: number) => setExit(code);
    addKeyVerbs(program, session, done);
    addClusterVerbs(program, session, done);
  });
}

// ---- verbs ------------------------------------------------------------------------------------------------------

function addKeyVerbs(program: Command, session: () => Session, done: (code: number) => void): void {
  program
    .command("get")
    .argument("<key>")
    .argument("[range_end]")
    .option("--prefix", "every key that begins so")
    .option("--from-key", "every key from this one on")
    .option("--limit <n>", "at most so many keys", wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }), 0)
    .option("--rev <revision>", "as it was at that revision", wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }), 0)
    .option("--consistency <l|s>", "linearizable or serializable", "l")
    .option("--keys-only", "no values")
    .option("--print-value-only", "no keys")
    .action(async (key: string, rangeEnd: string | undefined, flags: RangeFlags & GetFlags) => {
      const { limit, rev: revision } = flags;
      const answer = await session().first<"range">({
        ...plainRange,
        ...rangeOf(key, rangeEnd, flags),
        limit,
        revision,
        serializable: flags.consistency === "s",
        keysOnly: flags.keysOnly === true,
      });
      for (const keyValue of answer?.keyValues ?? []) {
        if (flags.printValueOnly !== true) writeBytes(keyValue.key);
        writeBytes(keyValue.value);
      }
      done(answer === undefined ? exitError : 0);
    });
  program
    .command("put")
    .argument("<key>")
    .argument("[value]", "read from standard input when it is not given")
    .option("--lease <id>", "attach to that lease, in hex", "0")
    .option("--prev-kv", "print what was there before")
    .action(
      async (key: string, value: string | undefined, flags: { readonly lease: string; readonly prevKv?: boolean }) => {
        const answer = await session().first<"put">({
          type: "put",
          key: Buffer.from(key),
          value: value === undefined ? await readStdin() : Buffer.from(value),
          lease: leaseOf(flags.lease),
          prevKv: flags.prevKv === true,
          ignoreValue: false,
          ignoreLease: false,
        });
        if (answer !== undefined) {
          process.stdout.write("OK\n");
          if (answer.prevKv !== undefined) writePair(answer.prevKv);
        }
        done(answer === undefined ? exitError : 0);
      },
    );
  program
    .command("del")
    .argument("<key>")
    .argument("[range_end]")
    .option("--prefix", "every key that begins so")
    .option("--from-key", "every key from this one on")
    .option("--prev-kv", "print what was there before")
    .action(async (key: string, rangeEnd: string | undefined, flags: RangeFlags & { readonly prevKv?: boolean }) => {
      const range = rangeOf(key, rangeEnd, flags);
      const answer = await session().first<"deleteRange">({
        type: "deleteRange",
        ...range,
        prevKv: flags.prevKv === true,
      });
      if (answer !== undefined) {
        process.stdout.write(`${answer.deleted}\n`);
        for (const keyValue of answer.prevKvs) writePair(keyValue);
      }
      done(answer === undefined ? exitError : 0);
    });
}

function addClusterVerbs(program: Command, session: () => Session, done: (code: number) => void): void {
  const member = program.command("member").description("members of the cluster");
  member.command("list").action(async () => {
    const answer = await session().first<"memberList">({ type: "memberList", linearizable: true });
    for (const { memberId, name, peerUrls, clientUrls, isLearner } of answer?.members ?? []) {
      const state = name === "" ? "unstarted" : "started";
      const fields = [hexOf(memberId), state, name, peerUrls.join(","), clientUrls.join(","), String(isLearner)];
      process.stdout.write(`${fields.join(", ")}\n`);
    }
    done(answer === undefined ? exitError : 0);
  });
  const endpoint = program.command("endpoint").description("each endpoint by itself");
  endpoint.command("status").action(async () => {
    let failed = false;
    for (const { name, result } of await session().each((client, settings) => statusOf(client, settings))) {
      if (!("status" in result)) {
        process.stderr.write(`Failed to get the status of endpoint ${name} (${errorText(result)})\n`);
        failed = true;
        continue;
      }
      const { header, version, dbSize, leader, isLearner, raftTerm, raftIndex, raftAppliedIndex, errors } =
        result.status;
      const id = header?.memberId ?? 0n;
      const size = sizeText(Number(dbSize));
      const fields = [name, hexOf(id), version, size, leader === id, isLearner, raftTerm, raftIndex, raftAppliedIndex];
      process.stdout.write(`${fields.join(", ")}, ${errors.join(" ")}\n`);
    }
    done(failed ? exitError : 0);
  });
  endpoint.command("health").action(async () => {
    let failed = false;
    const began = performance.now();
    const probe: Request = { ...plainRange, key: bytesOfText("health") };
    for (const { name, result } of await session().each((client, settings) => client.call(probe, settings).result)) {
      if (result.type === "reply") {
        const took = (performance.now() - began).toFixed(6);
        process.stdout.write(`${name} is healthy: successfully committed proposal: took = ${took}ms\n`);
      } else {
        process.stderr.write(`${name} is unhealthy: failed to commit proposal: ${errorText(result)}\n`);
        failed = true;
      }
    }
    if (failed) process.stderr.write("Error: unhealthy cluster\n");
    done(failed ? exitError : 0);
  });
}

// ---- calls ------------------------------------------------------------------------------------------------------

class Session {
  readonly #endpoints: readonly string[];
  readonly #timeoutMs: number;
  readonly #reached: readonly Reached[];

  /** @throws UsageError for an end point that is none */
  constructor({ endpoints, commandTimeout }: GlobalFlags, transport: Transport) {
    this.#endpoints = endpoints.split(",").map((endpoint) => endpoint.trim());
    this.#timeoutMs = commandTimeout;
    try {
      this.#reached = this.#endpoints.map((endpoint) => transport.reach(endpoint));
    } catch (error) {
      if (error instanceof TransportProblem) throw new UsageError(error.message);
      throw error;
    }
  }

  /** The answer of the first endpoint that has one. Says on standard error why there is none. */
  async first<Type extends Answer["type"]>(request: Request): Promise<AnswerOf<Type> | undefined> {
    let last: CallResult = { type: "connectionRefused" };
    for (const endpoint of this.#reached) {
      last = await this.#ask(endpoint, (client, settings) => client.call(request, settings).result);
      if (last.type === "reply") return last.reply.answer as AnswerOf<Type>;
      // Only a request that never left may be tried elsewhere without the danger of doing it twice.
      if (last.type !== "connectionRefused") break;
    }
    process.stderr.write(`Error: ${errorText(last)}\n`);
    return undefined;
  }

  /** What came of it at every endpoint, in their order. */
  async each<Result>(
    ask: (client: EtcdClient, settings: CallSettings) => Promise<Result>,
  ): Promise<{ readonly name: string; readonly result: Result }[]> {
    const results = await Promise.all(this.#reached.map((endpoint) => this.#ask(endpoint, ask)));
    return results.map((result, position) => ({ name: this.#endpoints[position] ?? "", result }));
  }

  async #ask<Result>(
    { target, credentials }: Reached,
    ask: (client: EtcdClient, settings: CallSettings) => Promise<Result>,
  ): Promise<Result> {
    const client = new EtcdClient({ endpoint: target, credentials });
    try {
      return await ask(client, { timeoutMs: this.#timeoutMs });
    } finally {
      client.close();
    }
  }
}

/** Status with what only the wire carries: the server's version. */
async function statusOf(
  client: EtcdClient,
  settings: CallSettings,
): Promise<{ readonly status: StatusResponse } | Exclude<CallResult, { readonly type: "reply" }>> {
  const { path, encodeRequest } = unaryCalls.status;
  const result = await client.callBytes(path, encodeRequest({ type: "status" }), settings).result;
  return result.type === "bytes" ? { status: fromBinary(StatusResponseSchema, result.bytes) } : result;
}

function errorText(result: CallResult): string {
  switch (result.type) {
    case "status":
      return result.code === "DEADLINE_EXCEEDED" ? "context deadline exceeded" : result.text;
    case "connectionRefused":
      return result.reason === undefined ? "connection refused" : `no connection: ${result.reason}`;
    case "connectionLost":
      return "connection lost; the request may have taken effect";
    case "reply":
      return "an answer of another kind";
  }
}

// ---- operands ---------------------------------------------------------------------------------------------------

interface RangeFlags {
  readonly prefix?: boolean;
  readonly fromKey?: boolean;
}
interface GetFlags {
  readonly limit: number;
  readonly rev: number;
  readonly consistency: string;
  readonly keysOnly?: boolean;
  readonly printValueOnly?: boolean;
}

const everything = bytesOfText("\0");

function rangeOf(
  key: string,
  rangeEnd: string | undefined,
  flags: RangeFlags,
): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array | undefined } {
  if (flags.prefix === true && flags.fromKey === true) {
    throw new UsageError("`--prefix` and `--from-key` cannot be set at the same time, choose one");
  }
  const bytes = Buffer.from(key);
  if (flags.prefix === true) {
    return bytes.length === 0
      ? { key: everything, rangeEnd: everything }
      : { key: bytes, rangeEnd: afterPrefix(bytes) };
  }
  if (flags.fromKey === true) return { key: bytes.length === 0 ? everything : bytes, rangeEnd: everything };
  return { key: bytes, rangeEnd: rangeEnd === undefined ? undefined : Buffer.from(rangeEnd) };
}

/** The first key after every key with that prefix; all of them when there is none. */
function afterPrefix(prefix: Uint8Array): Uint8Array {
  for (let length = prefix.length; length > 0; length--) {
    const last = prefix[length - 1] ?? 0;
    if (last === 0xff) continue;
    const end = Uint8Array.from(prefix.subarray(0, length));
    end[length - 1] = last + 1;
    return end;
  }
  return everything;
}

function leaseOf(hex: string) {
  if (!/^[0-9a-fA-F]{1,16}$/.test(hex)) throw new UsageError(`bad lease ID (${hex}), expecting ID in Hex`);
  const id = BigInt.asIntN(64, BigInt(`0x${hex}`));
  return id === 0n ? noLease : leaseIdOf(id);
}

async function readStdin(): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece);
  return Buffer.concat(pieces);
}

// ---- output -----------------------------------------------------------------------------------------------------

function writeBytes(bytes: Uint8Array): void {
  process.stdout.write(Buffer.concat([bytes, Buffer.from("\n")]));
}
function writePair(keyValue: KeyValue): void {
  writeBytes(keyValue.key);
  writeBytes(keyValue.value);
}

/** SI units as etcdctl prints them: 20 kB, 2.1 GB. */
function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1_000 && unit < units.length - 1; unit++) value /= 1_000;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
