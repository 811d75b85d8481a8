/** Client for browsers. */
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { CALL_TIMEOUT_MS, OutcryClient } from "./client.js";

export * from "./contract.js";

/** A client over gRPC-Web. The platform must allow the page's origin. */
export function grpcWebClient(address: string): OutcryClient {
  return new OutcryClient((interceptors) =>
    createGrpcWebTransport({ baseUrl: address, interceptors, defaultTimeoutMs: CALL_TIMEOUT_MS }),
  );
}
