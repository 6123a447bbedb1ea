/*
 * What a member may rely on from its network, simulated or real: a message arrives as it was sent or not at all,
 * nothing crosses a cut link, and nothing reaches another life than the one it was sent to.
 */
import { describe, expect, test } from "vitest";
import type { MemberId } from "../../core/ids.ts";
import { indexOf, termOf } from "../../core/ids.ts";
import type { PeerMessage } from "../../core/input.ts";

export interface NetworkSubject {
  /** Three members, in id order. */
  readonly members: readonly [MemberId, MemberId, MemberId];
  /** From `message.from` to `message.to`. */
  send(message: PeerMessage): void;
  /** What that member's present life has received so far, in order. */
  received(member: MemberId): readonly PeerMessage[];
  /** Waits until everything under way has arrived or is lost. */
  settle(): Promise<void>;
  cutOneWay(link: { readonly from: MemberId; readonly to: MemberId }): Promise<void>;
  healAll(): Promise<void>;
  /** Ends the member's process and starts it again. */
  restart(member: MemberId): Promise<void>;
  close(): Promise<void>;
}

export interface NetworkContract {
  readonly name: string;
  /** A network without loss, repetition or reordering of its own. */
  open(): Promise<NetworkSubject>;
}

export function networkSuite(contract: NetworkContract): void {
  const withNetwork = async (body: (network: NetworkSubject) => Promise<void>): Promise<void> => {
    const network = await contract.open();
    try {
      await body(network);
    } finally {
      await network.close();
    }
  };
  const heartbeat = (from: MemberId, to: MemberId, number: number): PeerMessage => ({
    type: "heartbeat",
    from,
    to,
    term: termOf(3),
    commitIndex: indexOf(number),
    toIncarnation: 0,
    readRound: 0,
    held: undefined,
  });
  const arrived = (network: NetworkSubject, member: MemberId): number[] =>
    network.received(member).map((message) => (message.type === "heartbeat" ? message.commitIndex : -1));

  describe(`network: ${contract.name}`, () => {
    test("a message arrives as it was sent", () =>
      withNetwork(async (network) => {
        const [first, second] = network.members;
        const message: PeerMessage = {
          type: "append",
          from: first,
          to: second,
          term: termOf(7),
          prevIndex: indexOf(41),
          prevTerm: termOf(6),
          entries: [
            { index: indexOf(42), term: termOf(7), kind: "empty", data: new Uint8Array(0) },
            { index: indexOf(43), term: termOf(7), kind: "command", data: Uint8Array.from([0, 1, 127, 128, 255]) },
          ],
          commitIndex: indexOf(41),
          toIncarnation: 1,
        };
        network.send(message);
        await network.settle();
        expect(network.received(second)).toEqual([message]);
        expect(network.received(first)).toEqual([]);
      }));

    test("messages of one link arrive in the order they were sent", () =>
      withNetwork(async (network) => {
        const [first, second] = network.members;
        for (let number = 1; number <= 50; number++) network.send(heartbeat(first, second, number));
        await network.settle();
        expect(arrived(network, second)).toEqual(Array.from({ length: 50 }, (_none, position) => position + 1));
      }));

    test("a link cut one way carries nothing that way and everything the other way", () =>
      withNetwork(async (network) => {
        const [first, second, third] = network.members;
        await network.cutOneWay({ from: first, to: second });
        network.send(heartbeat(first, second, 1));
        network.send(heartbeat(second, first, 2));
        network.send(heartbeat(first, third, 3));
        await network.settle();
        expect(arrived(network, second)).toEqual([]);
        expect(arrived(network, first)).toEqual([2]);
        expect(arrived(network, third)).toEqual([3]);
      }));

    test("a healed link carries what is sent from then on", () =>
      withNetwork(async (network) => {
        const [first, second] = network.members;
        await network.cutOneWay({ from: first, to: second });
        await network.healAll();
        // A real link may need some attempts to connect again; what matters is that messages get through.
        for (let number = 1; number <= 50 && arrived(network, second).length === 0; number++) {
          network.send(heartbeat(first, second, number));
          await network.settle();
        }
        expect(arrived(network, second).length).toBeGreaterThan(0);
      }));

    test("a message to a member's earlier life is never seen by its next", () =>
      withNetwork(async (network) => {
        const [first, second] = network.members;
        network.send(heartbeat(first, second, 1));
        await network.restart(second);
        await network.settle();
        expect(arrived(network, second)).toEqual([]);
      }));
  });
}
