/*
 * The queue that locks and elections share: everyone who wants a turn has a key below one prefix, attached to a lease;
 * the oldest key has its turn, and each waits for all older ones to go. Order is the creation revision.
 * Source: etcd v3 API, Lock and Election.
 */
import {
  type Header,
  type KeyValue,
  type LeaseId,
  noLease,
  type TxnOperation,
  type TxnRequest,
} from "../../../core/index.ts";
import { plainRange } from "../../client/plain-range.ts";
import type { OwnClient } from "./client.ts";

/** One who waits, or has its turn. */
export interface Place {
  readonly key: Uint8Array;
  readonly lease: LeaseId;
  readonly createRevision: number;
  /** What the key held already; undefined when it was made now. */
  readonly found: KeyValue | undefined;
  readonly header: Header;
  /** The oldest key of the queue. */
  readonly oldest: KeyValue | undefined;
}

/** A lease that nobody named lasts so long, and nobody keeps it alive. */
const ownLeaseSeconds = 60;

/** Takes a place in the queue of that name, or finds the one this lease has already. */
export async function join(
  client: OwnClient,
  queue: { readonly name: Uint8Array; readonly lease: LeaseId; readonly value: Uint8Array },
): Promise<Place> {
  const lease = queue.lease === noLease ? await ownLease(client) : queue.lease;
  const prefix = prefixOf(queue.name);
  const key = concat(prefix, new TextEncoder().encode(hexOfLease(lease)));
  const oldest: TxnOperation = { ...firstOf(prefix), sortOrder: "ascend" };
  const { header, answer } = await client.call<"txn">({
    type: "txn",
    compares: [createdAt(key, 0)],
    success: [putOf(key, queue.value, lease), oldest],
    failure: [{ ...plainRange, key }, oldest],
  });
  const [own, first] = answer.responses.map((response) => response.answer);
  const found = answer.succeeded || own?.type !== "range" ? undefined : own.keyValues[0];
  return {
    key,
    lease,
    createRevision: found?.createRevision ?? header.revision,
    found,
    header,
    oldest: first?.type === "range" ? first.keyValues[0] : undefined,
  };
}

/** Returns when no older key is left. */
export async function waitForTurn(client: OwnClient, name: Uint8Array, createRevision: number): Promise<void> {
  const prefix = prefixOf(name);
  for (;;) {
    const { header, answer } = await client.call<"range">({
      ...firstOf(prefix),
      sortOrder: "descend",
      maxCreateRevision: createRevision - 1,
    });
    const before = answer.keyValues[0];
    if (before === undefined) return;
    const range = { key: before.key, rangeEnd: undefined, startRevision: header.revision };
    // A history that is gone by now is asked for anew, as is the next older key.
    await client.watch(range, (reply) => reply.events.some((event) => event.type === "delete"));
  }
}

/** If that key still is the one created then, does the operation. */
export const whileCreatedAt = (key: Uint8Array, createRevision: number, operation: TxnOperation): TxnRequest => ({
  type: "txn",
  compares: [createdAt(key, createRevision)],
  success: [operation],
  failure: [{ ...plainRange, key }],
});

export const putOf = (key: Uint8Array, value: Uint8Array, lease: LeaseId) =>
  ({ type: "put", key, value, lease, prevKv: false, ignoreValue: false, ignoreLease: false }) as const;

export const deletionOf = (key: Uint8Array) =>
  ({ type: "deleteRange", key, rangeEnd: undefined, prevKv: false }) as const;

/** The key that has its turn, when sorted ascending; the last in the queue, when descending. */
export const firstOf = (prefix: Uint8Array) =>
  ({ ...plainRange, key: prefix, rangeEnd: endOfPrefix(prefix), limit: 1, sortTarget: "create" }) as const;

export const prefixOf = (name: Uint8Array): Uint8Array => concat(name, slash);

const slash = new Uint8Array([0x2f]);

/** The least key beyond all that begin so; the prefix ends in a slash, so there is one. */
export function endOfPrefix(prefix: Uint8Array): Uint8Array {
  const end = prefix.slice();
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}

const createdAt = (key: Uint8Array, revision: number) =>
  ({ key, rangeEnd: undefined, result: "equal", operand: { target: "create", number: revision } }) as const;

async function ownLease(client: OwnClient): Promise<LeaseId> {
  const { answer } = await client.call<"leaseGrant">({
    type: "leaseGrant",
    leaseId: noLease,
    ttlSeconds: ownLeaseSeconds,
  });
  return answer.leaseId;
}

/** Go's form: a sign, then digits. */
const hexOfLease = (lease: LeaseId): string => lease.toString(16);

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
