/*
 * The npm client etcd3 against a cluster of three of our members: keys, transactions, watches, leases, locks, elections.
 */
import { Etcd3, EtcdLeaseInvalidError } from "etcd3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealCluster, startCluster, until } from "../kit/real-members.ts";

describe("npm etcd3", () => {
  let cluster: RealCluster;
  let client: Etcd3;

  beforeAll(async () => {
    cluster = await startCluster(3);
    await cluster.ready();
    client = new Etcd3({ hosts: cluster.clientPorts.map((port) => `http://127.0.0.1:${port}`) });
  });
  afterAll(async () => {
    client.close();
    await cluster.close();
  });

  test("puts, gets, deletes and lists by prefix", async () => {
    await client.put("k/1").value("one");
    await client.put("k/2").value("two");
    expect(await client.get("k/1").string()).toBe("one");
    expect(await client.get("k/none").string()).toBeNull();
    expect(await client.getAll().prefix("k/").strings()).toEqual({ "k/1": "one", "k/2": "two" });
    expect(await client.getAll().prefix("k/").keys()).toEqual(["k/1", "k/2"]);
    expect(await client.getAll().prefix("k/").count()).toBe(2);
    const deleted = await client.delete().all().prefix("k/");
    expect(deleted.deleted).toBe("2");
  });

  test("a transaction compares and takes one branch", async () => {
    await client.put("txn").value("1");
    const taken = await client
      .if("txn", "Value", "==", "1")
      .then(client.put("txn").value("2"))
      .else(client.get("txn"))
      .commit();
    expect(taken.succeeded).toBe(true);
    const refused = await client
      .if("txn", "Value", "==", "1")
      .then(client.put("txn").value("3"))
      .else(client.get("txn"))
      .commit();
    expect(refused.succeeded).toBe(false);
    expect(refused.responses[0]?.response_range?.kvs[0]?.value.toString()).toBe("2");
  });

  test("a watcher sees puts and deletes in order", async () => {
    const watcher = await client.watch().prefix("seen/").create();
    const events: string[] = [];
    watcher.on("put", (keyValue) => events.push(`put ${keyValue.key} ${keyValue.value}`));
    watcher.on("delete", (keyValue) => events.push(`delete ${keyValue.key}`));
    await client.put("seen/a").value("1");
    await client.put("seen/b").value("2");
    await client.delete().key("seen/a");
    await until(
      () => events.length >= 3,
      10_000,
      () => events.join(),
    );
    expect(events).toEqual(["put seen/a 1", "put seen/b 2", "delete seen/a"]);
    await watcher.cancel();
  });

  test("a lease is kept alive, and takes its keys with it when revoked", async () => {
    const lease = client.lease(5, { autoKeepAlive: false });
    await lease.put("leased").value("v");
    await lease.keepaliveOnce();
    expect(await client.get("leased").string()).toBe("v");
    await lease.revoke();
    expect(await client.get("leased").string()).toBeNull();
    await expect(lease.keepaliveOnce()).rejects.toBeInstanceOf(EtcdLeaseInvalidError);
  });

  test("a lock keeps a second holder out until it is released", async () => {
    const first = await client.lock("lock").acquire();
    await expect(client.lock("lock").acquire()).rejects.toThrow();
    await first.release();
    const second = await client.lock("lock").acquire();
    await second.release();
  });

  test("an election has one leader, and the next when it resigns", async () => {
    const election = client.election("post");
    const first = election.campaign("one");
    await new Promise((resolve) => first.once("elected", resolve));
    expect(await election.leader()).toBe("one");
    const second = election.campaign("two");
    const elected = new Promise((resolve) => second.once("elected", resolve));
    await first.resign();
    await elected;
    expect(await election.leader()).toBe("two");
    await second.resign();
  });

  test("every form of a range: revisions, sorts, limits, numbers, JSON, existence", async () => {
    await client.put("form/a").value(3);
    await client.put("form/b").value(2);
    await client.put("form/c").value(JSON.stringify({ deep: 1 }));
    expect(await client.get("form/a").number()).toBe(3);
    expect(await client.get("form/c").json()).toEqual({ deep: 1 });
    expect(await client.get("form/b").buffer()).toEqual(Buffer.from("2"));
    expect(await client.get("form/b").exists()).toBe(true);
    expect(await client.get("form/z").exists()).toBe(false);
    const all = client.getAll().prefix("form/");
    expect(await all.sort("Key", "Descend").limit(2).keys()).toEqual(["form/c", "form/b"]);
    expect(await client.getAll().inRange({ start: "form/a", end: "form/c" }).numbers()).toEqual({
      "form/a": 3,
      "form/b": 2,
    });
    expect(await client.getAll().inRange({ start: "form/a", end: "form/c" }).sort("Value", "Ascend").keys()).toEqual([
      "form/b",
      "form/a",
    ]);
    const { kvs, header } = await client.get("form/a").exec();
    const created = kvs[0]?.create_revision ?? "";
    await client.put("form/a").value(4);
    expect(await client.get("form/a").revision(created).number()).toBe(3);
    expect(await client.get("form/a").serializable(true).exists()).toBe(true);
    expect(
      await client
        .getAll()
        .prefix("form/")
        .minModRevision(Number(header.revision) + 1)
        .keys(),
    ).toEqual(["form/a"]);
    expect(await client.getAll().prefix("form/").maxCreateRevision(created).keys()).toEqual(["form/a"]);
  });

  test("puts give what was before, keep a lease, or touch without changing", async () => {
    const lease = client.lease(60, { autoKeepAlive: false });
    await lease.put("kept").value("1");
    expect((await client.put("kept").value("2").ignoreLease().getPrevious()).value.toString()).toBe("1");
    expect((await client.get("kept").exec()).kvs[0]?.lease).toBe(await lease.grant());
    await client.put("kept").touch();
    expect((await client.get("kept").exec()).kvs[0]).toMatchObject({ version: "3", lease: "0" });
    expect((await client.delete().key("kept").getPrevious()).map(({ value }) => value.toString())).toEqual(["2"]);
    await lease.revoke();
  });

  test("a namespace keeps to its prefix, in transactions and watches too", async () => {
    const inner = client.namespace("room/");
    const watcher = await inner.watch().key("door").create();
    const seen = new Promise<string>((resolve) => watcher.on("put", ({ key }) => resolve(key.toString())));
    await inner.if("door", "Create", "==", 0).then(inner.put("door").value("open")).commit();
    expect(await seen).toBe("door");
    expect(await client.get("room/door").string()).toBe("open");
    expect(await inner.getAll().keys()).toEqual(["door"]);
    await watcher.cancel();
    await inner.delete().all();
    expect(await client.get("room/door").string()).toBeNull();
  });

  test("software transactions that collide are done one after the other", async () => {
    await client.put("account").value(0);
    const deposit = (): Promise<void> =>
      client.stm({ retries: 50 }).transact(async (tx) => {
        await tx.put("account").value(((await tx.get("account").number()) ?? 0) + 1);
      });
    await Promise.all(Array.from({ length: 8 }, deposit));
    expect(await client.get("account").number()).toBe(8);
  });

  test("a lease that nobody keeps alive is reported as lost", { timeout: 30_000 }, async () => {
    const lease = client.lease(2, { autoKeepAlive: false });
    await lease.put("fleeting").value("x");
    for (let attempt = 0; attempt < 200 && (await client.get("fleeting").exists()); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await expect(lease.keepaliveOnce()).rejects.toBeInstanceOf(EtcdLeaseInvalidError);
    expect(lease.revoked()).toBe(true);
  });

  test("maintenance answers status of a member", async () => {
    const status = await client.maintenance.status();
    expect(status.version).toBe("3.6.14");
    expect(Number(status.dbSize)).toBeGreaterThan(0);
  });

  test("a client goes on at the other members when its own dies", { timeout: 60_000 }, async () => {
    const own = new Etcd3({ hosts: cluster.clientPorts.map((port) => `http://127.0.0.1:${port}`) });
    await own.put("before").value("1");
    const status = await own.maintenance.status();
    const leader = (await own.cluster.memberList({})).members.find(({ ID }) => ID === status.leader);
    const member = cluster.members.find(({ name }) => name === leader?.name);
    await member?.end("SIGKILL");
    let wrote = false;
    for (let attempt = 0; attempt < 200 && !wrote; attempt++) {
      wrote = await own
        .put("after")
        .value("2")
        .then(
          () => true,
          () => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100)),
        );
    }
    expect(await own.getAll().prefix("").keys()).toEqual(expect.arrayContaining(["after", "before"]));
    own.close();
    member?.start();
    await member?.logged("serving client traffic insecurely", 2);
  });
});
