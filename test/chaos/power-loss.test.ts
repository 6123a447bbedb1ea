/*
 * What a played loss of power takes from a log made of records: always an end of what was not synced, cut between two
 * records or inside one.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../chaos/member/random.ts";
import { cutLog } from "../../chaos/power-loss.ts";
import { recordOverheadBytes, sealRecord } from "../../core/storage/record.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-powerloss-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Records one after the other, with payloads of those lengths that hold no zero. */
function records(lengths: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (const length of lengths) {
    const record = new Uint8Array(recordOverheadBytes + length).fill(7);
    const place = { sequence: 0, offset: bytes.length };
    sealRecord(record, { kind: "write", place, owner: 5, link: 0, solid: { sequence: 0, offset: 0 } });
    bytes.push(...record);
  }
  return Uint8Array.from(bytes);
}
const setAside = new Uint8Array(4_000);
const written = (name: string): Uint8Array => {
  const bytes = new Uint8Array(readFileSync(join(directory, name)));
  return bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1);
};

test("the synced beginning stays, and of the rest a beginning: whole records, or one more torn", () => {
  const log = records([40, 60, 80, 100]);
  const borders = [67, 154, 261, 388];
  const durable = { segment: "0", offset: borders[0] ?? 0 };
  const ends = new Set<number>();
  const sizes = new Set<number>();
  for (let seed = 0; seed < 200; seed++) {
    writeFileSync(join(directory, "0"), Buffer.concat([log, setAside]));
    cutLog(directory, durable, seededRandom(`${seed}`));
    const found = written("0");
    // The file may be shorter or end in zeros; what is there is as it was.
    expect(Buffer.compare(found, log.subarray(0, found.length))).toBe(0);
    expect(found.length).toBeGreaterThanOrEqual(durable.offset);
    ends.add(found.length);
    sizes.add(readFileSync(join(directory, "0")).length);
  }
  for (const border of borders) expect(ends).toContain(border);
  expect([...ends].some((end) => !borders.includes(end))).toBe(true);
  // Zeros in the place of what is lost, and a file that ends there.
  expect(sizes).toContain(log.length + setAside.length);
  expect(sizes).toContain(borders[0]);
});

test("a segment whose name was not synced goes with everything behind the cut", () => {
  const log = records([40, 60]);
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    writeFileSync(join(directory, "0"), log);
    writeFileSync(join(directory, "1"), log);
    cutLog(directory, { segment: "0", offset: 67 }, seededRandom(`${seed}`));
    const names = readdirSync(directory).sort();
    if (names.includes("1")) expect(written("0").length).toBe(log.length);
    outcomes.add(names.join());
  }
  expect(outcomes).toEqual(new Set(["0", "0,1"]));
});

test("where every byte was synced nothing is lost", () => {
  const log = records([40, 60]);
  writeFileSync(join(directory, "0"), Buffer.concat([log, setAside]));
  const said = cutLog(directory, { segment: "0", offset: log.length }, seededRandom("1"));
  expect(said).toBe("every byte of its log was synced");
  expect(readFileSync(join(directory, "0")).length).toBe(log.length + setAside.length);
});
