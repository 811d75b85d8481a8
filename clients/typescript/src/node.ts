import { createGrpcTransport } from "@connectrpc/connect-node";
import { CALL_TIMEOUT_MS, OutcryClient } from "./client.js";

/** How often a quiet connection with open streams is tried, in milliseconds. */
const PING_INTERVAL_MS = 30_000;

/** A client over gRPC, for Node. */
export function grpcClient(address: string): OutcryClient {
  return new OutcryClient((interceptors) =>
    createGrpcTransport({
      baseUrl: address,
      interceptors,
      defaultTimeoutMs: CALL_TIMEOUT_MS,
      pingIntervalMs: PING_INTERVAL_MS,
    }),
  );
}
