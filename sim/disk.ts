/*
 * A member's log disk: named segments of bytes, of which only a prefix of the operations is surely kept. Killing the
 * process keeps everything it wrote (the page cache survives); losing power keeps what was synced and some prefix of the
 * rest, whose last piece may be torn or read back as zeros. Timing of syncs is not here but in host-disk.ts.
 */
import { InvariantViolation, type LogOperation, type Random } from "../core/index.ts";

/** A segment as recovery reads it: its name and all its bytes. */
export interface SegmentContent {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Segment {
  chunks: Uint8Array[];
  sizeBytes: number;
}

/** What a power loss did, for the history. */
export interface PowerLoss {
  readonly lostOperations: number;
  readonly end: "nothing lost" | "missing" | "torn" | "zeros";
}

export class SimDisk {
  /** Synced content. Chunks are shared with the member and with copies, and never changed. */
  #durable = new Map<string, Segment>();
  /** Operations carried out but not synced, oldest first. */
  #unsynced: LogOperation[] = [];
  /** Size of every segment with the unsynced operations counted in: what the next operation must agree with. */
  #sizes = new Map<string, number>();

  /** Operations that a power loss might still take back. */
  get unsyncedOperations(): number {
    return this.#unsynced.length;
  }

  /** @throws InvariantViolation when the operation does not fit what is on the disk: the member lost count. */
  carryOut(operation: LogOperation): void {
    const size = this.#sizes.get(operation.segment);
    switch (operation.type) {
      case "create":
        if (size !== undefined) fail("a segment is created once", operation.segment);
        this.#sizes.set(operation.segment, 0);
        break;
      case "append":
        if (size === undefined || size !== operation.offset) {
          fail("an append begins at the end of its segment", `${operation.segment}+${operation.offset}, not ${size}`);
        }
        this.#sizes.set(operation.segment, size + operation.bytes.length);
        break;
      case "truncate":
        if (size === undefined || operation.sizeBytes > size) {
          fail("a cut does not make a segment longer", `${operation.segment} to ${operation.sizeBytes}, not ${size}`);
        }
        this.#sizes.set(operation.segment, operation.sizeBytes);
        break;
      case "remove":
        if (size === undefined) fail("only a segment that exists is removed", operation.segment);
        this.#sizes.delete(operation.segment);
        break;
      case "setAside":
        // Nobody looks at the copy here.
        if (size === undefined) fail("only a segment that exists is set aside", operation.segment);
        break;
    }
    this.#unsynced.push(operation);
  }

  /** The oldest so many unsynced operations become durable. */
  synced(operations: number): void {
    for (let position = 0; position < operations; position++) {
      applyTo(this.#durable, this.#unsynced[position] as LogOperation);
    }
    if (operations === this.#unsynced.length) this.#unsynced.length = 0;
    else this.#unsynced.splice(0, operations);
  }

  /** Keeps the synced operations and a drawn part of the others. */
  losePower(random: Random): PowerLoss {
    const unsynced = this.#unsynced;
    const total = unsynced.length;
    const kept = random.below(total + 1);
    const shape = random.below(3);
    const fraction = random.nextUint32();
    for (let position = 0; position < kept; position++) applyTo(this.#durable, unsynced[position] as LogOperation);
    let end: PowerLoss["end"] = total === kept ? "nothing lost" : "missing";
    const torn = unsynced[kept];
    if (torn?.type === "append" && shape > 0 && torn.bytes.length > 0) {
      const intact = fraction % torn.bytes.length;
      const part = shape === 1 ? torn.bytes.slice(0, intact) : new Uint8Array(torn.bytes.length);
      if (shape === 2) part.set(torn.bytes.subarray(0, intact));
      applyTo(this.#durable, { ...torn, bytes: part });
      end = shape === 1 ? "torn" : "zeros";
    }
    this.#unsynced = [];
    this.#recount();
    return { lostOperations: total - kept, end };
  }

  /** A new life opens the disk and syncs what it finds, so that nothing it reads can be lost afterwards. */
  open(): readonly SegmentContent[] {
    this.synced(this.#unsynced.length);
    return this.read();
  }

  /** Everything on the disk, synced or not, by name. */
  read(): readonly SegmentContent[] {
    const segments = copyOf(this.#durable);
    for (const operation of this.#unsynced) applyTo(segments, operation);
    const names = [...segments.keys()].sort(compareNames);
    return names.map((name) => ({ name, bytes: join(segments.get(name) as Segment) }));
  }

  /** Bytes of that segment; 0 when there is none. */
  sizeOf(segment: string): number {
    return this.#sizes.get(segment) ?? 0;
  }

  /** Flips a drawn bit of what is on the disk. @returns where; undefined when there is nothing on it */
  damage(random: Random): string | undefined {
    this.synced(this.#unsynced.length);
    const names = [...this.#durable.keys()].sort(compareNames);
    let total = 0;
    for (const name of names) total += (this.#durable.get(name) as Segment).sizeBytes;
    if (total === 0) return undefined;
    let offset = random.below(total);
    const bit = random.below(8);
    for (const name of names) {
      const segment = this.#durable.get(name) as Segment;
      if (offset >= segment.sizeBytes) {
        offset -= segment.sizeBytes;
        continue;
      }
      // The pieces are shared with copies and with the member that wrote them.
      const bytes = join(segment);
      bytes[offset] = (bytes[offset] as number) ^ (1 << bit);
      segment.chunks = [bytes];
      return `${name}+${offset}`;
    }
    return undefined;
  }

  /** A second disk with the same content, all of it durable. */
  copy(): SimDisk {
    const disk = new SimDisk();
    disk.#durable = copyOf(this.#durable);
    for (const operation of this.#unsynced) applyTo(disk.#durable, operation);
    disk.#recount();
    return disk;
  }

  #recount(): void {
    this.#sizes = new Map();
    for (const [name, segment] of this.#durable) this.#sizes.set(name, segment.sizeBytes);
  }
}

function fail(text: string, detail: string): never {
  throw new InvariantViolation(`log disk: ${text} (${detail})`);
}

const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function applyTo(segments: Map<string, Segment>, operation: LogOperation): void {
  switch (operation.type) {
    case "create":
      segments.set(operation.segment, { chunks: [], sizeBytes: 0 });
      return;
    case "append": {
      const segment = segments.get(operation.segment);
      if (segment === undefined || operation.bytes.length === 0) return;
      segment.chunks.push(operation.bytes);
      segment.sizeBytes += operation.bytes.length;
      return;
    }
    case "truncate": {
      const segment = segments.get(operation.segment);
      if (segment !== undefined) cut(segment, operation.sizeBytes);
      return;
    }
    case "remove":
      segments.delete(operation.segment);
      return;
    case "setAside":
      return;
  }
}

function cut(segment: Segment, sizeBytes: number): void {
  while (segment.sizeBytes > sizeBytes) {
    const last = segment.chunks.pop() as Uint8Array;
    const rest = segment.sizeBytes - last.length;
    if (rest < sizeBytes) segment.chunks.push(last.subarray(0, sizeBytes - rest));
    segment.sizeBytes = Math.max(rest, sizeBytes);
  }
}

function copyOf(segments: Map<string, Segment>): Map<string, Segment> {
  const copy = new Map<string, Segment>();
  for (const [name, segment] of segments) {
    copy.set(name, { chunks: [...segment.chunks], sizeBytes: segment.sizeBytes });
  }
  return copy;
}

function join(segment: Segment): Uint8Array {
  const bytes = new Uint8Array(segment.sizeBytes);
  let offset = 0;
  for (const chunk of segment.chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
