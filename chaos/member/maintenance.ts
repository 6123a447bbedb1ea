/*
 * The calls of the Maintenance service that concern this process's files and no replicated state: Hash, Defragment and
 * Snapshot. Source: etcd v3 API, Maintenance.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { ClusterId, Member, MemberId } from "../../core/index.ts";
import {
  DefragmentRequestSchema,
  DefragmentResponseSchema,
  HashRequestSchema,
  HashResponseSchema,
  SnapshotRequestSchema,
  type SnapshotResponse,
  SnapshotResponseSchema,
} from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { headerToWire } from "../../core/wire/key-value.ts";
import type { LmdbBackend } from "./backend.ts";
import type { CallTarget, Program } from "./calls.ts";
import { CallFailure, ClientGone } from "./concurrency/client.ts";
import { streamProgram, unaryProgram } from "./concurrency/program.ts";
import { defragment } from "./defragment.ts";
import { hashOfBackend, writeEtcdFile } from "./etcd-backend.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { statusOf } from "./seam.ts";
import { storageVersion } from "./version.ts";

export interface MaintenanceOptions {
  readonly target: CallTarget;
  readonly member: Pick<Member, "raft" | "currentRevision">;
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  readonly backend: LmdbBackend;
  readonly metrics: Pick<Metrics, "noteDefragmentation" | "noteSnapshot">;
}

const chunkBytes = 32 * 1024;
/** Snapshots sent at one time: each holds a view of the backend and a file. */
const snapshotsMax = 8;

/** Programs of the service by path. */
export function maintenancePrograms(options: MaintenanceOptions): [string, Program][] {
  const { target, member, backend } = options;
  const refuseLearner = (): void => {
    const { configuration, id } = member.raft;
    if (configuration.learners.includes(id)) throw new CallFailure(statusOf("notSupportedForLearner"));
  };
  /** One at a time: a second one asked for meanwhile has nothing to gain. */
  let defragmenting: Promise<void> | undefined;
  let snapshots = 0;
  return [
    [
      "/etcdserverpb.Maintenance/Hash",
      unaryProgram(target, HashRequestSchema, HashResponseSchema, async () => {
        refuseLearner();
        const { memberId, clusterId } = options;
        const header = headerToWire({
          memberId,
          clusterId,
          revision: member.currentRevision,
          raftTerm: member.raft.term,
        });
        const view = backend.openView();
        try {
          return create(HashResponseSchema, { header, hash: await hashOfBackend(view) });
        } finally {
          view.close();
        }
      }),
    ],
    [
      "/etcdserverpb.Maintenance/Defragment",
      unaryProgram(target, DefragmentRequestSchema, DefragmentResponseSchema, async () => {
        refuseLearner();
        defragmenting ??= options.metrics.noteDefragmentation(defragment(backend)).finally(() => {
          defragmenting = undefined;
        });
        await defragmenting;
        return create(DefragmentResponseSchema);
      }),
    ],
    [
      "/etcdserverpb.Maintenance/Snapshot",
      streamProgram(target, SnapshotRequestSchema, SnapshotResponseSchema, async (client, _request, send) => {
        if (snapshots >= snapshotsMax) throw new CallFailure(statusOf("tooManyRequests"));
        snapshots++;
        try {
          await options.metrics.noteSnapshot(sendSnapshot(options, send, () => client.isGone));
        } finally {
          snapshots--;
        }
      }),
    ],
  ];
}

/** The file is made first: how long it is stands in every message. */
async function sendSnapshot(
  { backend, member }: MaintenanceOptions,
  send: (reply: SnapshotResponse) => Promise<void>,
  isGone: () => boolean,
): Promise<void> {
  // On the disk of the backend, which has room for it.
  const path = join(backend.directory, `snapshot-${process.pid}-${performance.now().toString(36)}.part`);
  const handle = openSync(path, "wx+", 0o600);
  // It has no name from here on: nothing is left of it whatever happens.
  unlinkSync(path);
  const view = backend.openView();
  let viewOpen = true;
  try {
    const sink = {
      write(bytes: Uint8Array, position: number): void {
        for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at, bytes.length - at, position + at);
      },
    };
    const size = await writeEtcdFile(view, sink, member.raft.configuration);
    view.close();
    viewOpen = false;
    const hash = createHash("sha256");
    const version = storageVersion;
    for (let at = 0; at < size; at += chunkBytes) {
      if (isGone()) throw new ClientGone();
      const blob = new Uint8Array(Math.min(chunkBytes, size - at));
      readSync(handle, blob, 0, blob.length, at);
      hash.update(blob);
      const remainingBytes = BigInt(size - at - blob.length);
      await send(create(SnapshotResponseSchema, { remainingBytes, blob, version }));
    }
    await send(create(SnapshotResponseSchema, { blob: new Uint8Array(hash.digest()), version }));
  } finally {
    if (viewOpen) view.close();
    closeSync(handle);
  }
}
