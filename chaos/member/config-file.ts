/*
 * etcd's configuration file, YAML or JSON → values of flags in the form of the command line. Keys are names of flags, but
 * for a few maps. A key etcd does not know is passed over with a warning; a value of the wrong type is refused by key and
 * line. Source: etcd configuration, §3 config file.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import { durationMs } from "./durations.ts";
import { refuse } from "./flag-problem.ts";
import { formProblem, type Given } from "./flag-sources.ts";
import { type FlagName, flagTable, formerFlags, isFlagName } from "./flag-table.ts";

const load = createRequire(import.meta.url);
/** Loaded when there is a file to read, as most members have none: it is large. */
const yaml = (): typeof Yaml => load("yaml");

export interface FileRead {
  readonly given: Given;
  readonly warnings: readonly string[];
}

/** @throws FlagProblem naming the file, the line and the key */
export function readConfigFile(path: string): FileRead {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return refuse(`open ${path}: ${missing ? "no such file or directory" : (error as Error).message}`);
  }
  return configOf(text, path);
}

/** The same of a text. @param path for messages */
export function configOf(text: string, path: string): FileRead {
  const lines = new (yaml().LineCounter)();
  const document = yaml().parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) refuse(`${path}:${lines.linePos(broken.pos[0]).line}: ${broken.message}`);
  const reader = new FileReader(path, lines);
  const { contents } = document;
  if (yaml().isMap(contents)) reader.readTop(contents);
  else if (!(contents === null || (yaml().isScalar(contents) && contents.value === null))) {
    refuse(`${path}:1: a configuration file is a map of keys to values`);
  }
  return reader;
}

/** Maps inside the file: their keys and the flags those stand for. */
const sections: { readonly [section: string]: { readonly [key: string]: FlagName | "pointless" } } = {
  "client-transport-security": {
    "cert-file": "cert-file",
    "key-file": "key-file",
    "client-cert-file": "client-cert-file",
    "client-key-file": "client-key-file",
    "client-cert-auth": "client-cert-auth",
    "trusted-ca-file": "trusted-ca-file",
    "auto-tls": "auto-tls",
    "allowed-hostname": "client-cert-allowed-hostname",
    // Addresses of clients are never compared with their certificates.
    "skip-client-san-verification": "pointless",
  },
  "peer-transport-security": {
    "cert-file": "peer-cert-file",
    "key-file": "peer-key-file",
    "client-cert-file": "peer-client-cert-file",
    "client-key-file": "peer-client-key-file",
    "client-cert-auth": "peer-client-cert-auth",
    "trusted-ca-file": "peer-trusted-ca-file",
    "auto-tls": "peer-auto-tls",
    "allowed-cn": "peer-cert-allowed-cn",
    "allowed-hostname": "peer-cert-allowed-hostname",
    "skip-client-san-verification": "peer-skip-client-san-verification",
  },
  "socket-options": { "reuse-port": "socket-reuse-port", "reuse-address": "socket-reuse-address" },
  "discovery-config": Object.fromEntries(
    Object.keys(flagTable)
      .filter(isFlagName)
      .filter((name) => name.startsWith("discovery-"))
      .map((name) => [name.slice("discovery-".length), name]),
  ),
};

/** Flags a file may give only inside their section. */
const sectionOf: ReadonlyMap<string, string> = new Map(
  Object.entries(sections)
    .filter(([section]) => section !== "discovery-config")
    .flatMap(([section, keys]) => Object.values(keys).map((flag): [string, string] => [flag, section])),
);

/** Lists that are lists in the file too; others are one text with commas. */
const listedFlags: readonly string[] = [
  "log-outputs",
  "cipher-suites",
  "client-cert-allowed-hostname",
  "peer-cert-allowed-cn",
  "peer-cert-allowed-hostname",
];

class FileReader implements FileRead {
  readonly given: Given = new Map();
  readonly warnings: string[] = [];
  readonly #path: string;
  readonly #lines: Yaml.LineCounter;

  constructor(path: string, lines: Yaml.LineCounter) {
    this.#path = path;
    this.#lines = lines;
  }

  readTop(map: Yaml.YAMLMap): void {
    for (const pair of map.items) {
      const key = keyOf(pair);
      const section = sections[key];
      const place = this.#placeOf(pair);
      const name = formerFlags[key] ?? key;
      if (section !== undefined) this.#readSection(key, section, pair);
      else if (sectionOf.has(name)) {
        this.warnings.push(`${place}: "${key}" is passed over: it belongs below ${sectionOf.get(name)}`);
      } else if (!isFlagName(name) || name === "config-file") {
        this.warnings.push(`${place}: "${key}" is passed over: no such key`);
      } else this.#take(name, key, pair);
    }
  }

  #readSection(section: string, keys: { readonly [key: string]: FlagName | "pointless" }, pair: Yaml.Pair): void {
    if (isNull(pair.value)) return;
    if (!yaml().isMap(pair.value)) {
      refuse(`${this.#placeOf(pair)}: "${section}" must be a map of keys to values, not ${described(pair.value)}`);
      return;
    }
    for (const inner of pair.value.items) {
      const key = keyOf(inner);
      const name = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (name === undefined) {
        this.warnings.push(`${this.#placeOf(inner)}: "${section}.${key}" is passed over: no such key`);
      } else if (name !== "pointless") this.#take(name, `${section}.${key}`, inner);
    }
  }

  #take(name: FlagName, key: string, pair: Yaml.Pair): void {
    if (isNull(pair.value)) return;
    const text = this.#textOf(name, pair);
    const wrong = (what: string): never => refuse(`${this.#placeOf(pair)}: "${key}" ${what}`);
    if (typeof text !== "string") wrong(text.problem);
    else {
      if (this.given.has(name)) wrong(`is given twice: it is --${name} under another name`);
      const isState = name === "initial-cluster-state";
      if (isState && text !== "new" && text !== "existing") wrong(`is wrong: unexpected clusterState "${text}"`);
      const problem = formProblem(name, text);
      if (problem !== undefined) wrong(`has the value "${text}": ${problem}`);
      this.given.set(name, text);
    }
  }

  /** The value as the command line would have it. */
  #textOf(name: FlagName, { value: node }: Yaml.Pair): string | { readonly problem: string } {
    const value: unknown = yaml().isScalar(node) ? node.value : undefined;
    const must = (what: string): { readonly problem: string } => ({
      problem: `must be ${what}, not ${described(node)}`,
    });
    switch (flagTable[name].kind) {
      case "switch":
        return typeof value === "boolean" ? String(value) : must("true or false");
      case "whole":
        return Number.isSafeInteger(value) ? String(value) : must("a whole number");
      case "duration":
        // Nanoseconds; etcd takes nothing else here.
        if (Number.isSafeInteger(value)) return `${value}ns`;
        return typeof value === "string" && durationMs(value) !== undefined
          ? value
          : must("a whole number of nanoseconds or a time such as 10s");
      case "list":
        if (yaml().isSeq(node) && listedFlags.includes(name)) {
          const items = node.items.map((item) => (yaml().isScalar(item) ? item.value : undefined));
          return items.every((item) => typeof item === "string") ? items.join(",") : must("a list of texts");
        }
        return typeof value === "string" ? value : must("one text, its items joined by commas");
      case "text":
        return typeof value === "string" ? value : must("a text (put it in quotes)");
    }
  }

  #placeOf({ key }: Yaml.Pair): string {
    const range = yaml().isScalar(key) ? key.range : undefined;
    return `${this.#path}:${range === undefined || range === null ? 1 : this.#lines.linePos(range[0]).line}`;
  }
}

const keyOf = ({ key }: Yaml.Pair): string => (yaml().isScalar(key) ? String(key.value) : "");
const isNull = (node: unknown): boolean => node === null || (yaml().isScalar(node) && node.value === null);

function described(node: unknown): string {
  if (yaml().isSeq(node)) return "a list";
  if (yaml().isMap(node)) return "a map";
  const value: unknown = yaml().isScalar(node) ? node.value : node;
  return typeof value === "string" ? `the text "${value}"` : `${typeof value} ${String(value)}`;
}
