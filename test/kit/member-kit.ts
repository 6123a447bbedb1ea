/*
 * A machine on a fresh memory backend with a log of its own: tests say requests, it makes entries of them.
 */
import { type CommandRequest, encodeCommand } from "../../core/apply/command.ts";
import { type Applied, Machine } from "../../core/apply/machine.ts";
import { anonymous, type Identity } from "../../core/auth/identity.ts";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import { indexOf, memberIdOf, termOf } from "../../core/ids.ts";
import type { Entry } from "../../core/raft/message.ts";
import type { Answer, KeyValue, MemberRecord, RangeAnswer, RangeRequest } from "../../core/request.ts";
import { MemoryBackend } from "./memory-backend.ts";

export const bytes = bytesOfText;

/** "key=value" of each. */
export const texts = (keyValues: readonly KeyValue[]): string[] =>
  keyValues.map(({ key, value }) => `${textOfBytes(key)}=${textOfBytes(value)}`);

export const memberRecord = (id: bigint, more: Partial<MemberRecord> = {}): MemberRecord => ({
  memberId: memberIdOf(id),
  name: "",
  peerUrls: [`http://127.0.0.1:${id}`],
  clientUrls: [],
  isLearner: false,
  ...more,
});

export class TestMachine {
  readonly backend: MemoryBackend;
  readonly config: MemberConfig;
  readonly log: Entry[] = [];
  machine: Machine;

  constructor(config: Partial<MemberConfig> = {}, backend = new MemoryBackend()) {
    this.backend = backend;
    this.config = { ...defaultMemberConfig, ...config };
    this.machine = this.open();
  }

  private open(): Machine {
    return new Machine({ backend: this.backend, config: this.config, bootstrapMembers: [memberRecord(1n)] });
  }

  /** Proposes and applies; also the changes. */
  do(request: CommandRequest, nowMs = 0, identity: Identity = anonymous): Applied {
    const id = { origin: memberIdOf(1n), incarnation: 1, sequence: this.log.length };
    const data = encodeCommand({ id, identity, request });
    const isConfiguration = request.type.startsWith("member") || request.type === "leaveJoint";
    const kind = isConfiguration ? "configuration" : "command";
    const entry: Entry = { index: indexOf(this.log.length + 1), term: termOf(1), kind, data };
    this.log.push(entry);
    return this.machine.apply(entry, nowMs);
  }

  /** The answer of a request that is not refused. */
  answer(request: CommandRequest, nowMs = 0): Answer {
    const { result } = this.do(request, nowMs);
    if (!result?.ok) throw new Error(`refused: ${result?.refusal}`);
    return result.answer;
  }

  refusal(request: CommandRequest, identity: Identity = anonymous): string | undefined {
    const { result } = this.do(request, 0, identity);
    return result === undefined || result.ok ? undefined : result.refusal;
  }

  range(request: RangeRequest): RangeAnswer {
    const result = this.machine.range(request);
    if (!result.ok) throw new Error(`refused: ${result.refusal}`);
    return result.answer;
  }

  get revision(): number {
    return this.machine.store.currentRevision;
  }

  /** Background work until none is left. */
  settle(): void {
    for (let tick = 0; tick < 1_000; tick++) this.machine.tick();
  }

  /** Loses all but so many commits after the last sync, opens again and applies the lost entries once more. */
  crash(commitsKept: number): void {
    this.backend.crash(commitsKept);
    this.machine = this.open();
    for (const entry of this.log.slice(this.machine.appliedIndex)) this.machine.apply(entry, 0);
  }
}
