/*
 * The client port over HTTP/1.1: the JSON gateway, probes, version, variables, metrics, and the filters before them.
 */
import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("the HTTP side of a client port", () => {
  let cluster: RealCluster;
  let base: string;

  beforeAll(async () => {
    cluster = await startCluster(1, ["--host-whitelist", "127.0.0.1,known.example", "--cors", "http://pages.example"]);
    await cluster.ready();
    base = `http://127.0.0.1:${cluster.clientPorts[0]}`;
  });
  afterAll(() => cluster.close());

  type Json = { [field: string]: unknown };
  const send = async (path: string, body: unknown, headers: { [name: string]: string } = {}) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${base}${path}`, { method: "POST", body: text, headers });
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      body: (await response.json()) as Json,
    };
  };
  const post = async (path: string, body: unknown): Promise<Json> => {
    const { status, body: answer } = await send(path, body);
    expect([status, answer]).toEqual([200, expect.anything()]);
    return answer;
  };
  /** Sends the body, reads so many lines, closes. */
  const lines = async (path: string, body: string, count: number): Promise<Json[]> => {
    const abort = new AbortController();
    const response = await fetch(`${base}${path}`, { method: "POST", body, signal: abort.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (text.split("\n").length <= count) {
      const piece = await reader?.read();
      if (piece === undefined || piece.done) break;
      text += piece.value;
    }
    abort.abort();
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Json);
  };
  const get = async (path: string, init: RequestInit = {}): Promise<[number, string]> => {
    const response = await fetch(`${base}${path}`, init);
    return [response.status, await response.text()];
  };

  test("keys: put, range, delete; 64-bit numbers are strings, zero values are left out", async () => {
    const put = await post("/v3/kv/put", { key: base64("a"), value: base64("1") });
    expect(put).toEqual({
      header: {
        cluster_id: expect.stringMatching(/^\d+$/),
        member_id: expect.stringMatching(/^\d+$/),
        revision: "2",
        raft_term: expect.stringMatching(/^\d+$/),
      },
    });
    const range = await post("/v3/kv/range", { key: base64("a") });
    expect(range["kvs"]).toEqual([
      { key: base64("a"), create_revision: "2", mod_revision: "2", version: "1", value: base64("1") },
    ]);
    expect(range["count"]).toBe("1");
    expect(await post("/v3/kv/range", { key: base64("none") })).not.toHaveProperty("kvs");
    // Both spellings of a field, numbers as text or not, unknown fields.
    const counted = await post("/v3/kv/range", { key: "YQ", rangeEnd: "AA", limit: "5", count_only: true, other: 1 });
    expect(counted).toMatchObject({ count: "1" });
    expect(await post("/v3beta/kv/deleterange", { key: base64("a") })).toMatchObject({ deleted: "1" });
  });

  test("a transaction names its branch's operations by their field", async () => {
    const answer = await post("/v3/kv/txn", {
      compare: [{ target: "VERSION", result: "EQUAL", key: base64("t"), version: "0" }],
      success: [{ request_put: { key: base64("t"), value: base64("v") } }],
    });
    expect(answer["succeeded"]).toBe(true);
    expect(answer["responses"]).toEqual([{ response_put: { header: { revision: expect.any(String) } } }]);
  });

  test("a lease's id keeps all its digits, as a number too", async () => {
    const granted = await send("/v3/lease/grant", '{"ID":7587862094871072774,"TTL":60}');
    expect(granted.body).toMatchObject({ ID: "7587862094871072774", TTL: "60" });
    const alive = await lines("/v3/lease/keepalive", '{"ID":"7587862094871072774"}', 1);
    expect(alive).toMatchObject([{ result: { ID: "7587862094871072774", TTL: "60" } }]);
    expect(await post("/v3/kv/lease/timetolive", { ID: "7587862094871072774" })).toMatchObject({ grantedTTL: "60" });
    expect(await post("/v3/lease/leases", {})).toMatchObject({ leases: [{ ID: "7587862094871072774" }] });
    await post("/v3/lease/revoke", { ID: "7587862094871072774" });
  });

  test("a watch outlives its request's body: a line for the creation, one for each change", async () => {
    const create = JSON.stringify({ create_request: { key: base64("w"), start_revision: "1" } });
    await post("/v3/kv/put", { key: base64("w"), value: base64("1") });
    const [created, changed] = await lines("/v3/watch", create, 2);
    expect(created).toMatchObject({ result: { header: { revision: expect.any(String) }, created: true } });
    expect(created).not.toHaveProperty("result.watch_id");
    expect(changed).toMatchObject({ result: { events: [{ kv: { key: base64("w"), value: base64("1") } }] } });
  });

  test("a refusal has its gRPC code in the body and its HTTP status", async () => {
    expect(await send("/v3/kv/put", {})).toEqual({
      status: 400,
      type: "application/json",
      body: { code: 3, message: "etcdserver: key is not provided" },
    });
    expect(await send("/v3/lease/revoke", { ID: "77" })).toMatchObject({ status: 404, body: { code: 5 } });
    expect(await send("/v3/kv/compaction", { revision: "999999" })).toMatchObject({ status: 400, body: { code: 11 } });
    expect(await send("/v3/kv/put", { key: base64("big"), value: base64("x".repeat(2_100_000)) })).toMatchObject({
      status: 429,
      body: { code: 8, message: expect.stringMatching(/^grpc: received message larger than max \(\d+ vs. 2097152\)$/) },
    });
    expect(await send("/v3/kv/range", "{no json")).toMatchObject({ status: 400, body: { code: 3 } });
    expect(await send("/v3/kv/range", { key: "%%%" })).toMatchObject({ status: 400, body: { code: 3 } });
    expect(await send("/v3/kv/nothing", {})).toMatchObject({ status: 404, body: { code: 5, message: "Not Found" } });
    const [status, text] = await get("/v3/kv/range");
    expect([status, JSON.parse(text)]).toEqual([501, { code: 12, message: "Method Not Allowed" }]);
    const [streamStatus, streamText] = await get("/v3/watch", { method: "POST", body: "[1" });
    expect([streamStatus, JSON.parse(streamText)]).toMatchObject([400, { error: { code: 3 } }]);
  });

  test("maintenance and cluster answers come as JSON too", async () => {
    expect(await post("/v3/maintenance/status", {})).toMatchObject({ version: "3.6.14", storageVersion: "3.6.0" });
    expect(await post("/v3/maintenance/hashkv", {})).toMatchObject({ hash: expect.any(Number) });
    expect(await post("/v3/cluster/member/list", {})).toMatchObject({ members: [{ name: "m1" }] });
  });

  test("a snapshot comes as lines whose last one is the hash of those before", async () => {
    await post("/v3/kv/put", { key: base64("large"), value: base64("x".repeat(100_000)) });
    const body = await (await fetch(`${base}/v3/maintenance/snapshot`, { method: "POST", body: "{}" })).text();
    const messages = body
      .trim()
      .split("\n")
      .map(
        (line) => (JSON.parse(line) as { result: { remaining_bytes?: string; blob: string; version: string } }).result,
      );
    const blobs = messages.map(({ blob }) => Buffer.from(blob, "base64"));
    const file = Buffer.concat(blobs.slice(0, -1));
    expect(createHash("sha256").update(file).digest()).toEqual(blobs.at(-1));
    expect(messages[0]).toMatchObject({ remaining_bytes: String(file.length - 32 * 1024), version: "3.6.0" });
    expect(blobs[0]).toHaveLength(32 * 1024);
  });

  test("probes: each check has a path, verbose lists them, exclude skips", async () => {
    expect(await get("/health")).toEqual([200, '{"health":"true","reason":""}']);
    expect(await get("/livez?verbose")).toEqual([200, "[+]serializable_read ok\nok\n"]);
    expect((await get("/readyz?verbose"))[1].trim().split("\n").sort()).toEqual([
      "[+]data_corruption ok",
      "[+]linearizable_read ok",
      "[+]non_learner ok",
      "[+]serializable_read ok",
      "ok",
    ]);
    expect(await get("/readyz/linearizable_read?verbose")).toEqual([200, "[+]linearizable_read ok\nok\n"]);
    expect((await get("/readyz?verbose&exclude=non_learner"))[1]).not.toContain("non_learner");
    expect(await get("/readyz/nothing")).toEqual([404, "404 page not found\n"]);
    expect(await get("/health", { method: "POST" })).toEqual([405, "Method Not Allowed\n"]);
    expect((await get("/readyz/linearizable_read", { method: "POST" }))[0]).toBe(405);
    expect((await get("/readyz/nothing", { method: "POST" }))[0]).toBe(404);
    expect((await get("/livez/"))[0]).toBe(404);
    expect((await get("/debug/vars", { method: "POST" }))[0]).toBe(405);
  });

  test("headers are those of etcd's HTTP library", async () => {
    const head = async (path: string, init: RequestInit = {}) => {
      const { headers } = await fetch(`${base}${path}`, init);
      return [headers.get("content-type"), headers.get("x-content-type-options")];
    };
    expect(await head("/health")).toEqual(["text/plain; charset=utf-8", null]);
    for (const path of ["/livez", "/nothing", "/readyz/nothing"]) {
      expect(await head(path)).toEqual(["text/plain; charset=utf-8", "nosniff"]);
    }
    expect(await head("/debug/vars")).toEqual(["application/json; charset=utf-8", null]);
    const call = async (path: string, body: string) =>
      (await fetch(`${base}${path}`, { method: "POST", body })).headers.get("grpc-metadata-content-type");
    expect(await call("/v3/kv/range", '{"key":"YQ=="}')).toBe("application/grpc");
    expect(await call("/v3/lease/keepalive", '{"ID":1}')).toBe("application/grpc");
    expect(await call("/v3/kv/range", "{}")).toBe(null);
  });

  test("a path with empty or dotted steps is sent to what it means, with its method", async () => {
    const raw = (path: string) =>
      new Promise<unknown>((resolve, reject) => {
        const sent = httpRequest(
          { host: "127.0.0.1", port: cluster.clientPorts[0], path, method: "POST" },
          (response) => {
            response.resume();
            resolve([response.statusCode, response.headers.location]);
          },
        );
        sent.on("error", reject);
        sent.end("{}");
      });
    expect(await raw("//v3/kv/range?a=//b")).toEqual([307, "/v3/kv/range?a=//b"]);
    expect(await raw("/v3/kv/../kv/./range")).toEqual([307, "/v3/kv/range"]);
    expect(await raw("/v3")).toEqual([307, "/v3/"]);
    expect(await raw("/../..//")).toEqual([307, "/"]);
    expect(await raw("/v3/kv/range")).toEqual([400, undefined]);
    const followed = await fetch(`${base}//v3/kv/range`, { method: "POST", body: '{"key":"YQ=="}' });
    expect(followed.status).toBe(200);
  });

  test("the time a client allows itself is kept, on streams too; one that is none is refused", async () => {
    const timeout = (text: string) => ({ "grpc-timeout": text });
    expect(await send("/v3/kv/range", { key: base64("a") }, timeout("nope"))).toMatchObject({
      status: 400,
      body: { code: 3, message: "invalid grpc-timeout: nope" },
    });
    expect(await send("/v3/kv/range", { key: base64("a") }, timeout("5S"))).toMatchObject({ status: 200 });
    const body = `{"create_request":{"key":"${base64("w")}"}}`;
    const watch = await fetch(`${base}/v3/watch`, { method: "POST", body, headers: timeout("300m") });
    const [created, ended] = (await watch.text())
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text) as Json);
    expect(created).toMatchObject({ result: { created: true } });
    expect(ended).toMatchObject({ error: { code: 4, message: "context deadline exceeded" } });
  });

  test("of a call with one request, what stands behind it is passed over", async () => {
    expect(await send("/v3/kv/range", `{"key":"${base64("a")}"} and more`)).toMatchObject({ status: 200 });
  });

  test("an alarm shows in probes until it is taken away", async () => {
    const status = await post("/v3/maintenance/status", {});
    const memberID = (status["header"] as { member_id: string }).member_id;
    const alarm = (action: string) => post("/v3/maintenance/alarm", { action, memberID, alarm: "CORRUPT" });
    expect(await alarm("ACTIVATE")).toMatchObject({ alarms: [{ memberID, alarm: "CORRUPT" }] });
    expect(await get("/health")).toEqual([503, '{"health":"false","reason":"ALARM CORRUPT"}\n']);
    expect((await get("/health?exclude=CORRUPT"))[0]).toBe(200);
    expect(await get("/readyz/data_corruption")).toEqual([
      503,
      "[-]data_corruption failed: alarm activated: CORRUPT\n\n",
    ]);
    expect((await get("/readyz"))[1]).toMatch(/\[\+\]serializable_read ok\n(.*\n)+\n$/);
    expect((await get("/livez"))[0]).toBe(200);
    expect(await send("/v3/kv/put", { key: base64("x") })).toMatchObject({ status: 500, body: { code: 15 } });
    expect(await alarm("DEACTIVATE")).toMatchObject({ alarms: [{ memberID, alarm: "CORRUPT" }] });
    expect(await alarm("DEACTIVATE")).not.toHaveProperty("alarms");
    expect((await get("/health"))[0]).toBe(200);
  });

  test("metrics count calls by method and status, and runs of checks", async () => {
    const [, text] = await get("/metrics");
    expect(text).toMatch(
      /^grpc_server_handled_total\{grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary",grpc_code="OK"\} [1-9]/m,
    );
    expect(text).toMatch(/grpc_method="Put",grpc_type="unary",grpc_code="InvalidArgument"\} [1-9]/);
    expect(text).toMatch(/^etcd_server_health_failures [1-9]/m);
    expect(text).toMatch(
      /^etcd_server_healthchecks_total\{type="readyz",name="data_corruption",status="error"\} [1-9]/m,
    );
    expect(text).toMatch(/^etcd_server_is_learner 0$/m);
  });

  test("a client's API version is counted, and refused when it is no text", async () => {
    const version = "grpc-metadata-client-api-version";
    await send("/v3/kv/range", { key: base64("a") }, { [version]: "3.6.1" });
    expect(await send("/v3/kv/range", { key: base64("a") }, { [version]: "\u00ff" })).toMatchObject({
      status: 400,
      body: { code: 3, message: "etcdserver: invalid client api version" },
    });
    const [, text] = await get("/metrics");
    expect(text).toMatch(/^etcd_server_client_requests_total\{type="unary",client_api_version="3.6.1"\} 1$/m);
  });

  test("variables show the command and raft's state", async () => {
    const [status, text] = await get("/debug/vars");
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      cmdline: expect.arrayContaining(["etcd"]),
      memstats: { HeapAlloc: expect.any(Number) },
      "raft.status": { raftState: "StateLeader", term: expect.any(Number) },
    });
  });

  test("hosts outside the list are refused, origins outside it get no permission, OPTIONS is empty", async () => {
    const raw = (options: { path: string; method?: string; headers: { [name: string]: string } }) =>
      new Promise<{ status: number | undefined; origin: unknown }>((resolve, reject) => {
        const sent = httpRequest({ host: "127.0.0.1", port: cluster.clientPorts[0], ...options }, (response) => {
          response.resume();
          resolve({ status: response.statusCode, origin: response.headers["access-control-allow-origin"] });
        });
        sent.on("error", reject);
        sent.end();
      });
    expect(await raw({ path: "/version", headers: { host: "evil.example" } })).toMatchObject({ status: 421 });
    expect(await raw({ path: "/version", headers: { host: "known.example" } })).toMatchObject({ status: 200 });
    expect(await raw({ path: "/version", headers: { host: "known.example:2379" } })).toMatchObject({ status: 200 });
    const origin = "http://pages.example";
    expect(await raw({ path: "/version", headers: { origin } })).toEqual({ status: 200, origin });
    expect(await raw({ path: "/version", headers: { origin: "http://other.example" } })).toEqual({ status: 200 });
    expect(await raw({ path: "/v3/kv/put", method: "OPTIONS", headers: { origin } })).toEqual({ status: 200, origin });
  });
});
