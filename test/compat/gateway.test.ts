/*
 * The JSON gateway of a member and that of etcd 3.4, asked the same: the same answers, but for ids, and for the error
 * body, which release 3.6 made shorter.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { type RealCluster, startCluster, until } from "../kit/real-members.ts";
import { WebSocketClient } from "../kit/web-socket-client.ts";

const suite = whyNoStockEtcd === undefined ? describe : describe.skip;
const base64 = (text: string): string => Buffer.from(text).toString("base64");
type Json = { [field: string]: unknown };

suite(`JSON beside etcd 3.4${whyNoStockEtcd === undefined ? "" : `: skipped, ${whyNoStockEtcd}`}`, () => {
  let cluster: RealCluster;
  let directory: string;
  let stock: ChildProcess;
  let stockEnded: Promise<void>;
  let stockPort = 0;

  beforeAll(async () => {
    cluster = await startCluster(1);
    directory = mkdtempSync(join(tmpdir(), "faultline-gateway-"));
    const [client = 0, peer = 0] = await freePorts(2);
    stockPort = client;
    const clientUrl = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    stock = spawn(
      stockEtcd.kind === "etcd" ? stockEtcd.binary : "",
      [
        ...["--name", "m1", "--data-dir", join(directory, "m1"), "--listen-client-urls", clientUrl],
        ...["--advertise-client-urls", clientUrl, "--listen-peer-urls", peerUrl],
        ...["--initial-advertise-peer-urls", peerUrl, "--initial-cluster", `m1=${peerUrl}`],
      ],
      { env: { PATH: process.env["PATH"] }, stdio: "ignore" },
    );
    stockEnded = new Promise((resolve) => stock.once("close", () => resolve()));
    await cluster.ready();
    const deadline = Date.now() + 20_000;
    while (Date.now() < deadline) {
      const answer = await fetch(`${clientUrl}/health`).catch(() => undefined);
      if (answer?.ok === true) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("etcd does not answer");
  });
  afterAll(async () => {
    stock.kill("SIGKILL");
    await stockEnded;
    rmSync(directory, { recursive: true, force: true });
    await cluster.close();
  });

  /** Status and body, without what differs by member, release or chance. */
  const ask = async (port: number, path: string, body: Json): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
    const { header, error: _error, ...rest } = (await response.json()) as Json;
    // An answer about alarms had no header before 3.6.
    const revision = path === "maintenance/alarm" ? undefined : (header as Json | undefined)?.["revision"];
    // FAILED_PRECONDITION was 412 in releases before 3.6.
    const status = response.status === 412 ? 400 : response.status;
    return { status, headerRevision: revision, ...rest };
  };
  const put = (key: string, value: string, more: Json = {}): [string, Json] => [
    "kv/put",
    { key: base64(key), value: base64(value), ...more },
  ];
  const everything = { key: "AA==", range_end: "AA==" };

  /** In this order, each building on those before. */
  const requests: readonly [string, Json][] = [
    put("a", "1"),
    put("b", "2", { prev_kv: true }),
    put("a", "3", { prev_kv: true }),
    ["kv/range", { key: base64("a") }],
    ["kv/range", { ...everything, sort_order: "DESCEND", sort_target: "VALUE" }],
    ["kv/range", { ...everything, limit: 1 }],
    ["kv/range", { ...everything, keys_only: true }],
    ["kv/range", { ...everything, count_only: true }],
    ["kv/range", { key: base64("a"), revision: "2" }],
    ["kv/range", { key: base64("a"), revision: "99" }],
    ["kv/range", { key: base64("none") }],
    ["kv/range", {}],
    put("", "x"),
    put("none", "", { ignore_value: true }),
    put("a", "", { ignore_value: true }),
    put("a", "4", { lease: "404" }),
    ["lease/grant", { ID: "7587862094871072774", TTL: "600" }],
    ["lease/grant", { ID: "7587862094871072774", TTL: "600" }],
    put("leased", "5", { lease: "7587862094871072774" }),
    ["kv/lease/leases", {}],
    ["lease/timetolive", { ID: "1", keys: true }],
    [
      "kv/txn",
      {
        compare: [{ target: "MOD", result: "GREATER", key: base64("a"), mod_revision: "2" }],
        success: [
          { request_range: { key: base64("a") } },
          { request_delete_range: { key: base64("b"), prev_kv: true } },
          { request_txn: { success: [{ request_put: { key: base64("c"), value: base64("6") } }] } },
        ],
        failure: [{ request_put: { key: base64("d") } }],
      },
    ],
    ["kv/txn", { success: [{ request_put: { key: base64("d") } }, { request_put: { key: base64("d") } }] }],
    ["kv/txn", { success: [{}] }],
    ["kv/deleterange", { key: base64("c"), prev_kv: true }],
    ["kv/deleterange", { key: base64("c") }],
    ["lease/revoke", { ID: "7587862094871072774" }],
    ["lease/revoke", { ID: "7587862094871072774" }],
    ["kv/compaction", { revision: "4" }],
    ["kv/compaction", { revision: "4" }],
    ["kv/range", { key: base64("a"), revision: "2" }],
    ["kv/range", { ...everything }],
    ["maintenance/alarm", { action: "GET" }],
    ["maintenance/defragment", {}],
    ["maintenance/transfer-leadership", { targetID: "5" }],
    ["cluster/member/remove", { ID: "5" }],
    ["lock/lock", { name: base64("l"), lease: "404" }],
    ["lock/unlock", { key: base64("l/404") }],
    ["election/leader", { name: base64("e") }],
    ["election/proclaim", { value: base64("v") }],
    ["election/campaign", { name: base64("e"), lease: "404" }],
    ["auth/user/get", { name: "nobody" }],
    ["auth/role/add", { name: "reader" }],
    ["auth/role/grant", { name: "reader", perm: { permType: "READ", key: base64("a"), range_end: base64("b") } }],
    ["auth/role/get", { role: "reader" }],
    ["auth/enable", {}],
  ];

  test("every answer is the same", async () => {
    const ours = cluster.clientPorts[0] ?? 0;
    const asked: unknown[] = [];
    const answered: unknown[] = [];
    for (const [path, body] of requests) {
      asked.push([path, body, await ask(stockPort, path, body)]);
      answered.push([path, body, await ask(ours, path, body)]);
    }
    expect(answered).toEqual(asked);
  });

  /** Path, and what the client sends: text, or a frame's kind and content. */
  const conversations: readonly [string, ...(string | [number, Buffer])[]][] = [
    ["kv/range", '{"key":"YQ=="}'],
    ["kv/range", "{}"],
    ["maintenance/snapshot", "{}"],
    ["watch", '{"create_request":', '{"key":"YQ=="}}', [8, Buffer.from([3, 232])]],
    ["watch", [2, Buffer.from('{"create_request":{"key":"YQ=="}}')], [8, Buffer.alloc(0)]],
    ["lease/keepalive", '{"ID":"5"}', [8, Buffer.from("\x03\xe9going", "latin1")]],
    ["nothing", "{}"],
  ];

  test.each(conversations)(
    "over a WebSocket %s says as much, in as many words, and ends in the same way",
    async (path, ...said) => {
      const heard = async (port: number): Promise<unknown> => {
        const client = new WebSocketClient(port, `/v3/${path}`, randomBytes(16).toString("base64"));
        await client.opened();
        for (const each of said) {
          client.socket.write(typeof each === "string" ? client.frame(1, Buffer.from(each)) : client.frame(...each));
          // Words of WebSocket's come once those before are answered.
          if (typeof each !== "string" || each.endsWith("}}")) await client.frames(1);
        }
        await until(
          () => client.ended,
          20_000,
          () => JSON.stringify(client.answer),
        );
        const frames = client.answer.frames.map(([kind, text]) => `${kind} ${kind === 1 ? shapeOf(text) : text}`);
        // A snapshot has as many pieces as its size wants.
        return frames.filter((each, position) => each !== frames[position - 1]);
      };
      expect(await heard(cluster.clientPorts[0] ?? 0)).toEqual(await heard(stockPort));
    },
  );

  /** What kind of message it is: releases and members differ in the rest, and 3.4 names an unknown path in plain text. */
  const shapeOf = (text: string): string => {
    if (text === "Not Found") return "code";
    const { result, code } = JSON.parse(text) as Json;
    return result !== undefined
      ? `result ${Object.hasOwn(result as Json, "created")}`
      : code === undefined
        ? "answer"
        : "code";
  };
});
