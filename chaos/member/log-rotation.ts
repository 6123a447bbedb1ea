/*
 * A log file that is set aside when it is full: renamed to NAME-TIME.EXT, and removed when there are too many of those or
 * they are too old. Source: etcd configuration, §2.4, enable-log-rotation and log-rotation-config-json.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { gzipSync } from "node:zlib";

/** 0 is no bound, but for the size: 0 is 100 MiB. */
export interface LogRotation {
  readonly sizeBytesMax: number;
  readonly agedDaysMax: number;
  readonly backupsMax: number;
  /** Names of files set aside carry this machine's time, not UTC. */
  readonly localTime: boolean;
  readonly compress: boolean;
}

const mebibyte = 1024 * 1024;
const dayMs = 86_400_000;

/** Reads --log-rotation-config-json. @returns a text: what is wrong */
export function logRotationOf(text: string): LogRotation | string {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    return `invalid log rotation config: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    return "invalid log rotation config: it is no JSON object";
  }
  const numbers = { maxsize: 100, maxage: 0, maxbackups: 0 };
  const switches = { localtime: false, compress: false };
  for (const [key, value] of Object.entries(found as { [key: string]: unknown })) {
    if (Object.hasOwn(numbers, key)) {
      if (!Number.isSafeInteger(value) || (value as number) < 0) {
        return `invalid log rotation config: ${key} must be a whole number from 0 on`;
      }
      numbers[key as keyof typeof numbers] = value as number;
    } else if (Object.hasOwn(switches, key)) {
      if (typeof value !== "boolean") return `invalid log rotation config: ${key} must be true or false`;
      switches[key as keyof typeof switches] = value;
    } else {
      return `invalid log rotation config: there is no ${key}; there are maxsize, maxage, maxbackups, localtime and compress`;
    }
  }
  return {
    sizeBytesMax: (numbers.maxsize === 0 ? 100 : numbers.maxsize) * mebibyte,
    agedDaysMax: numbers.maxage,
    backupsMax: numbers.maxbackups,
    localTime: switches.localtime,
    compress: switches.compress,
  };
}

export class RotatingFile {
  readonly #path: string;
  readonly #rotation: LogRotation;
  readonly #now: () => Date;
  #handle: number;
  #bytes: number;

  /** @param now for tests */
  constructor(path: string, rotation: LogRotation, now: () => Date = () => new Date()) {
    this.#path = path;
    this.#rotation = rotation;
    this.#now = now;
    this.#handle = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#handle).size;
  }

  /** Whole lines; what does not fit any more begins a new file. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes > 0 && this.#bytes + bytes > this.#rotation.sizeBytesMax) this.#rotate();
    writeSync(this.#handle, line);
    this.#bytes += bytes;
  }

  close(): void {
    closeSync(this.#handle);
  }

  #rotate(): void {
    closeSync(this.#handle);
    const aside = this.#asideName();
    renameSync(this.#path, aside);
    this.#handle = openSync(this.#path, "a", 0o600);
    this.#bytes = 0;
    if (this.#rotation.compress) compress(aside);
    this.#removeOld();
  }

  #asideName(): string {
    const extension = extname(this.#path);
    const stem = basename(this.#path, extension);
    for (let later = 0; ; later++) {
      const name = `${stem}-${this.#timeText(later)}${extension}`;
      const path = join(dirname(this.#path), name);
      if (!existsSync(path) && !existsSync(`${path}.gz`)) return path;
    }
  }

  #timeText(laterMs: number): string {
    const now = this.#now();
    const offsetMs = this.#rotation.localTime ? -now.getTimezoneOffset() * 60_000 : 0;
    return new Date(now.getTime() + offsetMs + laterMs).toISOString().slice(0, -1).replaceAll(":", "-");
  }

  #removeOld(): void {
    const extension = extname(this.#path);
    const stem = `${basename(this.#path, extension)}-`;
    const directory = dirname(this.#path);
    // Names carry their time, so the oldest come first.
    const aside = readdirSync(directory)
      .filter((name) => name.startsWith(stem) && isTime(name.slice(stem.length).replace(/\.gz$/, ""), extension))
      .sort((a, b) => (a < b ? -1 : 1));
    const { backupsMax, agedDaysMax } = this.#rotation;
    const surplus = backupsMax === 0 ? 0 : Math.max(0, aside.length - backupsMax);
    const oldest = `${stem}${this.#timeText(-agedDaysMax * dayMs)}`;
    const isOld = (name: string): boolean => agedDaysMax > 0 && name < oldest;
    for (const [position, name] of aside.entries()) {
      if (position < surplus || isOld(name)) rmSync(join(directory, name), { force: true });
    }
  }
}

const isTime = (rest: string, extension: string): boolean =>
  rest.endsWith(extension) &&
  /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/.test(rest.slice(0, rest.length - extension.length));

function compress(path: string): void {
  // One file of bounded size, once in a while.
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)), { mode: 0o600 });
  rmSync(path);
}
