/*
 * member list, add, remove, update, promote; move-leader. Ids are hexadecimal.
 * Source: etcd v3 contract, etcdctl, member.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { Cluster, Maintenance, type Member, type ResponseHeader } from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { badArguments, CtlError } from "./failure.ts";
import { memberIdFrom } from "./operands.ts";
import { fieldLine, headerFields, idText, paddedId, print, tableText, write } from "./print.ts";
import type { Answered, Session } from "./session.ts";
import type { Stage } from "./verbs.ts";

export function addMemberVerbs({ program, act }: Stage): void {
  const member = program.command("member").description("members of the cluster");
  member
    .command("list")
    .description("all members")
    .option("--consistency <l|s>", "linearizable or serializable", "l")
    .action(({ consistency }: { readonly consistency: string }) =>
      act(async (session) => {
        const answer = await session.call(Cluster.method.memberList, { linearizable: consistency !== "s" });
        const { header, members } = answer.message;
        const rows = members.map(rowOf);
        print(session.flags.writeOut, answer, {
          simple: () => rows.map((row) => `${row.join(", ")}\n`).join(""),
          fields: () => headerFields(header) + members.map(fieldsOf).join(""),
          table: () => tableText(["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"], rows),
        });
      }),
    );
  member
    .command("add")
    .description("add a member, to be started with --initial-cluster-state existing")
    .argument("<name>")
    .option("--peer-urls <list>", "where it will listen for its peers", "")
    .option("--learner", "without a vote, until it is promoted")
    .action((name: string, { peerUrls, learner }: { readonly peerUrls: string; readonly learner?: boolean }) =>
      act(async (session) => {
        const peerURLs = urlsOf(peerUrls);
        const answer = await session.call(Cluster.method.memberAdd, { peerURLs, isLearner: learner === true });
        const { header, member: added, members } = answer.message;
        const addedId = added?.ID ?? 0n;
        print(session.flags.writeOut, answer, {
          simple: () => {
            const cluster = members.flatMap((each) =>
              each.peerURLs.map((url) => `${each.ID === addedId ? name : each.name}=${url}`),
            );
            return [
              `Member ${paddedId(addedId)} added to cluster ${paddedId(header?.clusterId ?? 0n)}`,
              "",
              `ETCD_NAME="${name}"`,
              `ETCD_INITIAL_CLUSTER="${cluster.join(",")}"`,
              `ETCD_INITIAL_ADVERTISE_PEER_URLS="${peerURLs.join(",")}"`,
              `ETCD_INITIAL_CLUSTER_STATE="existing"`,
              "",
            ].join("\n");
          },
          fields: () => headerFields(header) + (added === undefined ? "" : fieldsOf(added)),
        });
      }),
    );
  member
    .command("remove")
    .description("remove a member for good")
    .argument("<memberID>")
    .action((id: string) =>
      act(async (session) => {
        const ID = memberIdFrom(id);
        const answer = await session.call(Cluster.method.memberRemove, { ID });
        printChange(session, answer, answer.message.header, `Member ${paddedId(ID)} removed from`);
      }),
    );
  member
    .command("update")
    .description("change where a member listens for its peers")
    .argument("<memberID>")
    .option("--peer-urls <list>", "where it listens for its peers from now on", "")
    .action((id: string, { peerUrls }: { readonly peerUrls: string }) =>
      act(async (session) => {
        const ID = memberIdFrom(id);
        const answer = await session.call(Cluster.method.memberUpdate, { ID, peerURLs: urlsOf(peerUrls) });
        printChange(session, answer, answer.message.header, `Member ${paddedId(ID)} updated in`);
      }),
    );
  member
    .command("promote")
    .description("give a learner a vote")
    .argument("<memberID>")
    .action((id: string) =>
      act(async (session) => {
        const ID = memberIdFrom(id);
        const answer = await session.call(Cluster.method.memberPromote, { ID });
        printChange(session, answer, answer.message.header, `Member ${paddedId(ID)} promoted in`);
      }),
    );
}

function printChange<Output extends DescMessage>(
  session: Session,
  answer: Answered<Output>,
  header: ResponseHeader | undefined,
  what: string,
): void {
  print(session.flags.writeOut, answer, {
    simple: () => `${what} cluster ${paddedId(header?.clusterId ?? 0n)}\n`,
    fields: () => headerFields(header),
  });
}

export function addMoveLeaderVerb({ program, act }: Stage): void {
  program
    .command("move-leader")
    .description("hand leadership over; one of the end points must be the leader's")
    .argument("<transferee-member-id>")
    .action((id: string) =>
      act(async (session) => {
        const targetID = memberIdFrom(id);
        const { endpoint, leader } = await leaderOf(session);
        await session.callAt(endpoint, Maintenance.method.moveLeader, { targetID });
        write(`Leadership transferred from ${idText(leader)} to ${idText(targetID)}\n`);
      }),
    );
}

async function leaderOf(session: Session): Promise<{ readonly endpoint: string; readonly leader: bigint }> {
  for (const endpoint of session.endpoints) {
    const status = await session.callAt(endpoint, Maintenance.method.status, {}).catch((error: unknown) => {
      // One that does not answer cannot be the leader that is looked for.
      if (error instanceof CtlError) return undefined;
      throw error;
    });
    const { leader, header } = status?.message ?? {};
    if (leader !== undefined && leader !== 0n && leader === header?.memberId) return { endpoint, leader };
  }
  throw badArguments(`no leader endpoint given at [${session.endpoints.join(" ")}]`);
}

function urlsOf(list: string): string[] {
  if (list === "") throw badArguments("member peer urls not provided");
  return list.split(",");
}

const rowOf = ({ ID, name, peerURLs, clientURLs, isLearner }: Member): string[] => [
  idText(ID),
  name === "" ? "unstarted" : "started",
  name,
  peerURLs.join(","),
  clientURLs.join(","),
  String(isLearner),
];

const fieldsOf = ({ ID, name, peerURLs, clientURLs, isLearner }: Member): string =>
  `${fieldLine("ID", ID)}${fieldLine("Name", `"${name}"`)}${peerURLs.map((url) => fieldLine("PeerURL", `"${url}"`)).join("")}${clientURLs
    .map((url) => fieldLine("ClientURL", `"${url}"`))
    .join("")}${fieldLine("IsLearner", isLearner)}\n`;
