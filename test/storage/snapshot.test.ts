import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import { indexOf, memberIdOf, termOf } from "../../core/ids.ts";
import { type Backend, type BackendView, type Bucket, buckets } from "../../core/ports.ts";
import type { SnapshotChunk, SnapshotChunkReply } from "../../core/raft/message.ts";
import { installedAt, type ReceivedSnapshot, SnapshotInbox, SnapshotOutbox } from "../../core/storage/snapshot.ts";

type Content = readonly (readonly [bucket: Bucket, key: string, value: string])[];

/** A backend that is a sorted list, and counts what is open. */
class ListBackend implements Pick<Backend, "openView" | "beginInstall"> {
  content: Content = [];
  viewsOpen = 0;
  installsBegun = 0;
  installsAborted = 0;
  /** Entries visited by the scans of all views. */
  visited = 0;
  put(bucket: Bucket, key: string, value: string): void {
    this.content = sorted([...this.content.filter(([b, k]) => b !== bucket || k !== key), [bucket, key, value]]);
  }
  openView(): BackendView {
    this.viewsOpen += 1;
    const content = this.content;
    const scan: BackendView["scan"] = (bucket, { from }, visit) => {
      for (const [each, key, value] of content) {
        if (each !== bucket || key < textOfBytes(from)) continue;
        this.visited += 1;
        if (!visit(bytesOfText(key), bytesOfText(value))) return;
      }
    };
    return {
      get: () => undefined,
      scan,
      scanLent: scan,
      close: () => {
        this.viewsOpen -= 1;
      },
    };
  }
  beginInstall() {
    this.installsBegun += 1;
    let received: Content = [];
    return {
      put: (bucket: Bucket, key: Uint8Array, value: Uint8Array) => {
        const others = received.filter(([b, k]) => b !== bucket || k !== textOfBytes(key));
        received = [...others, [bucket, textOfBytes(key), textOfBytes(value)]];
      },
      finish: () => {
        this.content = sorted(received);
      },
      abort: () => {
        this.installsAborted += 1;
      },
    };
  }
}

const sorted = (content: Content): Content =>
  [...content].sort(([bucketA, a], [bucketB, b]) =>
    bucketA === bucketB ? (a < b ? -1 : 1) : buckets.indexOf(bucketA) - buckets.indexOf(bucketB),
  );

/** What a receiver has of it: the place besides, in bucket meta. */
const received = (content: Content): Content => sorted([...content, ["meta", "installed_at", "\0\0\0\0\0\0\0\x32"]]);

const leaderId = memberIdOf(1n);
const followerId = memberIdOf(2n);
const configuration = { voters: [leaderId, followerId], outgoing: [], learners: [] };
const term = termOf(7);

function begin(content: Content, snapshotChunkBytes = 64) {
  const source = new ListBackend();
  source.content = sorted(content);
  const target = new ListBackend();
  target.content = [["key", "old", "content"]];
  const outbox = new SnapshotOutbox({
    config: { snapshotChunkBytes, electionTicks: 4 },
    id: leaderId,
    openView: () => ({ view: source.openView(), index: indexOf(50), term: termOf(6), configuration }),
  });
  const inbox = new SnapshotInbox({ backend: target, id: followerId });
  return { source, target, outbox, inbox };
}

const manyEntries = (count: number, size = 20): Content =>
  Array.from(
    { length: count },
    (_, n) => [buckets[n % buckets.length] ?? "key", `k${String(n).padStart(4, "0")}`, "v".repeat(size)] as const,
  );

/** All chunks of a transfer, acknowledged one by one. */
function allChunks(outbox: SnapshotOutbox): SnapshotChunk[] {
  const chunks = outbox.start(followerId, term);
  for (let position = 0; position < chunks.length; position++) {
    const { transferId } = chunks[position] as SnapshotChunk;
    const nextChunk = position + 1;
    const reply: SnapshotChunkReply = {
      type: "snapshotChunkReply",
      from: followerId,
      to: leaderId,
      term,
      transferId,
      nextChunk,
    };
    chunks.push(...outbox.handleReply(reply, term));
  }
  return chunks;
}

describe("sending a snapshot", () => {
  it("after everything arrived the last chunk asks again for a word that may be lost", () => {
    const { outbox } = begin(manyEntries(20));
    const chunks = allChunks(outbox);
    const sent = [1, 2, 3, 4].flatMap(() => outbox.tick(term).messages);
    expect(sent.map(({ chunk, last }) => ({ chunk, last }))).toEqual([
      { chunk: chunks.length - 1, last: true },
      { chunk: chunks.length - 1, last: true },
    ]);
    outbox.acknowledged(followerId, indexOf(50));
    expect([1, 2, 3, 4].flatMap(() => outbox.tick(term).messages)).toEqual([]);
  });

  it("at most four chunks are on the way, and reading goes only so far", () => {
    const { outbox, source } = begin(manyEntries(500));
    const chunks = outbox.start(followerId, term);
    expect(chunks.map(({ chunk }) => chunk)).toEqual([0, 1, 2, 3]);
    expect(source.visited).toBeLessThan(30);
    const { transferId } = chunks[0] as SnapshotChunk;
    const reply: SnapshotChunkReply = {
      type: "snapshotChunkReply",
      from: followerId,
      to: leaderId,
      term,
      transferId,
      nextChunk: 3,
    };
    expect(outbox.handleReply(reply, term).map(({ chunk }) => chunk)).toEqual([4, 5, 6]);
    expect(outbox.handleReply(reply, term)).toEqual([]);
    expect(source.visited).toBeLessThan(60);
  });

  it("every bucket is sent, every entry once, and the view is closed when all was read", () => {
    const content = manyEntries(100);
    const { outbox, source, inbox, target } = begin(content);
    const chunks = allChunks(outbox);
    expect(source.viewsOpen).toBe(0);
    expect(chunks.filter(({ last }) => last)).toHaveLength(1);
    for (const chunk of chunks) inbox.receive(chunk);
    inbox.finish();
    expect(target.content).toEqual(received(content));
  });

  it("an entry larger than a chunk goes alone", () => {
    const content: Content = [
      ["key", "a", "1"],
      ["key", "b", "x".repeat(500)],
      ["key", "c", "2"],
    ];
    const { outbox } = begin(content);
    expect(allChunks(outbox).map(({ bytes }) => bytes.length > 500)).toEqual([false, true, false]);
  });

  it("an empty backend is one chunk", () => {
    const { outbox, inbox, target } = begin([]);
    const chunks = allChunks(outbox);
    expect(chunks.map(({ last }) => last)).toEqual([true]);
    expect(inbox.receive(chunks[0] as SnapshotChunk).complete).toEqual({ index: 50, term: 6, configuration });
    inbox.finish();
    expect(target.content).toEqual(received([]));
  });

  it("what is not acknowledged is sent again, and given up after ten election timeouts", () => {
    const { outbox, source } = begin(manyEntries(100));
    const sent = outbox.start(followerId, term);
    expect(outbox.tick(term)).toEqual({ messages: [], aborted: [] });
    expect(outbox.tick(term)).toEqual({ messages: sent, aborted: [] });
    for (let tick = 3; tick < 40; tick++) expect(outbox.tick(term).aborted).toEqual([]);
    expect(outbox.tick(term).aborted).toEqual([followerId]);
    expect(source.viewsOpen).toBe(0);
    expect(outbox.tick(term)).toEqual({ messages: [], aborted: [] });
  });

  it("a receiver that lost what it had is noticed, and the transfer given up at once", () => {
    const { outbox, inbox, target } = begin(manyEntries(100));
    const chunks = outbox.start(followerId, term);
    const { reply } = inbox.receive(chunks[0] as SnapshotChunk);
    if (reply !== undefined) outbox.handleReply(reply, term);
    const restarted = new SnapshotInbox({ backend: target, id: followerId });
    let aborted = false;
    for (let tick = 0; tick < 6; tick++) {
      const { messages, aborted: given } = outbox.tick(term);
      aborted ||= given.length > 0;
      for (const message of messages) {
        const answer = restarted.receive(message).reply;
        if (answer !== undefined) outbox.handleReply(answer, term);
      }
    }
    expect(aborted).toBe(true);
  });

  it("a transfer ends when the follower's log reaches it, when leadership ends, and when another begins", () => {
    const { outbox, source } = begin(manyEntries(100));
    outbox.start(followerId, term);
    outbox.start(followerId, term);
    expect(source.viewsOpen).toBe(1);
    outbox.acknowledged(followerId, indexOf(49));
    expect(source.viewsOpen).toBe(1);
    outbox.acknowledged(followerId, indexOf(50));
    expect(source.viewsOpen).toBe(0);
    outbox.start(followerId, term);
    outbox.start(memberIdOf(3n), term);
    expect(source.viewsOpen).toBe(2);
    outbox.stop();
    expect(source.viewsOpen).toBe(0);
    expect(outbox.tick(term)).toEqual({ messages: [], aborted: [] });
  });

  it("replies of another transfer or another term change nothing", () => {
    const { outbox } = begin(manyEntries(100));
    const old = outbox.start(followerId, term)[0] as SnapshotChunk;
    outbox.start(followerId, term);
    const reply: SnapshotChunkReply = {
      type: "snapshotChunkReply",
      from: followerId,
      to: leaderId,
      term,
      transferId: old.transferId,
      nextChunk: 2,
    };
    expect(outbox.handleReply(reply, term)).toEqual([]);
    expect(outbox.handleReply({ ...reply, transferId: old.transferId + 1 }, termOf(8))).toEqual([]);
    expect(outbox.handleReply({ ...reply, transferId: old.transferId + 1, nextChunk: 99 }, term)).toEqual([]);
  });
});

describe("receiving a snapshot", () => {
  it("nothing shows in the backend before the member finishes it", () => {
    const { outbox, inbox, target } = begin(manyEntries(20));
    let complete: ReceivedSnapshot | undefined;
    for (const chunk of allChunks(outbox)) complete = inbox.receive(chunk).complete ?? complete;
    expect(complete).toEqual({ index: 50, term: 6, configuration });
    expect(target.content).toEqual([["key", "old", "content"]]);
    inbox.finish();
    expect(target.content).toEqual(received(manyEntries(20)));
  });

  // A backend that stands where it was installed may be beyond its log; at any other place it may not.
  it("the content says where it was installed, whatever the sender's own said", () => {
    const mark = ["meta", "installed_at", "\0\0\0\0\0\0\0\x07"] as const;
    const { outbox, inbox, target } = begin([...manyEntries(3), mark]);
    for (const chunk of allChunks(outbox)) inbox.receive(chunk);
    inbox.finish();
    expect(target.content).toEqual(received(manyEntries(3)));
    const get = (bucket: Bucket, key: Uint8Array): Uint8Array | undefined => {
      const entry = target.content.find(([b, k]) => b === bucket && k === textOfBytes(key));
      return entry && bytesOfText(entry[2]);
    };
    expect(installedAt({ get })).toBe(50);
    target.content = [];
    expect(installedAt({ get })).toBe(0);
  });

  it("completion is told once, a repeated chunk is answered again", () => {
    const { outbox, inbox } = begin(manyEntries(3));
    const chunks = allChunks(outbox);
    const completions = [...chunks, ...chunks].map((chunk) => inbox.receive(chunk));
    expect(completions.filter(({ complete }) => complete !== undefined)).toHaveLength(1);
    expect(completions[completions.length - 1]?.reply?.nextChunk).toBe(chunks.length);
    inbox.finish();
    expect(inbox.receive(chunks[0] as SnapshotChunk).reply?.nextChunk).toBe(chunks.length);
  });

  it("a chunk with any changed byte is as good as lost", () => {
    const { outbox, inbox, target } = begin(manyEntries(6));
    const chunks = allChunks(outbox);
    for (const chunk of chunks) {
      for (let offset = 0; offset < chunk.bytes.length; offset++) {
        const bytes = chunk.bytes.slice();
        bytes[offset] = (bytes[offset] as number) ^ 0x10;
        expect(inbox.receive({ ...chunk, bytes })).toEqual({ reply: undefined, complete: undefined });
      }
      inbox.receive(chunk);
    }
    inbox.finish();
    expect(target.content).toEqual(received(manyEntries(6)));
  });

  it("chunks of two transfers, terms or senders never make one snapshot", () => {
    const { outbox, inbox, target, source } = begin(manyEntries(40));
    const first = allChunks(outbox);
    source.content = sorted(manyEntries(40).map(([bucket, key]) => [bucket, key, "another value entirely"]));
    const second = allChunks(outbox);
    for (let position = 0; position < Math.max(first.length, second.length); position++) {
      for (const chunk of [first[position], second[position], first[position + 1]]) {
        if (chunk !== undefined) inbox.receive(chunk);
      }
    }
    inbox.finish();
    expect(target.content).toEqual(received(source.content));
    const stranger = first.map((chunk) => ({ ...chunk, transferId: (second[0] as SnapshotChunk).transferId + 1 }));
    for (const chunk of stranger) expect(inbox.receive(chunk)).toEqual({ reply: undefined, complete: undefined });
  });

  it("a chunk of an older term or transfer does not disturb the one under way", () => {
    const { outbox, inbox, target } = begin(manyEntries(40));
    const old = allChunks(outbox);
    const current = allChunks(outbox);
    inbox.receive(current[0] as SnapshotChunk);
    expect(inbox.receive(old[0] as SnapshotChunk).reply).toBeUndefined();
    for (const chunk of current) inbox.receive(chunk);
    inbox.finish();
    expect(target.installsBegun).toBe(1);
  });

  it("finishing what is not complete is a broken invariant", () => {
    const { outbox, inbox } = begin(manyEntries(40));
    inbox.receive(outbox.start(followerId, term)[0] as SnapshotChunk);
    expect(() => inbox.finish()).toThrow("only a complete snapshot is installed");
    inbox.abandon();
    expect(() => inbox.finish()).toThrow("only a complete snapshot is installed");
  });

  it("under loss, repetition and reordering the content arrives whole, or the transfer is given up", () => {
    const value = fc.tuple(
      fc.constantFrom(...buckets),
      fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 6 }),
      fc.string({ unit: "binary-ascii", maxLength: 90 }),
    );
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 60 }),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 40 }),
        (values, luck) => {
          const content = new Map(
            values.map(([bucket, key, each]) => [`${bucket}/${key}`, [bucket, key, each] as const]),
          );
          const { outbox, inbox, target, source } = begin([...content.values()]);
          const expected = source.content;
          let draws = 0;
          const draw = (): number => luck[draws++ % luck.length] ?? 0;
          let onTheWay: (SnapshotChunk | SnapshotChunkReply)[] = outbox.start(followerId, term);
          source.put("key", "written later", "not part of the snapshot");
          let complete = false;
          for (let tick = 0; tick < 400 && !complete; tick++) {
            const { messages, aborted } = outbox.tick(term);
            onTheWay.push(...messages);
            if (aborted.length > 0) onTheWay.push(...outbox.start(followerId, term));
            const arriving = onTheWay.splice(0);
            onTheWay = [];
            for (const message of arriving) {
              const fate = draw();
              if (fate === 0) continue;
              if (fate === 1) onTheWay.push(message);
              if (fate === 2) {
                onTheWay.push(message);
                continue;
              }
              if (message.type === "snapshotChunkReply") onTheWay.push(...outbox.handleReply(message, term));
              else {
                const received = inbox.receive(message);
                if (received.reply !== undefined) onTheWay.push(received.reply);
                if (received.complete !== undefined) {
                  inbox.finish();
                  complete = true;
                  break;
                }
              }
            }
            if (draw() > 5) onTheWay.reverse();
          }
          if (luck.every((fate) => fate > 2)) expect(complete).toBe(true);
          if (!complete) expect(target.content).toEqual([["key", "old", "content"]]);
          else if (outbox.tick(term).aborted.length === 0) {
            const late = sorted([
              ...expected.filter(([b, k]) => b !== "key" || k !== "written later"),
              ["key", "written later", "not part of the snapshot"],
            ]);
            expect([received(expected), received(late)]).toContainEqual(target.content);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
