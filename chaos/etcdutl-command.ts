#!/usr/bin/env node
/*
 * faultline-etcdutl: `faultline etcdutl` as a program of its own, etcd's own tool for files.
 */
import { runProgram } from "../reports/exit-code.ts";
import { runWithHandles } from "./member/handles.ts";

await runProgram((argv) => runWithHandles("etcdutl", () => import("./ctl/etcdutl.ts"), argv));
