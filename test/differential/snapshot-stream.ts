/*
 * A snapshot as it comes over the wire, reduced to what must hold of every one: the pieces say how much is left, together
 * they are whole pages, and the last message is the hash of all of them.
 */
import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { SnapshotResponseSchema } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import type { Plain } from "./messages.ts";
import { methodNamed } from "./methods.ts";
import type { Caller, Target } from "./target.ts";

const snapshotMs = 30_000;
const pageBytes = 512;

export async function snapshotOf(target: Target, caller: Caller): Promise<Plain> {
  const stream = target.open(methodNamed("Snapshot").path, caller);
  stream.send(new Uint8Array(0));
  stream.halfClose();
  if (!(await target.until(() => stream.ended !== undefined, snapshotMs))) stream.cancel();
  const messages = stream.replies.map((reply) => fromBinary(SnapshotResponseSchema, reply));
  const hash = messages.pop();
  const file = Buffer.concat(messages.map(({ blob }) => blob));
  let left = BigInt(file.length);
  const faults: string[] = [];
  for (const { blob, remainingBytes } of messages) {
    left -= BigInt(blob.length);
    if (remainingBytes !== left) faults.push("a piece says another number of bytes is left");
  }
  if (file.length === 0 || file.length % pageBytes !== 0) faults.push("the file is not made of whole pages");
  if (hash?.remainingBytes !== 0n || !createHash("sha256").update(file).digest().equals(hash.blob)) {
    faults.push("the last message is not the hash of the pieces");
  }
  return { faults, end: stream.ended ?? "still open" };
}
