/*
 * Lock and Election as services of a member, over gRPC's JSON form: turns in order of creation, turns that end with a
 * lease, a client that gives up, and everything an observer hears.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const plain = (text: unknown): string => Buffer.from(String(text), "base64").toString();

type Json = { [field: string]: unknown };

describe("lock and election", () => {
  let cluster: RealCluster;
  let base: string;

  beforeAll(async () => {
    cluster = await startCluster(1);
    await cluster.ready();
    base = `http://127.0.0.1:${cluster.clientPorts[0]}`;
  });
  afterAll(() => cluster.close());

  const send = async (path: string, body: Json, signal?: AbortSignal): Promise<{ status: number; body: Json }> => {
    const init = { method: "POST", body: JSON.stringify(body), ...(signal === undefined ? {} : { signal }) };
    const response = await fetch(`${base}${path}`, init);
    return { status: response.status, body: (await response.json()) as Json };
  };
  const post = async (path: string, body: Json): Promise<Json> => {
    const { status, body: answer } = await send(path, body);
    expect([status, answer]).toEqual([200, expect.anything()]);
    return answer;
  };
  const grant = async (ttl = 60): Promise<string> => (await post("/v3/lease/grant", { TTL: ttl }))["ID"] as string;
  const hex = (id: string): string => BigInt(id).toString(16);
  /** Keys below the prefix, in key order. */
  const keysBelow = async (prefix: string): Promise<string[]> => {
    const found = await post("/v3/kv/range", { key: base64(prefix), range_end: base64(`${prefix.slice(0, -1)}0`) });
    return ((found["kvs"] ?? []) as Json[]).map((keyValue) => plain(keyValue["key"]));
  };
  const waitersBelow = async (prefix: string, count: number): Promise<void> => {
    while ((await keysBelow(prefix)).length !== count) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  /** Whether the promise is settled now. */
  const settled = async (promise: Promise<unknown>): Promise<boolean> => {
    const open = Symbol("open");
    return (await Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 30, open))])) !== open;
  };

  test("a lock's key is its name and the lease in hex; the same lease has it again at once", async () => {
    const lease = await grant();
    const held = await post("/v3/lock/lock", { name: base64("one"), lease });
    expect(plain(held["key"])).toBe(`one/${hex(lease)}`);
    expect(held["header"]).toMatchObject({ revision: expect.any(String) });
    expect((await post("/v3/lock/lock", { name: base64("one"), lease }))["key"]).toBe(held["key"]);
    await post("/v3/lock/unlock", { key: held["key"] });
    await post("/v3/lock/unlock", { key: held["key"] });
    expect(await keysBelow("one/")).toEqual([]);
  });

  test("those who wait get their turn in the order they came", async () => {
    const [first, second, third] = [await grant(), await grant(), await grant()];
    const name = base64("queue");
    const held = await post("/v3/lock/lock", { name, lease: first });
    const next = post("/v3/lock/lock", { name, lease: second });
    await waitersBelow("queue/", 2);
    const last = post("/v3/lock/lock", { name, lease: third });
    await waitersBelow("queue/", 3);
    expect(await settled(next)).toBe(false);
    await post("/v3/lock/unlock", { key: held["key"] });
    const mine = await next;
    expect(plain(mine["key"])).toBe(`queue/${hex(second)}`);
    expect(await settled(last)).toBe(false);
    // A lease that ends gives the turn away as well.
    await post("/v3/lease/revoke", { ID: second });
    expect(plain((await last)["key"])).toBe(`queue/${hex(third)}`);
  });

  test("a client that gives up leaves the queue; a lease that ends while waiting is told so", async () => {
    const [first, second, third] = [await grant(), await grant(), await grant()];
    const name = base64("left");
    await post("/v3/lock/lock", { name, lease: first });
    const abort = new AbortController();
    const given = send("/v3/lock/lock", { name, lease: second }, abort.signal).catch(() => "gone");
    await waitersBelow("left/", 2);
    abort.abort();
    expect(await given).toBe("gone");
    await waitersBelow("left/", 1);
    const expired = send("/v3/lock/lock", { name, lease: third });
    await waitersBelow("left/", 2);
    await post("/v3/lease/revoke", { ID: third });
    await post("/v3/lease/revoke", { ID: first });
    expect(await expired).toEqual({ status: 500, body: { code: 2, message: "mutex: session is expired" } });
  });

  test("without a lease the lock has one of 60 seconds; an unknown lease is refused", async () => {
    const held = await post("/v3/lock/lock", { name: base64("own") });
    const id = BigInt(`0x${plain(held["key"]).split("/")[1]}`);
    expect(await post("/v3/lease/timetolive", { ID: String(id) })).toMatchObject({ grantedTTL: "60" });
    expect(await send("/v3/lock/lock", { name: base64("own"), lease: "12345" })).toEqual({
      status: 500,
      body: { code: 2, message: "etcdserver: requested lease not found" },
    });
  });

  test("a campaign is won when no older key is left; the leader proclaims, resigns, and is followed", async () => {
    const [first, second] = [await grant(), await grant()];
    const name = base64("seat");
    expect((await send("/v3/election/leader", { name })).body).toEqual({ code: 2, message: "election: no leader" });
    const won = await post("/v3/election/campaign", { name, lease: first, value: base64("a") });
    const leader = won["leader"] as Json;
    expect(leader).toMatchObject({ name, lease: first, rev: (won["header"] as Json)["revision"] });
    expect(plain(leader["key"])).toBe(`seat/${hex(first)}`);
    const other = post("/v3/election/campaign", { name, lease: second, value: base64("b") });
    await waitersBelow("seat/", 2);
    expect(await post("/v3/election/leader", { name })).toMatchObject({ kv: { value: base64("a") } });
    await post("/v3/election/proclaim", { leader, value: base64("a2") });
    expect(await post("/v3/election/leader", { name })).toMatchObject({ kv: { value: base64("a2") } });
    // The same lease campaigns again: its word is overwritten.
    await post("/v3/election/campaign", { name, lease: first, value: base64("a3") });
    expect(await post("/v3/election/leader", { name })).toMatchObject({ kv: { value: base64("a3") } });
    expect(await settled(other)).toBe(false);
    await post("/v3/election/resign", { leader });
    expect((await other)["leader"]).toMatchObject({ lease: second });
    expect(await post("/v3/election/leader", { name })).toMatchObject({ kv: { value: base64("b") } });
    expect((await send("/v3/election/proclaim", { leader, value: base64("late") })).body).toEqual({
      code: 2,
      message: "election: not leader",
    });
    await post("/v3/election/resign", { leader });
    expect((await send("/v3/election/resign", {})).body).toEqual({
      code: 2,
      message: '"leader" field must be provided',
    });
  });

  test("an observer hears every word of every leader", async () => {
    const [first, second] = [await grant(), await grant()];
    const name = base64("heard");
    const abort = new AbortController();
    const body = JSON.stringify({ name });
    // The head of the answer comes with the first word, so it is not waited for.
    const response = fetch(`${base}/v3/election/observe`, { method: "POST", body, signal: abort.signal });
    const heard = (async () => {
      let text = "";
      for await (const piece of (await response).body ?? []) {
        text += Buffer.from(piece).toString();
        const words = text
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { result: { kv: Json } });
        if (words.length === 4) return words.map(({ result }) => plain(result.kv["value"]));
      }
      return text;
    })();
    const won = await post("/v3/election/campaign", { name, lease: first, value: base64("1") });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await post("/v3/election/proclaim", { leader: won["leader"], value: base64("2") });
    await post("/v3/election/proclaim", { leader: won["leader"], value: base64("3") });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await post("/v3/election/resign", { leader: won["leader"] });
    await post("/v3/election/campaign", { name, lease: second, value: base64("4") });
    expect(await heard).toEqual(["1", "2", "3", "4"]);
    abort.abort();
  });
});
