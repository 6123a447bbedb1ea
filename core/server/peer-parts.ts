/*
 * What several kinds of messages between members are made of, as bytes: entries, configurations, registrations, places in
 * the log. Each part is written and read side by side. Reading refuses what no member can mean: entries that leave a gap,
 * lists out of order, a term or an index that nobody could have counted to.
 */
import type { ByteWriter } from "../byte-io.ts";
import { utf8Decode } from "../bytes.ts";
import { type RefusalName, refusals } from "../errors.ts";
import {
  indexOf,
  type LeaseId,
  type LogIndex,
  leaseIdOf,
  type MemberId,
  memberIdOf,
  type Term,
  termOf,
} from "../ids.ts";
import { noRegistrations } from "../raft/hard-state.ts";
import type { Committed, Configuration, Entry, EntryKind, Held, Registration, Roll } from "../raft/message.ts";
import type { UntrustedReader } from "../storage/untrusted-reader.ts";

/** Terms and indexes grow by ones: beyond this nobody counted to one. */
const placeMax = 2 ** 52;

const entryKinds: readonly EntryKind[] = ["empty", "command", "configuration"];

export function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.varint(entries.length);
  for (const entry of entries) {
    writer.varint(entry.index);
    writer.varint(entry.term);
    writer.byte(entry.kind === "command" ? 1 : entry.kind === "configuration" ? 2 : 0);
    writer.byteString(entry.data);
  }
}

/** Without a gap behind the entry before them, in terms that never fall and are not beyond the leader's own. */
export function readEntries(
  reader: UntrustedReader,
  leader: { readonly prevIndex: LogIndex; readonly prevTerm: Term; readonly term: Term },
): Entry[] {
  const entries: Entry[] = [];
  let { prevIndex, prevTerm } = leader;
  if (prevTerm > leader.term) reader.reject();
  for (let left = reader.count(); left > 0 && !reader.failed; left--) {
    const index = readIndex(reader);
    const term = readTerm(reader);
    const kind = entryKinds[reader.byte()];
    if (index !== prevIndex + 1 || term < prevTerm || term > leader.term) reader.reject();
    prevIndex = index;
    prevTerm = term;
    if (kind === undefined) reader.reject();
    else entries.push({ index, term, kind, data: reader.byteString() });
  }
  return entries;
}

export function writeCommitted(writer: ByteWriter, { index, term }: Committed): void {
  writer.varint(index);
  writer.varint(term);
}

export function readCommitted(reader: UntrustedReader): Committed {
  return { index: readIndex(reader), term: readTerm(reader) };
}

export function writeConfiguration(writer: ByteWriter, configuration: Configuration): void {
  writeIds(writer, configuration.voters);
  writeIds(writer, configuration.outgoing);
  writeIds(writer, configuration.learners);
}

export function readConfiguration(reader: UntrustedReader): Configuration {
  return { voters: readIds(reader), outgoing: readIds(reader), learners: readIds(reader) };
}

export function writeRegistrations(writer: ByteWriter, registrations: readonly Registration[]): void {
  writer.varint(registrations.length);
  for (const { memberId, incarnation } of registrations) {
    writer.id(memberId);
    writer.varint(incarnation);
  }
}

/** In id order, as they are kept. */
export function readRegistrations(reader: UntrustedReader): readonly Registration[] {
  const count = reader.count();
  if (count === 0) return noRegistrations;
  const registrations: Registration[] = [];
  for (let left = count; left > 0 && !reader.failed; left--) {
    const registration = { memberId: readMember(reader), incarnation: reader.varint() };
    const before = registrations[registrations.length - 1];
    if (before !== undefined && before.memberId >= registration.memberId) reader.reject();
    registrations.push(registration);
  }
  return registrations;
}

export function writeRoll(writer: ByteWriter, roll: Roll): void {
  writer.varint(roll.index);
  writeConfiguration(writer, roll.configuration);
}

export const readRoll = (reader: UntrustedReader): Roll => ({
  index: readIndex(reader),
  configuration: readConfiguration(reader),
});

export function writeHeld(writer: ByteWriter, held: Held | undefined): void {
  writeFlag(writer, held !== undefined);
  if (held === undefined) return;
  writer.id(held.memberId);
  writer.varint(held.index);
  writer.varint(held.term);
}

export function readHeld(reader: UntrustedReader): Held | undefined {
  if (!reader.flag()) return undefined;
  return { memberId: readMember(reader), index: readIndex(reader), term: readTerm(reader) };
}

function writeIds(writer: ByteWriter, ids: readonly MemberId[]): void {
  writer.varint(ids.length);
  for (const id of ids) writer.id(id);
}

/** Member ids, ascending as in every configuration. */
function readIds(reader: UntrustedReader): MemberId[] {
  const ids: MemberId[] = [];
  for (let left = reader.count(); left > 0 && !reader.failed; left--) {
    const id = readMember(reader);
    const before = ids[ids.length - 1];
    if (before !== undefined && before >= id) reader.reject();
    ids.push(id);
  }
  return ids;
}

export function writeByteStrings(writer: ByteWriter, values: readonly Uint8Array[]): void {
  writer.varint(values.length);
  for (const value of values) writer.byteString(value);
}

export function readByteStrings(reader: UntrustedReader): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (let left = reader.count(); left > 0 && !reader.failed; left--) values.push(reader.byteString());
  return values;
}

export function writeMaybeSigned(writer: ByteWriter, value: number | undefined): void {
  writeFlag(writer, value !== undefined);
  if (value !== undefined) writer.signed(value);
}

export function readMaybeSigned(reader: UntrustedReader): number | undefined {
  return reader.flag() ? reader.signed() : undefined;
}

export function readRefusal(reader: UntrustedReader): RefusalName {
  const name = utf8Decode(reader.byteString());
  if (isRefusalName(name)) return name;
  reader.reject();
  return "notCapable";
}

const isRefusalName = (name: string): name is RefusalName => Object.hasOwn(refusals, name);

export const writeFlag = (writer: ByteWriter, value: boolean): void => writer.byte(value ? 1 : 0);
export const readMember = (reader: UntrustedReader): MemberId => memberIdOf(reader.id());
export const readLease = (reader: UntrustedReader): LeaseId => leaseIdOf(BigInt.asIntN(64, reader.id()));
export const readIndex = (reader: UntrustedReader): LogIndex => indexOf(readPlace(reader));
export const readTerm = (reader: UntrustedReader): Term => termOf(readPlace(reader));

function readPlace(reader: UntrustedReader): number {
  const value = reader.varint();
  if (value > placeMax) reader.reject();
  return value;
}
