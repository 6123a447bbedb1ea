/*
 * The real collaborators of a member, held to the same contracts as the simulated ones.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LmdbBackend, openBackend } from "../../chaos/member/backend.ts";
import { nowMs, startTicks } from "../../chaos/member/clock.ts";
import { LogDisk, readSegments } from "../../chaos/member/disk.ts";
import { seededRandom } from "../../chaos/member/random.ts";
import { writeIdOf } from "../../core/index.ts";
import { type BackendSubject, backendSuite } from "../contract/backend.suite.ts";
import { clockSuite } from "../contract/clock.suite.ts";
import { type LogDiskSubject, logDiskSuite } from "../contract/log-disk.suite.ts";
import { randomSuite } from "../contract/random.suite.ts";

const temporary = (): string => mkdtempSync(join(tmpdir(), "faultline-contract-"));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class RealBackend implements BackendSubject {
  readonly #directory = temporary();
  backend: LmdbBackend = openBackend(this.#directory).backend;

  async commit(): Promise<void> {
    this.backend.commit();
  }
  async sync(): Promise<void> {
    this.backend.commit();
  }
  async crash(): Promise<void> {
    this.backend.close();
    this.backend = openBackend(this.#directory).backend;
  }
  async close(): Promise<void> {
    this.backend.close();
    rmSync(this.#directory, { recursive: true });
  }
}

backendSuite({ name: "LMDB behind a write buffer", canLosePower: false, open: async () => new RealBackend() });

class RealLogDisk implements LogDiskSubject {
  readonly #directory = temporary();
  #disk = this.#open();
  #lastWriteId = 0;

  #open(): LogDisk {
    return new LogDisk({
      directory: this.#directory,
      fsync: true,
      onDone: () => {},
      onFailure: (error) => {
        throw error;
      },
    });
  }
  async carryOut(operations: Parameters<LogDiskSubject["carryOut"]>[0]): Promise<void> {
    this.#lastWriteId += 1;
    this.#disk.write(writeIdOf(this.#lastWriteId), operations, false);
    await this.#disk.settle();
  }
  async sync(): Promise<void> {
    this.#lastWriteId += 1;
    this.#disk.write(writeIdOf(this.#lastWriteId), [], true);
    await this.#disk.settle();
  }
  async crash(): Promise<void> {
    await this.#disk.close();
    this.#disk = this.#open();
  }
  async read(): ReturnType<LogDiskSubject["read"]> {
    return readSegments(this.#directory);
  }
  async close(): Promise<void> {
    await this.#disk.close();
    rmSync(this.#directory, { recursive: true });
  }
}

logDiskSuite({ name: "files with group commit", canLosePower: false, open: async () => new RealLogDisk() });

clockSuite({
  name: "monotonic clock and timers",
  slack: 0,
  open: async () => ({ nowMs, pass: sleep, startTicks, close: async () => {} }),
});

randomSuite({ name: "named SHA-256 streams", open: () => seededRandom("contract") });
