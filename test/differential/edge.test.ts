/*
 * Below the messages: bytes that are no message, messages over the limits, paths nobody serves. Our process and a stock
 * etcd must end such calls with the same code and text; of a malformed message only the beginning of the text counts,
 * because the rest is the decoder's own.
 */

import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { services } from "../../chaos/member/services.ts";
import { RangeResponseSchema } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { GrpcTarget, ours } from "./grpc-target.ts";
import { encodePlain, type Plain } from "./messages.ts";
import { methodNamed } from "./methods.ts";
import type { OpenStream } from "./target.ts";

const suite = whyNoStockEtcd === undefined ? describe : describe.skip;
const anybody = { member: 0, token: undefined };
const malformedText = "grpc: error unmarshalling request: ";
const malformedInStream = "grpc: failed to unmarshal the received message";
/** Methods 3.4 does not have, one of them ours alone, and those that would change or stop something when their message is taken as empty. */
const later: ReadonlySet<string> = new Set(["AuthStatus", "Downgrade", "MemberReconfigure"]);
const unaryMethods = [...services.values()]
  .flat()
  .filter(({ kind, name }) => kind === "unary" && !later.has(name))
  .map(({ name }) => name);

const message = (method: string, request: Plain): Uint8Array =>
  encodePlain(methodNamed(method).input, request, () => 0n);
const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

const malformed: { readonly [name: string]: Uint8Array } = {
  "a field cut short": Uint8Array.of(0x0a, 0x05, 0x61),
  "a varint without end": Uint8Array.of(0x08, ...new Array<number>(11).fill(0xff)),
  "a field of number 0": Uint8Array.of(0x00, 0x01),
  "an end of a group that was never begun": Uint8Array.of(0x0c),
  "a field of a wire type there is not": Uint8Array.of(0x0f),
};

suite(`at the edge of the protocol${whyNoStockEtcd === undefined ? "" : `: skipped, ${whyNoStockEtcd}`}`, () => {
  let process: GrpcTarget;
  let stock: GrpcTarget;
  beforeAll(async () => {
    if (stockEtcd.kind !== "etcd") throw new Error("the stock etcd is a program here");
    process = await GrpcTarget.start(ours);
    stock = await GrpcTarget.start(stockEtcd.binary);
  });
  afterAll(async () => {
    await process?.close();
    await stock?.close();
  });

  /** Code and text at both, the decoder's own words left out. */
  async function statuses(path: string, bytes: Uint8Array): Promise<readonly [string, string]> {
    const outcomes = await Promise.all([process, stock].map((each) => each.call(path, bytes, anybody).result));
    const [first = "", second = ""] = outcomes.map((outcome) => {
      if (outcome.type === "answer") return "answered";
      const text = outcome.text.startsWith(malformedText) ? malformedText : outcome.text;
      return `${outcome.code}: ${text}`;
    });
    return [first, second];
  }

  describe.each(Object.entries(malformed))("%s", (_name, bytes) => {
    test.each(unaryMethods)("ends %s alike", async (name) => {
      const [first, second] = await statuses(methodNamed(name).path, bytes);
      expect(first).toBe(second);
      expect(first).toContain("INTERNAL");
    });
  });

  test("an unknown field is passed over", async () => {
    const unknown = Uint8Array.of(0xf8, 0x7f, 0x01);
    const [first, second] = await statuses(methodNamed("Range").path, concat(message("Range", { key: "a" }), unknown));
    expect([first, second]).toEqual(["answered", "answered"]);
  });

  test("a range end that is there but empty is one key to us, and all keys from it to etcd, whose rights see one key", async () => {
    const asked = concat(message("Range", { key: "a" }), Uint8Array.of(0x12, 0x00));
    const counts = await Promise.all(
      [process, stock].map(async (each) => {
        for (const key of ["a", "b"]) await each.call(methodNamed("Put").path, message("Put", { key }), anybody).result;
        const outcome = await each.call(methodNamed("Range").path, asked, anybody).result;
        return outcome.type === "answer" ? Number(fromBinary(RangeResponseSchema, outcome.bytes).count) : outcome.text;
      }),
    );
    expect(counts).toEqual([1, 2]);
  });

  test("a known field of another wire type is refused", async () => {
    const [first, second] = await statuses(methodNamed("Range").path, Uint8Array.of(0x08, 0x01));
    expect(first).toBe(second);
  });

  test.each([
    ["/etcdserverpb.KV/Nothing"],
    ["/etcdserverpb.Nothing/Range"],
    ["/nothing.at.All/Range"],
    ["/etcdserverpb.kv/range"],
  ])("a path nobody serves is named: %s", async (path) => {
    const [first, second] = await statuses(path, new Uint8Array(0));
    expect(first).toBe(second);
  });

  const limit = 1_572_864;
  test.each([
    ["Put", { key: "large", value: "x".repeat(limit) }],
    ["Put", { key: "large", value: "x".repeat(limit - 1_000) }],
    ["Put", { key: "large", value: "x".repeat(limit + 512 * 1024) }],
    ["Put", { key: "large", value: "x".repeat(3 * limit) }],
    ["DeleteRange", { key: "x".repeat(limit) }],
    ["Txn", { success: [{ requestPut: { key: "large", value: "x".repeat(limit) } }] }],
    ["Txn", { success: [{ requestRange: { key: "x".repeat(limit) } }] }],
    ["Range", { key: "x".repeat(limit) }],
    ["Range", { key: "x".repeat(limit + 512 * 1024) }],
    ["RoleAdd", { name: "x".repeat(limit) }],
  ] as const)("%s of a size near or over a limit ends alike (%#)", async (method, request) => {
    const [first, second] = await statuses(methodNamed(method).path, message(method, request));
    expect(first).toBe(second);
  });

  test.each([
    ["Watch", Uint8Array.of(0x0a, 0x05, 0x61)],
    ["LeaseKeepAlive", Uint8Array.of(0x0a, 0x05, 0x61)],
    ["LeaseKeepAlive", new Uint8Array(0)],
    ["Observe", Uint8Array.of(0x0a, 0x05, 0x61)],
    ["Snapshot", Uint8Array.of(0x0a, 0x05, 0x61)],
    ["Watch", message("Watch", { createRequest: { key: "x".repeat(limit + 512 * 1024) } })],
  ])("a stream %s is ended alike by bytes it cannot take (%#)", async (method, bytes) => {
    const ends = await Promise.all(
      [process, stock].map(async (each) => {
        const stream: OpenStream = each.open(methodNamed(method).path, anybody);
        stream.send(bytes);
        await each.until(() => stream.ended !== undefined || stream.replies.length > 0, 10_000);
        const { ended, replies } = stream;
        stream.cancel();
        if (ended === undefined) return `${replies.length} replies`;
        return `${ended.code}: ${ended.text.startsWith(malformedInStream) ? malformedInStream : ended.text}`;
      }),
    );
    expect(ends[0]).toBe(ends[1]);
  });
});
