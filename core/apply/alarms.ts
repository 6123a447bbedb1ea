/*
 * Alarms: replicated marks (member, kind) in bucket `alarm` that change what the whole cluster accepts, until an operator
 * takes them away. NOSPACE refuses what may add bytes; CORRUPT refuses every write to keys and leases. Reads go on.
 * The member of an alarm need not exist. At most one record a pair; kinds are two, so members bound the growth.
 * Source: etcd v3 API, Alarm; stored form: etcd's AlarmMember (field 1 member, 2 kind) as key, empty value.
 */
import { assert } from "../assert.ts";
import { emptyBytes } from "../bytes.ts";
import type { RefusalName } from "../errors.ts";
import { compareIds, type MemberId, memberIdOf } from "../ids.ts";
import type { Backend } from "../ports.ts";
import type { AlarmRecord, AlarmRequest, AlarmType } from "../request.ts";
import type { CommandRequest } from "./command.ts";
import { quotaCost } from "./quota.ts";

const kinds: readonly AlarmType[] = ["none", "noSpace", "corrupt"];

export class Alarms {
  private readonly backend: Backend;
  /** In order of member, then kind. */
  private active: readonly AlarmRecord[] = [];
  private noSpace = false;
  private corrupt = false;

  /** Empty until {@link reload}. */
  constructor(backend: Backend) {
    this.backend = backend;
  }

  reload(): void {
    const records: AlarmRecord[] = [];
    this.backend.scan("alarm", { from: new Uint8Array(1), to: undefined }, (key) => {
      records.push(decodeAlarm(key));
      return true;
    });
    this.set(records.sort(compareAlarms));
  }

  get records(): readonly AlarmRecord[] {
    return this.active;
  }

  /** The alarms the answer carries: those asked for, the one made active, or the one taken away. */
  apply(request: AlarmRequest): readonly AlarmRecord[] {
    const { memberId, alarm } = request;
    if (request.action === "get") {
      return alarm === "none" ? this.active : this.active.filter((record) => record.alarm === alarm);
    }
    if (alarm === "none") return [];
    const record: AlarmRecord = { memberId, alarm };
    const known = this.active.some((other) => compareAlarms(other, record) === 0);
    if (request.action === "activate") {
      if (!known) {
        this.backend.put("alarm", encodeAlarm(record), emptyBytes);
        this.set([...this.active, record].sort(compareAlarms));
      }
      return [record];
    }
    if (!known) return [];
    this.backend.delete("alarm", encodeAlarm(record));
    this.set(this.active.filter((other) => compareAlarms(other, record) !== 0));
    return [record];
  }

  /** What the alarms have against the command; corruption is looked at first. */
  refusalOf(request: CommandRequest): RefusalName | undefined {
    if (this.corrupt && isStopped(request)) return "corrupt";
    return this.noSpace && quotaCost(request) > 0 ? "noSpace" : undefined;
  }

  private set(records: readonly AlarmRecord[]): void {
    this.active = records;
    this.noSpace = records.some((record) => record.alarm === "noSpace");
    this.corrupt = records.some((record) => record.alarm === "corrupt");
  }
}

function isStopped(request: CommandRequest): boolean {
  switch (request.type) {
    case "alarm":
    case "publishMember":
    case "leaseCheckpoint":
    case "memberVersion":
    case "clusterVersion":
    case "downgradeInfo":
    case "auth":
      return false;
    default:
      return true;
  }
}

const compareAlarms = (a: AlarmRecord, b: AlarmRecord): number =>
  compareIds(a.memberId, b.memberId) || kinds.indexOf(a.alarm) - kinds.indexOf(b.alarm);

function encodeAlarm(record: AlarmRecord): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, record.memberId);
  if (rest > 0n) {
    bytes.push(0x08);
    for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
  }
  bytes.push(0x10, kinds.indexOf(record.alarm));
  return Uint8Array.from(bytes);
}

function decodeAlarm(bytes: Uint8Array): AlarmRecord {
  let memberId: MemberId = memberIdOf(0n);
  let position = 0;
  if (bytes[0] === 0x08) {
    let value = 0n;
    let shift = 0n;
    position = 1;
    for (let byte = 128; byte >= 128; shift += 7n) {
      assert(position < bytes.length, "a stored alarm ends inside a field");
      byte = bytes[position++] as number;
      value |= BigInt(byte & 127) << shift;
    }
    memberId = memberIdOf(value);
  }
  const alarm = kinds[bytes[position + 1] ?? 0];
  assert(bytes[position] === 0x10 && alarm !== undefined, "a stored alarm has a kind this member knows");
  return { memberId, alarm };
}
