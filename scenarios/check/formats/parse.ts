/*
 * One door for history files of any known format, and a guess at the format from the first line.
 */
import { parseFaultline } from "./faultline.ts";
import { type FormatName, linesOf, type ParsedHistory } from "./format.ts";
import { looksLikeKvJsonl, parseKvJsonl } from "./kv-jsonl.ts";
import { looksLikePorcupineEtcd, parsePorcupineEtcd } from "./porcupine-etcd.ts";
import { looksLikePorcupineKv, parsePorcupineKv } from "./porcupine-kv.ts";

/** @throws FormatError naming the line and what was expected there */
export function parseHistory(text: string, format: FormatName): ParsedHistory {
  switch (format) {
    case "faultline":
      return { type: "events", events: parseFaultline(text) };
    case "porcupine-etcd":
      return { type: "events", events: parsePorcupineEtcd(text) };
    case "kv-jsonl":
      return { type: "events", events: parseKvJsonl(text) };
    case "porcupine-kv":
      return { type: "strings", operations: parsePorcupineKv(text) };
  }
}

/** @returns undefined when the first line is of no known format */
export function guessFormat(text: string): FormatName | undefined {
  for (const { text: line } of linesOf(text)) {
    if (looksLikePorcupineKv(line)) return "porcupine-kv";
    if (looksLikePorcupineEtcd(line)) return "porcupine-etcd";
    if (!line.trimStart().startsWith("{")) return undefined;
    return looksLikeKvJsonl(line) ? "kv-jsonl" : "faultline";
  }
  return undefined;
}
