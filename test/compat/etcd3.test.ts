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

  test("maintenance answers status of a member", async () => {
    const status = await client.maintenance.status();
    expect(status.version).toBe("3.6.14");
    expect(Number(status.dbSize)).toBeGreaterThan(0);
  });
});
