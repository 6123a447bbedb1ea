/*
 * What one shard of a large campaign leaves behind, and how shards become one result. Each shard ran the seeds that
 * are its own modulo the number of shards; results of different code, different settings or an incomplete set are
 * refused, because their sum would claim what nobody ran.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { RunSummary } from "../scenarios/run.ts";
import { UsageError } from "./exit-code.ts";

export interface ShardBlob {
  readonly format: "faultline-shard";
  readonly version: 1;
  /** Tool and its version. */
  readonly tool: string;
  /** Commit of the code that ran; "unknown" outside a checkout. */
  readonly commit: string;
  /** Everything all shards must share, as one text: scenarios, seeds, flags. Compared, not read. */
  readonly config: string;
  /** index is in 1..count, as in --shard index/count. */
  readonly shard: { readonly index: number; readonly count: number };
  readonly runs: readonly RunSummary[];
}

export function writeBlob(path: string, blob: ShardBlob): void {
  writeFileSync(path, `${JSON.stringify(blob)}\n`);
}

/** @throws UsageError when the file is missing or is no blob */
export function readBlob(path: string): ShardBlob {
  let blob: Partial<ShardBlob> | null;
  try {
    blob = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`${path}: ${(error as Error).message}; give files that faultline sim --shard wrote`);
  }
  if (blob?.format !== "faultline-shard" || !Array.isArray(blob.runs) || blob.shard === undefined) {
    throw new UsageError(`${path} is not the result of a shard; give files that faultline sim --shard wrote`);
  }
  if (blob.version !== 1) throw new UsageError(`${path} has version ${blob.version}, this tool reads version 1`);
  return blob as ShardBlob;
}

/**
 * The runs of all shards, in order of scenario and seed.
 *
 * @param blobs by the file they came from, at least one
 * @throws UsageError naming the files that do not fit together, or the shards that are missing
 */
export function mergeBlobs(blobs: readonly { readonly path: string; readonly blob: ShardBlob }[]): RunSummary[] {
  const [first, ...others] = blobs;
  if (first === undefined) throw new UsageError("nothing to merge; give the files of all shards");
  for (const { path, blob } of others) {
    for (const field of ["tool", "commit", "config"] as const) {
      if (blob[field] !== first.blob[field]) {
        throw new UsageError(
          `${path} and ${first.path} differ in ${field} ("${blob[field]}" and "${first.blob[field]}"); only shards of one campaign can be merged`,
        );
      }
    }
    if (blob.shard.count !== first.blob.shard.count) {
      throw new UsageError(
        `${path} is one of ${blob.shard.count} shards, ${first.path} one of ${first.blob.shard.count}`,
      );
    }
  }
  const pathOfIndex = new Map<number, string>();
  for (const { path, blob } of blobs) {
    const known = pathOfIndex.get(blob.shard.index);
    if (known !== undefined) throw new UsageError(`${path} and ${known} are both shard ${blob.shard.index}`);
    pathOfIndex.set(blob.shard.index, path);
  }
  const { count } = first.blob.shard;
  const missing = Array.from({ length: count }, (_, position) => position + 1).filter(
    (index) => !pathOfIndex.has(index),
  );
  if (missing.length > 0) throw new UsageError(`shards ${missing.join(", ")} of ${count} are missing`);
  return blobs
    .flatMap(({ blob }) => blob.runs)
    .sort((a, b) => (a.scenario < b.scenario ? -1 : a.scenario > b.scenario ? 1 : a.seed - b.seed));
}
