/*
 * The generated code is that of the .proto files beside it, and the .proto files are etcd's protocol.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { callsByPath } from "../../core/wire/calls.ts";
import * as rpc from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { file_faultlinepb_cluster } from "../../core/wire/gen/faultlinepb/cluster_pb.ts";

const root = join(import.meta.dirname, "../..");

function filesUnder(directory: string): { [path: string]: string } {
  const found: { [path: string]: string } = {};
  const walk = (at: string): void => {
    for (const name of readdirSync(at).sort((a, b) => (a < b ? -1 : 1))) {
      const path = join(at, name);
      if (statSync(path).isDirectory()) walk(path);
      else found[relative(directory, path)] = readFileSync(path, "utf8");
    }
  };
  walk(directory);
  return found;
}

test("generating the protocol code again changes nothing", () => {
  const output = mkdtempSync(join(tmpdir(), "faultline-proto-"));
  try {
    execFileSync(
      join(root, "node_modules/.bin/buf"),
      ["generate", "core/wire/proto", "--template", "core/wire/proto/buf.gen.yaml", "--output", output],
      { cwd: root },
    );
    expect(filesUnder(join(output, "core/wire/gen"))).toEqual(filesUnder(join(root, "core/wire/gen")));
  } finally {
    rmSync(output, { recursive: true });
  }
});

test("every served path is a method of etcd's API, or of our own beside it, with the kind it is served as", () => {
  const methods = new Map(
    [...rpc.file_etcdserverpb_rpc.services, ...file_faultlinepb_cluster.services].flatMap((service) =>
      service.methods.map((method) => [`/${service.typeName}/${method.name}` as string, method.methodKind] as const),
    ),
  );
  for (const [path, call] of callsByPath) {
    expect([path, methods.get(path)]).toEqual([path, call.kind === "unary" ? "unary" : "bidi_streaming"]);
  }
});

test("field names keep etcd's mixed spelling", () => {
  const names = rpc.StatusResponseSchema.fields.map((field) => `${field.number} ${field.name}`);
  expect(names).toEqual([
    "1 header",
    "2 version",
    "3 dbSize",
    "4 leader",
    "5 raftIndex",
    "6 raftTerm",
    "7 raftAppliedIndex",
    "8 errors",
    "9 dbSizeInUse",
    "10 isLearner",
    "11 storageVersion",
    "12 dbSizeQuota",
    "13 downgradeInfo",
  ]);
  expect(rpc.LeaseTimeToLiveResponseSchema.fields.map((field) => field.name)).toEqual([
    "header",
    "ID",
    "TTL",
    "grantedTTL",
    "keys",
  ]);
  expect(rpc.LeaseCheckpointSchema.fields.map((field) => field.name)).toEqual(["ID", "remaining_TTL"]);
});
