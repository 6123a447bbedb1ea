/*
 * The real collaborators of a member, held to the same contracts as the simulated ones.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LmdbBackend, openBackend } from "../../chaos/member/backend.ts";
import { MemberClock } from "../../chaos/member/clock.ts";
import { LogDisk, readSegments } from "../../chaos/member/disk.ts";
import { DurableRecord, endOfLog, readDurableRecord } from "../../chaos/member/durable-record.ts";
import { seededRandom } from "../../chaos/member/random.ts";
import { cutBackend, cutLog } from "../../chaos/power-loss.ts";
import { type Random, writeIdOf } from "../../core/index.ts";
import { type BackendSubject, backendSuite } from "../contract/backend.suite.ts";
import { type ClockSubject, clockSuite } from "../contract/clock.suite.ts";
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
  async crash({ powerLoss }: { readonly powerLoss: boolean }): Promise<void> {
    this.backend.close();
    if (powerLoss) cutBackend(this.#directory);
    this.backend = openBackend(this.#directory).backend;
  }
  async close(): Promise<void> {
    this.backend.close();
    rmSync(this.#directory, { recursive: true });
  }
}

backendSuite({ name: "LMDB behind a write buffer", canLosePower: true, open: async () => new RealBackend() });

class RealLogDisk implements LogDiskSubject {
  readonly #directory = temporary();
  readonly #recordPath = `${this.#directory}.durable`;
  readonly #random: Random;
  #record = new DurableRecord(this.#recordPath);
  #disk: LogDisk;
  #lastWriteId = 0;

  constructor(seed: number) {
    this.#random = seededRandom(`${seed}`);
    this.#disk = this.#open();
  }

  /** As a member starts: what it finds is made durable first. */
  #open(): LogDisk {
    this.#record = new DurableRecord(this.#recordPath);
    this.#record.note(endOfLog(readSegments(this.#directory)));
    return new LogDisk({
      directory: this.#directory,
      fsync: true,
      durable: this.#record,
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
  async crash({ powerLoss }: { readonly powerLoss: boolean }): Promise<void> {
    await this.#disk.close();
    this.#record.close();
    const durable = readDurableRecord(this.#recordPath);
    if (powerLoss && durable !== undefined) cutLog(this.#directory, durable, this.#random);
    this.#disk = this.#open();
  }
  async read(): ReturnType<LogDiskSubject["read"]> {
    return readSegments(this.#directory);
  }
  async close(): Promise<void> {
    await this.#disk.close();
    this.#record.close();
    rmSync(this.#directory, { recursive: true });
    rmSync(this.#recordPath);
  }
}

logDiskSuite({ name: "files with group commit", canLosePower: true, open: async (seed) => new RealLogDisk(seed) });

function realClock(clockDriftPpm: number): ClockSubject {
  const clock = new MemberClock({ clockDriftPpm });
  const startTicks = (tickMs: number, onTick: () => void) => clock.startTicks(tickMs, onTick);
  return { nowMs: clock.nowMs, pass: sleep, startTicks, close: async () => {} };
}

clockSuite({
  name: "monotonic clock and timers",
  slack: 0,
  open: async () => realClock(0),
});

clockSuite({
  name: "monotonic clock and timers, made slow by a drill",
  slack: 0.3,
  open: async () => realClock(-300_000),
});

randomSuite({ name: "named SHA-256 streams", open: () => seededRandom("contract") });
