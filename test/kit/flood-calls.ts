/*
 * What floods ask of a member: calls of a few kinds as bytes, and what the member says of itself meanwhile.
 */
import { readdirSync, readFileSync } from "node:fs";
import { leaseIdOf, watchIdOf } from "../../core/index.ts";
import { streamCalls, unaryCalls } from "../../core/wire/calls.ts";
import type { FloodClient } from "./flood-client.ts";
import { bytes } from "./member-kit.ts";
import { putOf, rangeOf, watchFrom } from "./requests.ts";

export const watchPath = streamCalls.watch.path;
export const keepAlivePath = streamCalls.leaseKeepAlive.path;

export function put(client: FloodClient, key: string, value: string | Uint8Array, lease = 0n): Promise<unknown> {
  const { path, encodeRequest } = unaryCalls.put;
  const value8 = typeof value === "string" ? bytes(value) : value;
  const request = { ...putOf(key), value: value8, lease: leaseIdOf(lease) };
  return client.unary(path, encodeRequest(request)).then(({ status, text }) => {
    if (status !== 0) throw new Error(`put: ${status} ${text}`);
  });
}

export const rangePath = unaryCalls.range.path;
export const rangeBytes = (key: string, rangeEnd?: string): Uint8Array =>
  unaryCalls.range.encodeRequest(rangeOf(key, rangeEnd, { serializable: true }));

/** Keys in the range, as texts. */
export async function keysOf(client: FloodClient, key: string, rangeEnd: string): Promise<string[]> {
  const { messages, status, text } = await client.unary(rangePath, rangeBytes(key, rangeEnd));
  if (status !== 0) throw new Error(`range: ${status} ${text}`);
  const { answer } = unaryCalls.range.decodeAnswer(messages[0] ?? new Uint8Array(0));
  if (answer.type !== "range") throw new Error(answer.type);
  return answer.keyValues.map((each) => Buffer.from(each.key).toString());
}

export const grantPath = unaryCalls.leaseGrant.path;
export const grantBytes = (leaseId: bigint, ttlSeconds: number): Uint8Array =>
  unaryCalls.leaseGrant.encodeRequest({ type: "leaseGrant", leaseId: leaseIdOf(leaseId), ttlSeconds });

/** How many leases there are. */
export async function countLeases(client: FloodClient): Promise<number> {
  const { path, encodeRequest } = unaryCalls.leaseLeases;
  const { messages } = await client.unary(path, encodeRequest({ type: "leaseLeases" }));
  let count = 0;
  forEachField(messages[0] ?? Buffer.alloc(0), (field) => {
    if (field === 2) count += 1;
  });
  return count;
}

/** A watch reply, as much of it as floods look at: decoding a hundred thousand whole ones would take most of their time. */
export function glance(reply: Buffer): { watchId: number; created: boolean; canceled: boolean; events: number } {
  const seen = { watchId: 0, created: false, canceled: false, events: 0 };
  forEachField(reply, (field, value) => {
    if (field === 2) seen.watchId = value;
    else if (field === 3) seen.created = value === 1;
    else if (field === 4) seen.canceled = value === 1;
    else if (field === 11) seen.events += 1;
  });
  return seen;
}

/** Fields of a message: numbers below 2^31, or lengths of what is longer. */
function forEachField(message: Buffer, see: (field: number, value: number) => void): void {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = number();
    const value = number();
    see(tag >> 3, value);
    if ((tag & 7) === 2) at += value;
  }
}

export const watchBytes = (key: string, watchId = 0n, startRevision = 0): Uint8Array =>
  streamCalls.watch.encodeRequest({ ...watchFrom(key, undefined, startRevision), watchId: watchIdOf(watchId) });

export const cancelBytes = (watchId: number): Uint8Array =>
  streamCalls.watch.encodeRequest({ type: "watchCancel", watchId: watchIdOf(BigInt(watchId)) });

/** One metric without labels, as the member says it now. */
export async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const found = new RegExp(`^${name} (\\S+)$`, "m").exec(text);
  if (found === null) throw new Error(`no metric ${name}`);
  return Number(found[1]);
}

/** What a process keeps in memory. */
export const residentBytes = (pid: number): number =>
  1_024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
