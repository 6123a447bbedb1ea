/*
 * Every method of etcd's services by its name: the path it is called at, and its messages.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { services } from "../../chaos/member/services.ts";

export interface KnownMethod {
  readonly path: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
}

const known = new Map<string, KnownMethod>(
  [...services.values()].flatMap((methods) =>
    methods.map(({ name, path, input, output }): [string, KnownMethod] => [name, { path, input, output }]),
  ),
);

/** @throws when no service has a method of that name; names of two services never meet except `Watch` of health */
export function methodNamed(name: string): KnownMethod {
  const method = known.get(name);
  if (method === undefined) throw new Error(`etcd has no method ${name}`);
  return method;
}
