export * from "../request.ts";
