/*
 * The backend as etcd has it: its buckets by etcd's names and in their byte order, with those entries that this
 * member keeps elsewhere. So it is hashed, and so it leaves as a file for etcd's own tools.
 * Source: etcd v3 contract, backend contents and snapshot files.
 */
import {
  type BackendReader,
  type BackendView,
  type Bucket,
  buckets,
  type Configuration,
  crc32c,
  installedAtName,
  logPlaceKeys,
  utf8Encode,
} from "../../core/index.ts";
import { scanInSlices } from "./backend-slices.ts";
import { BboltWriter, type FileSink } from "./bbolt/writer.ts";
import { storageVersion } from "./version.ts";

/** etcd's name of each bucket, in byte order of the names. */
export const etcdBuckets: readonly { readonly bucket: Bucket; readonly name: string }[] = buckets
  .map((bucket) => ({ bucket, name: bucket === "membersRemoved" ? "members_removed" : bucket }))
  .sort((a, b) => (a.name < b.name ? -1 : 1));

/** Entries of bucket meta that say where a member's log stands, not what the cluster holds. */
const positionKeys: readonly string[] = ["storageVersion", ...logPlaceKeys];

/** CRC-32C over names of buckets, keys and values; positions in the log left out. */
export async function hashOfBackend(view: BackendReader): Promise<number> {
  let crc = 0;
  for (const { bucket, name } of etcdBuckets) {
    crc = crc32c(utf8Encode(name), crc);
    await scanInSlices(view, bucket, (key, value) => {
      if (bucket === "meta" && positionKeys.includes(Buffer.from(key).toString())) return;
      crc = crc32c(value, crc32c(key, crc));
    });
  }
  return crc;
}

/**
 * Writes the view as a bbolt file.
 *
 * @returns its length in bytes
 */
export async function writeEtcdFile(
  view: Pick<BackendView, "scanLent">,
  sink: FileSink,
  configuration: Configuration,
): Promise<number> {
  const writer = new BboltWriter(sink);
  for (const { bucket, name } of etcdBuckets) {
    const target = writer.bucket(name);
    const added = addedEntries(bucket, configuration);
    await scanInSlices(view, bucket, (key, value) => {
      const text = bucket === "meta" || added.length > 0 ? Buffer.from(key).toString() : "";
      if (bucket === "meta" && text === installedAtName) return;
      for (let first = added[0]; first !== undefined && first.key <= text; first = added[0]) {
        added.shift();
        // What the backend says itself goes before what is said for it.
        if (first.key < text) target.put(utf8Encode(first.key), utf8Encode(first.value));
      }
      target.put(key, value);
    });
    for (const { key, value } of added) target.put(utf8Encode(key), utf8Encode(value));
    target.end();
  }
  return writer.finish();
}

/** In byte order of the keys. */
function addedEntries(
  bucket: Bucket,
  configuration: Configuration,
): { readonly key: string; readonly value: string }[] {
  if (bucket === "cluster") return [{ key: "clusterVersion", value: storageVersion }];
  if (bucket !== "meta") return [];
  // Ids are bare numbers, beyond what a JavaScript number holds.
  const ids = (members: readonly bigint[]): string => `[${members.join(",")}]`;
  const learners = configuration.learners.length === 0 ? "" : `"learners":${ids(configuration.learners)},`;
  return [
    { key: "confState", value: `{"voters":${ids(configuration.voters)},${learners}"auto_leave":false}` },
    { key: "storageVersion", value: storageVersion },
  ];
}
