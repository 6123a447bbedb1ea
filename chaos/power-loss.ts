/*
 * A loss of power, played on the files of a member that was killed: what no sync had covered is taken away, up to a drawn
 * place. A kill alone leaves the system's cache, and with it everything that was ever written.
 *
 * Of the log a beginning of the unsynced bytes survives: it ends between two records, or inside one, and what follows is
 * gone or zeros. Segments whose names were not synced are gone with it, or are empty. Of the backend nothing that was
 * committed can be lost, as LMDB syncs each commit before it returns and writes into pages nobody reads; a commit
 * that was under way loses the pages it had added.
 *
 * That is the contract the simulated disk keeps as well (test/contract). What goes beyond, such as bytes that come back in
 * another order or that a lying disk had called synced, is not played.
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { frameEnd, type Random } from "../core/index.ts";
import { backendsOf, committedBytes } from "./backend-file.ts";
import type { DurablePlace } from "./member/durable-record.ts";

/** Bytes of the log that no sync had covered, in the order they were written. */
interface Unsynced {
  readonly segment: string;
  /** All of the file. */
  readonly bytes: Uint8Array;
  readonly from: number;
  /** Behind the last byte that is not zero. */
  readonly to: number;
}

/**
 * @param dataDirectory of a member of ours whose process is gone
 * @param durable up to where its log was synced
 * @returns what that cost, as a phrase
 */
export function losePower(dataDirectory: string, durable: DurablePlace, random: Random): string {
  const log = cutLog(join(dataDirectory, "member", "wal"), durable, random.fork("log"));
  const backend = cutBackend(join(dataDirectory, "member", "snap"));
  return backend === undefined ? log : `${log}, ${backend}`;
}

/** @returns what became of the unsynced end of the log, as a phrase */
export function cutLog(directory: string, durable: DurablePlace, random: Random): string {
  const unsynced = unsyncedOf(directory, durable);
  const total = unsynced.reduce((sum, { from, to }) => sum + to - from, 0);
  if (total === 0) {
    // Empty segments have nothing to lose but their names.
    for (const { segment } of unsynced) if (segment > durable.segment) rmSync(join(directory, segment));
    return "every byte of its log was synced";
  }
  const cut = drawCut(unsynced, random);
  const leavesZeros = random.below(2) === 0;
  let before = 0;
  for (const { segment, bytes, from, to } of unsynced) {
    const keep = Math.min(Math.max(cut.keptBytes - before, 0), to - from);
    before += to - from;
    if (keep === to - from && (keep > 0 || segment === durable.segment)) continue;
    const path = join(directory, segment);
    if (segment > durable.segment && keep === 0) rmSync(path);
    else if (leavesZeros) writeFileSync(path, bytes.fill(0, from + keep), { flag: "r+" });
    else truncateSync(path, from + keep);
  }
  const end = cut.keptBytes === total ? "all of them survive" : `${total - cut.keptBytes} are lost${cut.how}`;
  return `of ${total} bytes of its log that were not synced ${end}`;
}

function unsyncedOf(directory: string, durable: DurablePlace): Unsynced[] {
  const names = existsSync(directory) ? readdirSync(directory).sort((a, b) => (a < b ? -1 : 1)) : [];
  return names
    .filter((segment) => segment >= durable.segment)
    .map((segment) => {
      const bytes = new Uint8Array(readFileSync(join(directory, segment)));
      const from = segment === durable.segment ? durable.offset : 0;
      return { segment, bytes, from, to: Math.max(from, bytes.findLastIndex((byte) => byte !== 0) + 1) };
    });
}

/** As likely between any two records as inside one. */
function drawCut(unsynced: readonly Unsynced[], random: Random): { readonly keptBytes: number; readonly how: string } {
  const borders = [0];
  let before = 0;
  for (const { bytes, from, to } of unsynced) {
    for (let at: number | undefined = from; at !== undefined && at < to; ) {
      at = frameEnd(bytes, at);
      if (at !== undefined && at <= to) borders.push(before + at - from);
    }
    before += to - from;
    if (borders.at(-1) !== before) borders.push(before);
  }
  const position = random.below(borders.length);
  const [border = 0, next] = borders.slice(position);
  const isTorn = next !== undefined && next > border + 1 && random.below(2) === 0;
  if (isTorn) return { keptBytes: border + 1 + random.below(next - border - 1), how: ", torn inside a record" };
  return { keptBytes: border, how: "" };
}

/** Cuts off what lies beyond the last page of the newest commit. @returns a phrase; undefined: nothing did */
export function cutBackend(directory: string): string | undefined {
  let cutBytes = 0;
  for (const backend of backendsOf(directory)) {
    const file = join(backend, "data.mdb");
    const excessBytes = statSync(file).size - committedBytes(backend);
    if (excessBytes <= 0) continue;
    truncateSync(file, committedBytes(backend));
    cutBytes += excessBytes;
  }
  return cutBytes === 0 ? undefined : `${cutBytes} bytes of a commit under way are lost`;
}
