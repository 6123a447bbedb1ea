/*
 * A network namespace for each member of a drill, all of them inside the network and mount namespaces that the drill
 * entered first (enter-namespaces.ts): nothing here touches the machine's own network, and when the drill's last process
 * is gone so is all of it.
 *
 *      the drill                         peers  10.99.1.1  ──┬── eth0 n1  10.99.1.11
 *      (its own namespace, two bridges)                      └── eth0 n2  10.99.1.12 …
 *                                        clients 10.99.2.1 ──┬── eth1 n1  10.99.2.11 …
 *
 * Members talk on one bridge and serve clients on the other, so that trouble on links never reaches a client. Hardware
 * addresses are fixed and known to all: a clogged link would swallow the questions for them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "../tools.ts";

export interface Place {
  readonly name: string;
  /** Stands for the namespace as long as it is mounted. */
  readonly file: string;
  readonly peerAddress: string;
  readonly clientAddress: string;
  /** The end of its peer interface at the bridge. */
  readonly bridgePort: string;
}

/** Of the drill itself, among the members. */
export const drillPeerAddress = "10.99.1.1";
const drillHardware = "02:00:01:00:00:01";

/** A bridge port's name has 15 characters at most, and its member's name may be longer. */
const placeOf = (directory: string, name: string, position: number): Place => ({
  name,
  file: join(directory, name),
  peerAddress: `10.99.1.${11 + position}`,
  clientAddress: `10.99.2.${11 + position}`,
  bridgePort: `p${position}`,
});
const hardwareOf = (bridge: 1 | 2, position: number): string =>
  `02:00:0${bridge}:00:01:${(position + 1).toString(16).padStart(2, "0")}`;

/** Makes the bridges and a namespace for each name. @throws ToolProblem when this machine does not let us */
export async function makePlaces(directory: string, names: readonly string[]): Promise<readonly Place[]> {
  mkdirSync(directory, { recursive: true });
  const places = names.map((name, position) => placeOf(directory, name, position));
  await batch(
    ["ip", "-batch", "-"],
    [
      "link set lo up",
      `link add peers address ${drillHardware} type bridge`,
      `addr add ${drillPeerAddress}/24 dev peers`,
      "link set peers up",
      "link add clients type bridge",
      "addr add 10.99.2.1/24 dev clients",
      "link set clients up",
    ],
  );
  for (const [position, place] of places.entries()) {
    writeFileSync(place.file, "");
    await runTool(["unshare", `--net=${place.file}`, "true"]);
    await batch(inside(place, ["ip", "-batch", "-"]), [
      "link set lo up",
      ...interfaceLines("eth0", place.peerAddress, hardwareOf(1, position), place.bridgePort),
      ...interfaceLines("eth1", place.clientAddress, hardwareOf(2, position), `c${position}`),
      `neigh replace ${drillPeerAddress} lladdr ${drillHardware} nud permanent dev eth0`,
      ...places.flatMap((other, otherPosition) =>
        other === place
          ? []
          : [`neigh replace ${other.peerAddress} lladdr ${hardwareOf(1, otherPosition)} nud permanent dev eth0`],
      ),
    ]);
  }
  await batch(
    ["ip", "-batch", "-"],
    places.flatMap(({ bridgePort, peerAddress }, position) => [
      `link set ${bridgePort} master peers up`,
      `link set c${position} master clients up`,
      `neigh replace ${peerAddress} lladdr ${hardwareOf(1, position)} nud permanent dev peers`,
    ]),
  );
  return places;
}

/** The other end of each interface comes up in the drill's own namespace. */
const interfaceLines = (device: string, address: string, hardware: string, otherEnd: string): string[] => [
  `link add ${device} address ${hardware} type veth peer name ${otherEnd} netns ${process.pid}`,
  `addr add ${address}/24 dev ${device}`,
  `link set ${device} up`,
];

/** That command as it is run in the member's namespace: the process becomes the command. */
export const inside = (place: Pick<Place, "file">, command: readonly string[]): readonly string[] => [
  "nsenter",
  `--net=${place.file}`,
  ...command,
];

/** Lets go of the namespaces; those in which nothing runs any more are gone then. */
export async function leavePlaces(places: readonly Place[]): Promise<void> {
  if (places.length > 0) await runTool(["umount", "--lazy", ...places.map(({ file }) => file)]);
}

async function batch(command: readonly string[], lines: readonly string[]): Promise<void> {
  await runTool(command, `${lines.join("\n")}\n`);
}
