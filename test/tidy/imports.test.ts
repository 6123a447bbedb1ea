import { expect, test } from "vitest";
import { resolveImport, type SourceFile, sourceFiles } from "./sources.ts";

/** What each folder may import besides itself; `cli` names files that may import more. */
interface FolderRule {
  readonly may: readonly string[];
  readonly cliMay: readonly string[];
  readonly packages: readonly RegExp[];
}

const node = /^node:/;
const rules: { readonly [folder: string]: FolderRule } = {
  core: { may: [], cliMay: [], packages: [] },
  scenarios: { may: ["core"], cliMay: [], packages: [] },
  sim: { may: ["core", "scenarios"], cliMay: ["reports"], packages: [node, /^seedrandom/, /^piscina$/] },
  chaos: {
    may: ["core", "scenarios"],
    cliMay: ["reports"],
    packages: [
      node,
      /^@grpc\//,
      /^@node-rs\/bcrypt$/,
      /^grpc-health-check$/,
      /^jose$/,
      /^lmdb$/,
      /^pino$/,
      /^selfsigned$/,
      /^prom-client$/,
      /^zx$/,
      /^yaml$/,
      /^@bufbuild\/protobuf/,
    ],
  },
  reports: { may: ["scenarios"], cliMay: ["core"], packages: [node, /^commander$/] },
};
/** The files of a world or of reports that face the command line. */
const isCli = (file: SourceFile): boolean =>
  /(?:^|\/)(?:cli|[a-z-]*command)\.ts$/.test(file.path) ||
  file.path.startsWith("chaos/ctl/") ||
  file.path === "chaos/member/main.ts";

function violations(file: SourceFile): string[] {
  const folder = file.path.split("/")[0] as string;
  const rule = rules[folder] as FolderRule;
  return file.imports.flatMap((specifier) => {
    const target = resolveImport(file, specifier);
    if (!specifier.startsWith(".")) {
      if (file.path.startsWith("core/wire/") && target.startsWith("@bufbuild/protobuf")) return [];
      const cliPackage = isCli(file) && (node.test(target) || target === "commander");
      return cliPackage || rule.packages.some((pattern) => pattern.test(target))
        ? []
        : [`${file.path} imports ${target}`];
    }
    const other = target.split("/")[0] as string;
    const allowed = other === folder || rule.may.includes(other) || (isCli(file) && rule.cliMay.includes(other));
    return allowed ? [] : [`${file.path} imports ${target}`];
  });
}

test("each folder imports only the folders below it", () => {
  const files = sourceFiles(Object.keys(rules));
  expect(files.length).toBeGreaterThan(50);
  expect(files.flatMap(violations)).toEqual([]);
});

test("other folders enter core only through its index", () => {
  const found = sourceFiles(["scenarios", "sim", "chaos", "reports"]).flatMap((file) =>
    file.imports
      .map((specifier) => resolveImport(file, specifier))
      .filter((target) => target.startsWith("core/") && target !== "core/index.ts" && !target.startsWith("core/wire/"))
      .map((target) => `${file.path} imports ${target}`),
  );
  expect(found).toEqual([]);
});

/** Rooms of core from left to right: each imports only rooms to its left, or itself. */
const rooms: readonly (readonly string[])[] = [
  [
    "ids",
    "errors",
    "assert",
    "bytes",
    "byte-io",
    "byte-slab",
    "crc32c",
    "config",
    "counts",
    "ports",
    "incarnation",
    "member-identity",
    "request",
  ],
  ["raft", "mvcc", "lease", "auth"],
  ["input", "output"],
  ["storage", "watch"],
  ["apply"],
  ["server"],
  ["member"],
  ["start"],
  ["wire", "index"],
];

test("inside core each room imports only rooms to its left", () => {
  const place = (path: string): number => {
    const room = (path.split("/")[1] as string).replace(/\.ts$/, "");
    return rooms.findIndex((names) => names.includes(room));
  };
  const found = sourceFiles(["core"]).flatMap((file) => {
    const own = place(file.path);
    if (own < 0) return [`${file.path} is in no known room`];
    return file.imports
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => resolveImport(file, specifier))
      .filter((target) => target.split("/")[1] !== file.path.split("/")[1])
      .filter((target) => place(target) > own || (place(target) === own && own === 1))
      .map((target) => `${file.path} imports ${target}`);
  });
  expect(found).toEqual([]);
});

test("nobody imports test", () => {
  const found = sourceFiles(Object.keys(rules)).flatMap((file) =>
    file.imports
      .map((specifier) => resolveImport(file, specifier))
      .filter((target) => target.startsWith("test/"))
      .map((target) => `${file.path} imports ${target}`),
  );
  expect(found).toEqual([]);
});
