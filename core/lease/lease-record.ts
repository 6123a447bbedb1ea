/*
 * The bytes of one stored lease: etcd's leasepb.Lease. Field numbers: 1 id, 2 granted seconds, 3 checkpointed seconds
 * left; zero fields left out.
 */
import { assert } from "../assert.ts";
import { type LeaseId, leaseIdOf } from "../ids.ts";

export interface LeaseRecord {
  readonly leaseId: LeaseId;
  readonly ttlSeconds: number;
  /** 0 when never checkpointed. */
  readonly remainingTtlSeconds: number;
}

export function encodeLease(record: LeaseRecord): Uint8Array {
  const bytes: number[] = [];
  writeField(bytes, 1, BigInt.asUintN(64, record.leaseId));
  writeField(bytes, 2, BigInt(record.ttlSeconds));
  writeField(bytes, 3, BigInt(record.remainingTtlSeconds));
  return Uint8Array.from(bytes);
}

export function decodeLease(bytes: Uint8Array): LeaseRecord {
  const fields = [0n, 0n, 0n, 0n];
  for (let position = 0; position < bytes.length; ) {
    const tag = bytes[position++] as number;
    assert((tag & 7) === 0 && tag >> 3 >= 1 && tag >> 3 <= 3, "a stored lease has a field of an unknown kind", tag);
    let value = 0n;
    let shift = 0n;
    for (let byte = 128; byte >= 128; shift += 7n) {
      assert(position < bytes.length, "a stored lease ends inside a field");
      byte = bytes[position++] as number;
      value |= BigInt(byte & 127) << shift;
    }
    fields[tag >> 3] = value;
  }
  return {
    leaseId: leaseIdOf(BigInt.asIntN(64, fields[1] as bigint)),
    ttlSeconds: Number(fields[2]),
    remainingTtlSeconds: Number(fields[3]),
  };
}

function writeField(bytes: number[], field: number, value: bigint): void {
  if (value === 0n) return;
  bytes.push(field << 3);
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
}
