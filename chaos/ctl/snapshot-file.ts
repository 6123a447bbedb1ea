/*
 * A snapshot file: a backend of etcd as one bbolt file, with the SHA-256 of it behind it when it came from a server.
 * Source: etcd v3 contract, snapshot files; etcdutl snapshot status.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type BackendReader, compareBytes, crc32c, hashOfStoredKeys, refusals, utf8Encode } from "../../core/index.ts";
import { BboltFile } from "../member/bbolt/reader.ts";

const hashBytes = 32;
/** What is read at once: pages mostly follow each other. */
const pieceBytes = 1024 * 1024;
/** A database is whole blocks of so many bytes; what is left over is the hash. */
const blockBytes = 512;

/** The file cannot be used; the text is for the operator. */
export class SnapshotProblem extends Error {
  override readonly name = "SnapshotProblem";
}

export interface SnapshotStatus {
  /** CRC-32C over names, keys and values of every bucket. */
  readonly hash: number;
  readonly revision: number;
  /** Keys that are not deleted. */
  readonly totalKey: number;
  /** Bytes, as the database counts itself. */
  readonly totalSize: number;
  /** Storage version; empty before 3.6. */
  readonly version: string;
}

export class SnapshotFile {
  #database: BboltFile | undefined;
  readonly #handle: number;
  readonly #sizeBytes: number;
  #piece: { readonly from: number; readonly bytes: Uint8Array } = { from: 0, bytes: new Uint8Array(0) };

  /** @throws SnapshotProblem; `verb` is what etcd's tool would have done first */
  constructor(path: string, verb: "open" | "stat" = "stat") {
    try {
      this.#handle = openSync(path, "r");
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new SnapshotProblem(`${verb} ${path}: ${/^[A-Z]+: (.*), open /.exec(text)?.[1] ?? text}`);
    }
    this.#sizeBytes = fstatSync(this.#handle).size;
  }

  /** @throws BboltProblem when it is none */
  get database(): BboltFile {
    this.#database ??= new BboltFile({
      sizeBytes: this.#sizeBytes - (this.#hasHash ? hashBytes : 0),
      read: (position, length) => this.#readAhead(position, length),
    });
    return this.#database;
  }

  /** @throws SnapshotProblem when the hash is missing or another one */
  checkHash(): void {
    if (!this.#hasHash) throw new SnapshotProblem("snapshot missing hash but --skip-hash-check=false");
    const end = this.#sizeBytes - hashBytes;
    const expected = this.#read(end, hashBytes);
    const hash = createHash("sha256");
    for (let at = 0; at < end; at += pieceBytes) hash.update(this.#read(at, Math.min(pieceBytes, end - at)));
    const found = new Uint8Array(hash.digest());
    if (compareBytes(expected, found) !== 0) {
      throw new SnapshotProblem(`expected sha256 [${expected.join(" ")}], got [${found.join(" ")}]`);
    }
  }

  /** @throws SnapshotProblem with everything that is wrong with the database */
  checkIntegrity(): void {
    const problems = this.database.check();
    if (problems.length === 0) return;
    throw new SnapshotProblem(
      `snapshot file integrity check failed. ${problems.length} errors found.\n${problems.join("\n")}`,
    );
  }

  status(): SnapshotStatus {
    let hash = 0;
    let revision = 0;
    let version = "";
    const live = new Set<string>();
    for (const bucket of this.database.buckets) {
      hash = crc32c(utf8Encode(bucket), hash);
      this.database.scan(bucket, (key, value) => {
        hash = crc32c(value, crc32c(key, hash));
        if (bucket === "key") {
          revision = revisionOf(key);
          const name = keyOf(value);
          if (key.length === 18) live.delete(name);
          else live.add(name);
        } else if (bucket === "meta" && Buffer.from(key).toString() === "storageVersion") {
          version = Buffer.from(value).toString();
        }
        return true;
      });
    }
    return { hash, revision, totalKey: live.size, totalSize: this.database.sizeBytes, version };
  }

  /** Hash of the history of keys up to that revision; 0: all. @throws SnapshotProblem for a revision it does not have */
  hashKv(revision: number): { readonly hash: number; readonly hashRevision: number; readonly compactRevision: number } {
    const { database } = this;
    const scan: BackendReader["scan"] = (bucket, { from, to }, visit) => {
      if (!database.buckets.includes(bucket)) return;
      database.scan(bucket, (key, value) => {
        if (compareBytes(key, from) < 0 || value.length === 0) return true;
        return (to === undefined || compareBytes(key, to) < 0) && visit(key, value);
      });
    };
    const get: BackendReader["get"] = (bucket, key) => {
      let found: Uint8Array | undefined;
      scan(bucket, { from: key, to: undefined }, (other, value) => {
        if (compareBytes(other, key) === 0) found = value;
        return false;
      });
      return found;
    };
    const hashed = hashOfStoredKeys({ get, scan, scanLent: scan }, revision);
    if (!hashed.ok) throw new SnapshotProblem(refusals[hashed.refusal].text);
    return hashed;
  }

  close(): void {
    closeSync(this.#handle);
  }

  get #hasHash(): boolean {
    return this.#sizeBytes % blockBytes === hashBytes;
  }

  /** Views of the piece that was read last, where it holds them; a piece is never written to again. */
  #readAhead(position: number, length: number): Uint8Array {
    const { from, bytes } = this.#piece;
    if (position < from || position + length > from + bytes.length) {
      if (length >= pieceBytes) return this.#read(position, length);
      this.#piece = { from: position, bytes: this.#read(position, Math.min(pieceBytes, this.#sizeBytes - position)) };
    }
    const at = position - this.#piece.from;
    return this.#piece.bytes.subarray(at, at + length);
  }

  #read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const read = readSync(this.#handle, bytes, at, length - at, position + at);
      if (read === 0) throw new SnapshotProblem("the file became shorter while it was read");
      at += read;
    }
    return bytes;
  }
}

/** Main revision of a stored key. */
const revisionOf = (key: Uint8Array): number =>
  key.length < 8 ? 0 : Number(new DataView(key.buffer, key.byteOffset, key.length).getBigUint64(0));

/** The key inside a stored key-value, whose first field it is; as text of its bytes. */
function keyOf(value: Uint8Array): string {
  if (value[0] !== 0x0a) return "";
  let length = 0;
  let at = 1;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = value[at++] ?? 0;
    length += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  return Buffer.from(value.buffer, value.byteOffset + at, Math.min(length, value.length - at)).toString("latin1");
}
