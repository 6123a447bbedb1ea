/*
 * Each end point by itself: health, status, hash; defragmentation, alarms, downgrades, and a snapshot of one member.
 * Source: etcd v3 contract, etcdctl, endpoint, alarm, defrag, downgrade, snapshot.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import type { ServiceError } from "@grpc/grpc-js";
import {
  AlarmRequest_AlarmAction as AlarmAction,
  type AlarmMember,
  AlarmType,
  DowngradeRequest_DowngradeAction as DowngradeAction,
  KV,
  Maintenance,
  SnapshotResponseSchema,
} from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { CtlError, ctlExit } from "./failure.ts";
import { countFrom } from "./operands.ts";
import {
  fieldLine,
  goJson,
  headerFields,
  idText,
  jsonOfValue,
  print,
  sizeText,
  tableText,
  unsupported,
  write,
} from "./print.ts";
import { type Answered, type Session, streamErrorText } from "./session.ts";
import type { Stage } from "./verbs.ts";

interface ClusterFlag {
  readonly cluster?: boolean;
}
const clusterOption = ["--cluster", "every end point that the members have published"] as const;

export function addEndpointVerbs({ program, act }: Stage): void {
  const endpoint = program.command("endpoint").description("each end point by itself");
  endpoint
    .command("health")
    .description("whether each end point serves")
    .option(...clusterOption)
    .action(({ cluster }: ClusterFlag) =>
      act(async (session) => printHealth(session, await session.endpointsOf(cluster))),
    );
  endpoint
    .command("status")
    .description("what each end point says of itself")
    .option(...clusterOption)
    .action(({ cluster }: ClusterFlag) =>
      act(async (session) => printStatus(session, await session.endpointsOf(cluster))),
    );
  endpoint
    .command("hashkv")
    .description("hash of the history of keys at each end point")
    .option(...clusterOption)
    .option("--rev <revision>", "up to that revision; 0: all", "0")
    .action(({ cluster, rev }: ClusterFlag & { readonly rev: string }) =>
      act(async (session) => printHashes(session, await session.endpointsOf(cluster), countFrom("revision", rev))),
    );
}

export function addUpkeepVerbs({ program, act }: Stage): void {
  program
    .command("defrag")
    .description("give space that a member's backend does not need back to its disk")
    .option(...clusterOption)
    .action(({ cluster }: ClusterFlag) =>
      act(async (session) => {
        let failed = false;
        for (const each of await session.endpointsOf(cluster)) {
          const began = performance.now();
          const error = await session.callAt(each, Maintenance.method.defragment, {}, defragmentMs).then(ok, failureOf);
          if (error === undefined) write(`Finished defragmenting etcd member[${each}]. took ${tookText(began)}\n`);
          else process.stderr.write(`Failed to defragment etcd member[${each}] (${error})\n`);
          failed ||= error !== undefined;
        }
        return failed ? ctlExit.error : 0;
      }),
    );

  const alarm = program.command("alarm").description("what stops a cluster from taking writes");
  alarm
    .command("list")
    .description("all alarms")
    .action(() =>
      act(async (session) => {
        const answer = await session.call(Maintenance.method.alarm, { action: AlarmAction.GET });
        print(session.flags.writeOut, answer, { simple: () => answer.message.alarms.map(alarmLine).join("") });
      }),
    );
  alarm
    .command("disarm")
    .description("end all alarms")
    .action(() =>
      act(async (session) => {
        const { message } = await session.call(Maintenance.method.alarm, { action: AlarmAction.GET });
        for (const { memberID, alarm: type } of message.alarms) {
          const answer = await session.call(Maintenance.method.alarm, {
            action: AlarmAction.DEACTIVATE,
            memberID,
            alarm: type,
          });
          print(session.flags.writeOut, answer, { simple: () => answer.message.alarms.map(alarmLine).join("") });
        }
      }),
    );

  const downgrade = program.command("downgrade").description("let a cluster go back by one minor version");
  for (const [verb, action, description] of downgrades) {
    const command = downgrade.command(verb).description(description);
    if (verb !== "cancel") command.argument("<version>", "for example 3.5");
    command.action((version: string | object) =>
      act(async (session) => {
        const wanted = typeof version === "string" ? version : "";
        const answer = await session.call(Maintenance.method.downgrade, { action, version: wanted });
        print(session.flags.writeOut, answer, {
          simple: () => `Downgrade ${verb} success, cluster version ${answer.message.version}\n`,
        });
      }),
    );
  }
}

const downgrades = [
  ["validate", DowngradeAction.VALIDATE, "whether the cluster could go back to that version"],
  ["enable", DowngradeAction.ENABLE, "begin to go back to that version"],
  ["cancel", DowngradeAction.CANCEL, "stay after all"],
] as const;

/** Rewriting a backend takes as long as it takes. */
const defragmentMs = 3_600_000;

const ok = (): undefined => undefined;
function failureOf(error: unknown): string {
  if (error instanceof CtlError) return error.message;
  throw error;
}
const tookText = (beganMs: number): string => `${(performance.now() - beganMs).toFixed(6)}ms`;

const alarmName = (type: AlarmType): string =>
  Object.entries(AlarmType).find(([, number]) => number === type)?.[0] ?? String(type);

/** Go's text form of the message, blank at the end included. */
function alarmLine({ memberID, alarm }: AlarmMember): string {
  const id = memberID === 0n ? "" : `memberID:${memberID} `;
  return `${id}${alarm === AlarmType.NONE ? "" : `alarm:${alarmName(alarm)} `}\n`;
}

// ---- health ----------------------------------------------------------------------------------------------------

interface Health {
  readonly endpoint: string;
  readonly isHealthy: boolean;
  readonly took: string;
  readonly error: string;
}

async function printHealth(session: Session, endpoints: readonly string[]): Promise<number> {
  const all = await Promise.all(endpoints.map((endpoint) => healthOf(session, endpoint)));
  const { writeOut } = session.flags;
  if (writeOut === "json") {
    const items = all.map(({ endpoint, isHealthy, took, error }) => {
      const tail = error === "" ? "" : `,"error":${JSON.stringify(error)}`;
      return `{"endpoint":${JSON.stringify(endpoint)},"health":${isHealthy},"took":"${took}"${tail}}`;
    });
    write(`[${items.join(",")}]\n`);
  } else if (writeOut === "table") {
    const rows = all.map(({ endpoint, isHealthy, took, error }) => [endpoint, String(isHealthy), took, error]);
    write(tableText(["ENDPOINT", "HEALTH", "TOOK", "ERROR"], rows));
  } else if (writeOut === "simple" || writeOut === "fields") {
    for (const { endpoint, isHealthy, took, error } of all) {
      if (isHealthy) write(`${endpoint} is healthy: successfully committed proposal: took = ${took}\n`);
      else process.stderr.write(`${endpoint} is unhealthy: failed to commit proposal: ${error}\n`);
    }
  } else throw unsupported(writeOut);
  if (all.every(({ isHealthy }) => isHealthy)) return 0;
  throw new CtlError("unhealthy cluster");
}

/** A linearizable read, and no alarm. Who may not read the key has been served as well. */
async function healthOf(session: Session, endpoint: string): Promise<Health> {
  const began = performance.now();
  const denied = "etcdserver: permission denied";
  const read = await session.callAt(endpoint, KV.method.range, { key: Buffer.from("health") }).then(ok, failureOf);
  const took = tookText(began);
  if (read !== undefined && read !== denied) return { endpoint, isHealthy: false, took, error: read };
  const alarms = await session
    .callAt(endpoint, Maintenance.method.alarm, { action: AlarmAction.GET })
    .then(({ message }) => message.alarms.map(({ alarm }) => `${alarmName(alarm)} `).join(""), failureOf);
  const isHealthy = alarms === "" || alarms === denied;
  return { endpoint, isHealthy, took, error: isHealthy ? "" : `Active Alarm(s): ${alarms}` };
}

// ---- status ----------------------------------------------------------------------------------------------------

type Status = Answered<typeof Maintenance.method.status.output>;
const statusTitles = [
  "ENDPOINT",
  "ID",
  "VERSION",
  "STORAGE VERSION",
  "DB SIZE",
  "IN USE",
  "PERCENTAGE NOT IN USE",
  "QUOTA",
  "IS LEADER",
  "IS LEARNER",
  "RAFT TERM",
  "RAFT INDEX",
  "RAFT APPLIED INDEX",
  "ERRORS",
  "DOWNGRADE TARGET VERSION",
  "DOWNGRADE ENABLED",
];

async function printStatus(session: Session, endpoints: readonly string[]): Promise<number> {
  const found: { readonly endpoint: string; readonly status: Status }[] = [];
  for (const endpoint of endpoints) {
    const status = await session.callAt(endpoint, Maintenance.method.status, {}).catch(failureOf);
    if (typeof status !== "string") found.push({ endpoint, status });
    else process.stderr.write(`Failed to get the status of endpoint ${endpoint} (${status})\n`);
  }
  const { writeOut } = session.flags;
  if (writeOut === "json") {
    const items = found.map(
      ({ endpoint, status }) =>
        `{"Endpoint":${JSON.stringify(endpoint)},"Status":${goJson(status.schema, status.message)}}`,
    );
    write(`[${items.join(",")}]\n`);
  } else if (writeOut === "simple") write(found.map((each) => `${statusRow(each).join(", ")}\n`).join(""));
  else if (writeOut === "table") write(tableText(statusTitles, found.map(statusRow)));
  else if (writeOut === "fields") write(found.map(statusFields).join(""));
  else throw unsupported(writeOut);
  return found.length === endpoints.length ? 0 : ctlExit.error;
}

function statusRow({
  endpoint,
  status: { message },
}: {
  readonly endpoint: string;
  readonly status: Status;
}): string[] {
  const id = message.header?.memberId ?? 0n;
  const [size, inUse] = [Number(message.dbSize), Number(message.dbSizeInUse)];
  const unused = size === 0 ? 0 : Math.round((1 - inUse / size) * 100);
  return [
    endpoint,
    idText(id),
    message.version,
    message.storageVersion,
    sizeText(size),
    sizeText(inUse),
    `${unused}%`,
    sizeText(Number(message.dbSizeQuota)),
    String(message.leader === id),
    String(message.isLearner),
    String(message.raftTerm),
    String(message.raftIndex),
    String(message.raftAppliedIndex),
    message.errors.join(", "),
    message.downgradeInfo?.targetVersion ?? "",
    String(message.downgradeInfo?.enabled ?? false),
  ];
}

function statusFields({
  endpoint,
  status: { message },
}: {
  readonly endpoint: string;
  readonly status: Status;
}): string {
  const quoted = (text: string): string => jsonOfValue(text);
  return [
    headerFields(message.header),
    fieldLine("Version", quoted(message.version)),
    fieldLine("StorageVersion", quoted(message.storageVersion)),
    fieldLine("DBSize", message.dbSize),
    fieldLine("DBSizeInUse", message.dbSizeInUse),
    fieldLine("DBSizeQuota", message.dbSizeQuota),
    fieldLine("Leader", message.leader),
    fieldLine("IsLearner", message.isLearner),
    fieldLine("RaftIndex", message.raftIndex),
    fieldLine("RaftTerm", message.raftTerm),
    fieldLine("RaftAppliedIndex", message.raftAppliedIndex),
    fieldLine("Errors", `[${message.errors.map(quoted).join(" ")}]`),
    fieldLine("Endpoint", quoted(endpoint)),
    fieldLine("DowngradeTargetVersion", quoted(message.downgradeInfo?.targetVersion ?? "")),
    fieldLine("DowngradeEnabled", message.downgradeInfo?.enabled ?? false),
    "\n",
  ].join("");
}

// ---- hashes ----------------------------------------------------------------------------------------------------

async function printHashes(session: Session, endpoints: readonly string[], revision: bigint): Promise<void> {
  const found: { readonly endpoint: string; readonly hash: Answered<typeof Maintenance.method.hashKV.output> }[] = [];
  for (const endpoint of endpoints)
    found.push({ endpoint, hash: await session.callAt(endpoint, Maintenance.method.hashKV, { revision }) });
  const { writeOut } = session.flags;
  const rows = found.map(({ endpoint, hash }) => [
    endpoint,
    String(hash.message.hash),
    String(hash.message.hashRevision),
  ]);
  if (writeOut === "json") {
    const items = found.map(
      ({ endpoint, hash }) => `{"Endpoint":${JSON.stringify(endpoint)},"HashKV":${goJson(hash.schema, hash.message)}}`,
    );
    write(`[${items.join(",")}]\n`);
  } else if (writeOut === "table") write(tableText(["ENDPOINT", "HASH", "HASH REVISION"], rows));
  else if (writeOut === "simple") write(rows.map((row) => `${row.join(", ")}\n`).join(""));
  else if (writeOut === "fields") {
    for (const { endpoint, hash } of found) {
      const { header, hash: value, compactRevision } = hash.message;
      write(
        `${headerFields(header)}${fieldLine("Endpoint", jsonOfValue(endpoint))}${fieldLine("Hash", value)}${fieldLine("CompactRevision", compactRevision)}\n`,
      );
    }
  } else throw unsupported(writeOut);
}

// ---- snapshot --------------------------------------------------------------------------------------------------

const pageBytes = 512;
const digestBytes = 32;

export function addSnapshotVerb({ program, act }: Stage): void {
  const snapshot = program.command("snapshot").description("the backend of one member as a file");
  snapshot
    .command("save")
    .description("save it; etcdutl shows and restores such files")
    .argument("<filename>")
    .action((path: string) =>
      act(async (session) => {
        const { endpoints } = session;
        if (endpoints.length !== 1) {
          const text = `snapshot must be requested to one selected node, not multiple [${endpoints.join(" ")}]`;
          throw new CtlError(text, ctlExit.interrupted);
        }
        const version = await save(session, path).catch((error: unknown) => {
          rmSync(`${path}.part`, { force: true });
          if (error instanceof Error) throw new CtlError(error.message, ctlExit.interrupted);
          throw error;
        });
        write(`Snapshot saved at ${path}\n`);
        if (version !== "") write(`Server version ${version}\n`);
      }),
    );
}

/** Nothing stands at the path before the whole file is there, checked and synced. */
async function save(session: Session, path: string): Promise<string> {
  const part = `${path}.part`;
  const stream = await session.serverStream(Maintenance.method.snapshot, {});
  const file = openSync(part, "w", 0o600);
  let version = "";
  try {
    await new Promise<void>((resolve, reject) => {
      stream.on("data", (bytes: Buffer) => {
        const piece = fromBinary(SnapshotResponseSchema, bytes);
        if (piece.version !== "") version = piece.version;
        try {
          writeSync(file, piece.blob);
        } catch (error) {
          stream.cancel();
          reject(error);
        }
      });
      stream.on("error", (error: ServiceError) => reject(new CtlError(streamErrorText(error))));
      stream.on("end", resolve);
    });
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  const { size } = statSync(part);
  if (size % pageBytes !== digestBytes)
    throw new CtlError(`sha256 checksum not found [bytes: ${size}]; the stream ended early, save again`);
  renameSync(part, path);
  return version;
}
