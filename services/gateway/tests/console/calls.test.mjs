// Calls over real sockets: answers in pieces, refusals, cuts and tokens that have ended.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { Calls } from "../../console/calls.js";
import { Wire } from "../../console/wire.js";

const METHOD = "outcry.trades.v1.TradeService/StreamTape";
const contract = JSON.parse(readFileSync(process.env.CONTRACT, "utf8"));
const wire = new Wire(contract);
const execution = { venueSequence: "7", symbol: "ACME", quantity: "40" };

/** What the server does with the next request. */
let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
after(() => {
  server.closeAllConnections();
  server.close();
});

// The page calls where it came from; a test has to say where that is.
const { fetch: original } = globalThis;
globalThis.fetch = (path, init) =>
  original(`http://127.0.0.1:${server.address().port}${path}`, init);

const calls = (session = { token: async () => "", reject() {} }) => new Calls(contract, session);

function frame(kind, bytes) {
  const head = Buffer.alloc(5);
  head[0] = kind;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const message = frame(0, wire.encode(contract.methods[METHOD].gives, { execution }));
const trailers = (text) => frame(0x80, Buffer.from(text));
const HEADERS = {
  "content-type": "application/grpc-web+proto",
  "outcry-correlation-id": "the-flow",
};

/** Whatever a stream gives before it ends, and the error it ends with. */
async function read(stream) {
  const found = [];
  try {
    for await (const one of stream) found.push(one);
    return { found };
  } catch (error) {
    return { found, error };
  }
}

test("messages are read whole, in whatever pieces they come", async () => {
  answer = async (_, response) => {
    response.writeHead(200, HEADERS);
    for (const byte of Buffer.concat([message, message, trailers("grpc-status: 0\r\n")])) {
      if (!response.write(Buffer.of(byte))) await once(response, "drain");
      await new Promise(setImmediate);
    }
    response.end();
  };
  const { found, error } = await read(calls().stream(METHOD, { symbol: "ACME" }));
  assert.equal(error, undefined);
  assert.deepEqual(found, [{ execution }, { execution }]);
});

test("the request is what the contract says, with the token", async () => {
  let seen;
  answer = (request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      seen = {
        path: request.url,
        token: request.headers.authorization,
        body: Buffer.concat(pieces),
      };
      response.writeHead(200, HEADERS).end(trailers("grpc-status:0\r\n"));
    });
  };
  await read(
    calls({ token: async () => "abc", reject() {} }).stream(METHOD, {
      symbol: "ACME",
      afterVenueSequence: "9",
    }),
  );
  assert.equal(seen.path, `/${METHOD}`);
  assert.equal(seen.token, "Bearer abc");
  assert.equal(seen.body.readUInt32BE(1), seen.body.length - 5);
  const request = wire.decode(
    contract.methods[METHOD].takes,
    new Uint8Array(seen.body.subarray(5)),
  );
  assert.deepEqual(request, { symbol: "ACME", afterVenueSequence: "9" });
});

test("a refusal has its reason, its fields, its pause and its correlation id", async () => {
  const details = [
    {
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "INVALID_FIELD",
      domain: "outcry",
      metadata: { a: "b" },
    },
    {
      "@type": "type.googleapis.com/google.rpc.BadRequest",
      fieldViolations: [{ field: "symbol", description: "is wrong" }],
    },
    { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.500s" },
  ];
  const status = wire.encode("google.rpc.Status", { code: 3, message: "no", details });
  const text = Buffer.from(status).toString("base64").replace(/=+$/, "");
  answer = (_, response) => {
    response
      .writeHead(200, {
        ...HEADERS,
        "grpc-status": "3",
        "grpc-message": "100%25 wrong",
        "grpc-status-details-bin": text,
      })
      .end();
  };
  const { error } = await read(calls().stream(METHOD, {}));
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.equal(error.message, "100% wrong");
  assert.equal(error.reason, "INVALID_FIELD");
  assert.deepEqual(error.violations, [{ field: "symbol", description: "is wrong" }]);
  assert.equal(error.retryAfter, 1500);
  assert.equal(error.correlationId, "the-flow");
  assert.equal(error.passes, false);
});

test("a stream that is cut says so, and what had come counts", async () => {
  answer = (_, response) => {
    response.writeHead(200, HEADERS);
    response.write(message, () => response.destroy());
  };
  const { found, error } = await read(calls().stream(METHOD, {}));
  assert.deepEqual(found, [{ execution }]);
  assert.equal(error.code, "UNAVAILABLE");
  assert.ok(error.passes && error.begun);
});

test("an answer that ends without trailers is cut", async () => {
  answer = (_, response) => response.writeHead(200, HEADERS).end(message);
  const { error } = await read(calls().stream(METHOD, {}));
  assert.equal(error.code, "UNAVAILABLE");
});

test("a frame that is too large is refused before it is read", async () => {
  answer = (_, response) =>
    response.writeHead(200, HEADERS).end(Buffer.of(0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3));
  const { error } = await read(calls().stream(METHOD, {}));
  assert.equal(error.code, "INTERNAL");
});

test("a token that is not taken is replaced once", async () => {
  const rejected = [];
  let token = "old";
  const session = {
    token: async () => token,
    reject(one) {
      rejected.push(one);
      token = "new";
    },
  };
  const seen = [];
  answer = (request, response) => {
    seen.push(request.headers.authorization);
    const fine = request.headers.authorization === "Bearer new";
    if (fine)
      response.writeHead(200, HEADERS).end(Buffer.concat([message, trailers("grpc-status:0\r\n")]));
    else response.writeHead(200, { ...HEADERS, "grpc-status": "16" }).end();
  };
  assert.deepEqual(await calls(session).call(METHOD, {}), { execution });
  assert.deepEqual(rejected, ["old"]);
  assert.deepEqual(seen, ["Bearer old", "Bearer new"]);
  token = "other";
  session.reject = () => {};
  await assert.rejects(calls(session).call(METHOD, {}), { code: "UNAUTHENTICATED" });
  assert.equal(seen.length, 4);
});
