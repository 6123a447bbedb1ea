/*
 * Files that LMDB must not be given: what it does with them is the end of the process, so a check that lets one of them
 * pass ends this test's process as well.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBackend } from "../../chaos/member/backend.ts";
import { problemOfBackend } from "../../chaos/member/backend-check.ts";
import { BackendProblem } from "../../chaos/member/lmdb-environment.ts";
import { buckets, bytesOfText } from "../../core/index.ts";

const pageBytes = 4096;
let home = "";
let original: Buffer;

beforeAll(() => {
  // In memory where that is possible: every file is synced once or twice.
  home = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "faultline-backend-check-"));
  const { backend } = openBackend(join(home, "original"));
  // Several commits, so that there are free pages; keys for two levels of branches, and values with pages of their own.
  for (let round = 0; round < 4; round++) {
    for (let number = 0; number < 400; number++) {
      const value = bytesOfText(`${number}.${round}`.repeat(number % 100 === 0 ? 2_000 : 8));
      if (number % 4 >= round) backend.put("key", bytesOfText(`key ${String(number).padStart(200, "0")}`), value);
    }
    backend.put("meta", bytesOfText("round"), bytesOfText(String(round)));
    backend.commit();
  }
  backend.close();
  original = readFileSync(join(home, "original", "db-1", "data.mdb"));
});
afterAll(() => rmSync(home, { recursive: true }));

let copies = 0;
/** A backend's directory with that file in it. */
function directoryWith(bytes: Uint8Array): string {
  const directory = join(home, `copy-${copies++}`);
  mkdirSync(join(directory, "db-1"), { recursive: true });
  writeFileSync(join(directory, "db-1", "data.mdb"), bytes);
  return directory;
}

function readAll(directory: string): void {
  const { backend } = openBackend(directory);
  try {
    for (const bucket of buckets) backend.scan(bucket, { from: new Uint8Array(0), to: undefined }, () => true);
    backend.put("meta", bytesOfText("after"), bytesOfText("all"));
    backend.commit();
  } finally {
    backend.close();
  }
}

describe("a backend's file", () => {
  test("as LMDB left it has no problem, nor has an empty one of a start that was cut short", () => {
    expect(problemOfBackend(join(home, "original", "db-1"))).toBeUndefined();
    expect(problemOfBackend(join(directoryWith(new Uint8Array(0)), "db-1"))).toBeUndefined();
  });

  test("that ends too soon is refused by its length, wherever it was cut", () => {
    const directory = directoryWith(original);
    const path = join(directory, "db-1", "data.mdb");
    for (let size = original.length - 1; size > 0; size -= 4_001) {
      truncateSync(path, size);
      const found = problemOfBackend(join(directory, "db-1"));
      expect(found).toMatch(
        size < 2 * pageBytes ? /offset \d+: the file ends/ : `${path}, offset ${size}: the file ends here`,
      );
      expect(() => openBackend(directory)).toThrow(BackendProblem);
    }
  });

  test("that is none of LMDB's is refused", () => {
    for (const byte of [0, 0x5a, 0xff]) {
      const bytes = Buffer.alloc(original.length, byte);
      expect(problemOfBackend(join(directoryWith(bytes), "db-1"))).toContain("offset 0: no LMDB file begins like this");
    }
  });

  test("of whose pages two changed places, or one is zeros, is refused by the place, or the page is a free one", () => {
    let refused = 0;
    for (let page = 2; page < original.length / pageBytes - 1; page++) {
      const zeros = Buffer.from(original).fill(0, page * pageBytes, (page + 1) * pageBytes);
      const swapped = Buffer.from(original);
      original.copy(swapped, page * pageBytes, (page + 1) * pageBytes, (page + 2) * pageBytes);
      original.copy(swapped, (page + 1) * pageBytes, page * pageBytes, (page + 1) * pageBytes);
      for (const bytes of [zeros, swapped]) {
        const directory = directoryWith(bytes);
        const found = problemOfBackend(join(directory, "db-1"));
        if (found === undefined) readAll(directory);
        else {
          expect(found).toMatch(/data\.mdb, offset \d+: /);
          refused += 1;
        }
        rmSync(directory, { recursive: true });
      }
    }
    expect(refused).toBeGreaterThan(50);
  });

  test("with any bit flipped where LMDB keeps its own is refused, or can be read and written", () => {
    // The two beginnings, and of every fourth page the header, some places of entries and what lies there.
    const offsets = Array.from({ length: 40 }, (_, word) => [16 + 4 * word, pageBytes + 16 + 4 * word]).flat();
    for (let page = 2; page < original.length / pageBytes; page += 4) {
      const at = page * pageBytes;
      const entry = at + 24 + (original.readUInt16LE(at + 24) % (pageBytes - 32));
      offsets.push(
        at,
        at + 4,
        at + 18,
        at + 20,
        at + 22,
        at + 24,
        at + 25,
        at + 27,
        entry,
        entry + 2,
        entry + 4,
        entry + 6,
      );
    }
    let refused = 0;
    for (const [turn, offset] of offsets.entries()) {
      const bytes = Buffer.from(original);
      bytes[offset] = (bytes[offset] as number) ^ (1 << (turn % 8));
      const directory = directoryWith(bytes);
      const found = problemOfBackend(join(directory, "db-1"));
      if (found === undefined) readAll(directory);
      else refused += 1;
      rmSync(directory, { recursive: true });
    }
    expect(refused).toBeGreaterThan(offsets.length / 4);
  }, 60_000);

  test("that is a directory, or whose lock is one, is refused", () => {
    const directory = join(home, "directories");
    cpSync(join(home, "original"), directory, { recursive: true });
    const lock = join(directory, "db-1", "lock.mdb");
    rmSync(lock, { force: true });
    mkdirSync(lock);
    expect(problemOfBackend(join(directory, "db-1"))).toBe(`${lock} is not a file`);
  });
});

test("an older content is kept until the newest is known to be the member's", () => {
  const directory = join(home, "two");
  cpSync(join(home, "original"), directory, { recursive: true });
  cpSync(join(directory, "db-1"), join(directory, "db-2"), { recursive: true });
  mkdirSync(join(directory, "db-3.part"));
  const { backend } = openBackend(directory);
  expect(problemOfBackend(join(directory, "db-1"))).toBeUndefined();
  backend.removeStale();
  expect(readFileSync(join(directory, "db-2", "data.mdb"))).toHaveLength(original.length);
  expect(() => readFileSync(join(directory, "db-1", "data.mdb"))).toThrow("ENOENT");
  expect(() => readFileSync(join(directory, "db-3.part"))).toThrow("ENOENT");
  backend.close();
});
