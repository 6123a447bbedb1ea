/*
 * The members of a new cluster from a register in another etcd (etcd calls it v3 discovery). Somebody wrote there how many
 * members there will be; each enters itself, and waits until so many have. The first so many, by the order in which they
 * came, are the cluster; whoever comes later is told that it is full. A member that died before the register was full may
 * enter itself again. Source: etcd configuration, §10 discovery and DNS.
 *
 *     /_etcd/registry/TOKEN/_config/size          3
 *     /_etcd/registry/TOKEN/members/ID            name=http://host:2380
 */
import { hexOf, type MemberId, noLease } from "../../core/index.ts";
import { EtcdClient } from "../client/client.ts";
import { plainRange } from "../client/plain-range.ts";
import { Transport, TransportProblem } from "../client/transport.ts";
import { StartProblem } from "./data-directory.ts";
import type { RegisterPlace } from "./discovery-flags.ts";
import type { ClusterEntry } from "./identity.ts";
import { initialClusterOf } from "./initial-cluster.ts";
import type { Log } from "./log.ts";

/** The part of an etcd this needs. Each call waits until the register answers. */
export interface Register {
  get(key: string): Promise<string | undefined>;
  /** Values below a prefix with their keys, in the order in which they were created. */
  list(prefix: string): Promise<readonly { readonly key: string; readonly value: string }[]>;
  put(key: string, value: string): Promise<void>;
  /** Between two looks. */
  pause(): Promise<void>;
}

export interface Entrant {
  readonly memberId: MemberId;
  readonly name: string;
  readonly advertisePeerUrls: readonly string[];
  readonly log: Log;
}

/**
 * The list that --initial-cluster would give.
 *
 * @throws StartProblem in etcd's words when the register is not set up, is full, or holds what is no member
 */
export async function membersFromRegister(token: string, own: Entrant, register: Register): Promise<ClusterEntry[]> {
  const root = `/_etcd/registry/${token}`;
  const size = await sizeOf(`${root}/_config/size`, register);
  const prefix = `${root}/members/`;
  const ownKey = `${prefix}${hexOf(own.memberId)}`;
  const before = await register.list(prefix);
  if (!before.some(({ key }) => key === ownKey)) {
    if (before.length >= size) throw full(size);
    await register.put(ownKey, own.advertisePeerUrls.map((url) => `${own.name}=${url}`).join(","));
    own.log.info("registered itself in the discovery service", { "discovery-token": token, size });
  }
  const seen = new Set<string>();
  for (;;) {
    const found = (await register.list(prefix)).slice(0, size);
    for (const { key, value } of found) {
      if (seen.has(key)) continue;
      seen.add(key);
      const more = { "found-peers": seen.size, "needed-peers": size - seen.size };
      own.log.info("found peer from the discovery service", { "peer-config": value, ...more });
    }
    // Somebody else was quicker between the look and the entry.
    if (found.length === size && !found.some(({ key }) => key === ownKey)) throw full(size);
    if (found.length === size) return entriesOf(found.map(({ value }) => value));
    await register.pause();
  }
}

const problem = (text: string): StartProblem => new StartProblem("discovery failed", text);
const full = (size: number): StartProblem => problem(`discovery: cluster is full (it has ${size} members)`);

async function sizeOf(key: string, register: Register): Promise<number> {
  const text = await register.get(key);
  if (text === undefined) throw problem(`discovery: size key not found; put the number of members under ${key}`);
  const size = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (size === 0) throw problem(`discovery: size value is invalid: "${text}" under ${key} is no number of members`);
  return size;
}

function entriesOf(values: readonly string[]): ClusterEntry[] {
  const entries = initialClusterOf(values.join(","));
  if ("problem" in entries) throw problem(`discovery: invalid peer in the register: ${entries.problem}`);
  if (entries.length < values.length) throw problem("discovery: found duplicate name");
  return entries;
}

// ---- a real one ------------------------------------------------------------------------------------------------

const pauseMs = 500;

/** @throws StartProblem when files or end points cannot be used */
export async function askRegister(place: RegisterPlace, own: Entrant): Promise<ClusterEntry[]> {
  let clients: EtcdClient[];
  try {
    const transport = new Transport(place.transport, "--discovery-");
    clients = place.endpoints.map((endpoint) => {
      const { target, credentials } = transport.reach(endpoint);
      const { keepaliveMs, keepaliveTimeoutMs } = place;
      return new EtcdClient({ endpoint: target, credentials, keepaliveMs, keepaliveTimeoutMs });
    });
  } catch (error) {
    if (error instanceof TransportProblem) throw problem(error.message);
    throw error;
  }
  try {
    return await membersFromRegister(place.token, own, new EtcdRegister(clients, place, own.log));
  } finally {
    for (const client of clients) client.close();
  }
}

type Asked = Parameters<EtcdClient["call"]>[0];

class EtcdRegister implements Register {
  readonly #clients: readonly EtcdClient[];
  readonly #place: RegisterPlace;
  readonly #log: Log;
  #token: string | undefined;
  #lastProblem = "";

  constructor(clients: readonly EtcdClient[], place: RegisterPlace, log: Log) {
    this.#clients = clients;
    this.#place = place;
    this.#log = log;
  }

  async get(key: string): Promise<string | undefined> {
    const answer = await this.#call({ ...plainRange, key: Buffer.from(key) });
    return answer.type === "range" ? textOf(answer.keyValues[0]?.value) : undefined;
  }

  async list(prefix: string): Promise<readonly { readonly key: string; readonly value: string }[]> {
    const rangeEnd = Buffer.from(prefix);
    // No key of these ends with 0xff: the byte after the slash.
    rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) ?? 0) + 1;
    const order = { sortOrder: "ascend", sortTarget: "create" } as const;
    const answer = await this.#call({ ...plainRange, key: Buffer.from(prefix), rangeEnd, ...order });
    const found = answer.type === "range" ? answer.keyValues : [];
    return found.map(({ key, value }) => ({ key: textOf(key) ?? "", value: textOf(value) ?? "" }));
  }

  async put(key: string, value: string): Promise<void> {
    const plain = { lease: noLease, prevKv: false, ignoreValue: false, ignoreLease: false };
    await this.#call({ type: "put", key: Buffer.from(key), value: Buffer.from(value), ...plain });
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, pauseMs));
  }

  /** Goes on until an end point answers; all calls may be made twice. */
  async #call(request: Asked) {
    for (let position = 0; ; position++) {
      const client = this.#clients[position % this.#clients.length];
      if (client === undefined) throw problem("discovery: no end point");
      const result = await this.#once(client, request);
      if (result.type === "reply") return result.reply.answer;
      const isPassing = result.type !== "status" || ["UNAVAILABLE", "DEADLINE_EXCEEDED"].includes(result.code);
      if (!isPassing) throw problem(`discovery: ${result.text}`);
      const endpoint = this.#place.endpoints[position % this.#clients.length] ?? "";
      const reason = result.type === "status" ? result.text : "reason" in result ? result.reason : undefined;
      this.#note(`${endpoint}: ${reason ?? "nobody answers"}`);
      await this.pause();
    }
  }

  async #once(client: EtcdClient, request: Asked) {
    const { user, requestTimeoutMs: timeoutMs } = this.#place;
    if (user !== undefined && this.#token === undefined) {
      const asked = await client.call({ type: "authenticate", ...user }, { timeoutMs }).result;
      if (asked.type !== "reply") return asked;
      this.#token = asked.reply.answer.type === "authenticate" ? asked.reply.answer.token : "";
    }
    return client.call(request, { timeoutMs, ...(this.#token === undefined ? {} : { token: this.#token }) }).result;
  }

  #note(text: string): void {
    if (text === this.#lastProblem) return;
    this.#lastProblem = text;
    this.#log.warn("failed to reach the discovery service; trying again", { error: text });
  }
}

const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");
