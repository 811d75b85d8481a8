import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  OrderService,
  PlaceOrderRequestSchema,
} from "../src/gen/outcry/orders/v1/order_service_pb.js";
import { LoginRequestSchema, UserService } from "../src/gen/outcry/users/v1/user_service_pb.js";
import { money, moneyText } from "../src/money.js";
import { backoff } from "../src/pause.js";
import { Refusal } from "../src/refusal.js";
import { isRepeatable, waitBeforeRetry } from "../src/retry.js";
import { RecentEvents } from "../src/seen_events.js";
import { renewalTime } from "../src/session.js";
import { farPrice } from "../src/story.js";

function detail(type: string, write: (writer: BinaryWriter) => BinaryWriter) {
  return { type: `google.rpc.${type}`, value: write(new BinaryWriter()).finish() };
}

function refusal(code: Code, ...details: ReturnType<typeof detail>[]): Refusal {
  const error = new ConnectError("refused", code);
  error.details = details;
  return Refusal.from(error);
}

const retryInfo = (seconds: number) =>
  detail("RetryInfo", (writer) => {
    const delay = create(DurationSchema, { seconds: BigInt(seconds) });
    return writer.tag(1, 2).bytes(toBinary(DurationSchema, delay));
  });

test("a refusal says its code, its reason and the fields at fault", () => {
  const violation = new BinaryWriter();
  violation
    .tag(1, 2)
    .string("terms.quantity")
    .tag(2, 2)
    .string("in words")
    .tag(3, 2)
    .string("int64.gte_lte");
  const bytes = violation.finish();
  const seen = refusal(
    Code.InvalidArgument,
    detail("ErrorInfo", (writer) =>
      writer.tag(1, 2).string("INVALID_FIELD").tag(2, 2).string("outcry"),
    ),
    detail("BadRequest", (writer) => writer.tag(1, 2).bytes(bytes)),
  );
  assert.equal(seen.code, "INVALID_ARGUMENT");
  assert.equal(seen.reason, "INVALID_FIELD");
  assert.deepEqual(seen.violations, [{ field: "terms.quantity", rule: "int64.gte_lte" }]);
});

test("a refusal is told from its code alone when its details cannot be read", () => {
  const broken = detail("ErrorInfo", (writer) => writer.tag(1, 2).uint32(99));
  assert.equal(refusal(Code.Unavailable, broken).code, "UNAVAILABLE");
  assert.equal(refusal(Code.Canceled).code, "CANCELLED");
});

test("only passing failures are tried again, and not for ever", () => {
  assert.ok(waitBeforeRetry(refusal(Code.Unavailable), 1));
  assert.ok(waitBeforeRetry(refusal(Code.ResourceExhausted), 3));
  assert.equal(waitBeforeRetry(refusal(Code.Unavailable), 4), undefined);
  for (const code of [Code.Internal, Code.DeadlineExceeded, Code.InvalidArgument, Code.Aborted]) {
    assert.equal(waitBeforeRetry(refusal(code), 1), undefined, Code[code]);
  }
});

test("the platform's wait is kept, unless it is too long", () => {
  const wait = waitBeforeRetry(refusal(Code.ResourceExhausted, retryInfo(3)), 1);
  assert.ok(wait && wait >= 3000, `${wait}`);
  assert.equal(waitBeforeRetry(refusal(Code.ResourceExhausted, retryInfo(60)), 1), undefined);
});

test("waits double, differ, and end at the longest", () => {
  const growth = { first: 100, longest: 1000 };
  assert.deepEqual(
    [1, 2, 3, 4, 5, 50].map((failures) => backoff(failures, growth, 1)),
    [100, 200, 400, 800, 1000, 1000],
  );
  assert.equal(backoff(1, growth, 0), 50);
});

test("a call is repeatable by its contract or by its request id", () => {
  const placing = create(PlaceOrderRequestSchema, { requestId: "" });
  assert.ok(isRepeatable(OrderService.method.placeOrder, placing));
  const login = create(LoginRequestSchema);
  assert.equal(isRepeatable(UserService.method.login, login), false);
  assert.ok(isRepeatable(UserService.method.login, { ...login, requestId: "1" } as never));
});

test("a token is renewed before its end", () => {
  assert.equal(renewalTime(0, 600_000), 570_000);
  assert.equal(renewalTime(0, 20_000), 10_000);
  assert.equal(renewalTime(50_000, 20_000), 20_000);
});

test("the memory of events is bounded and forgets the oldest", () => {
  const seen = new RecentEvents(2);
  for (const id of ["a", "b", "b", "c"]) seen.add(id);
  assert.deepEqual(
    ["a", "b", "c"].map((id) => seen.has(id)),
    [false, true, true],
  );
  assert.throws(() => new RecentEvents(0), RangeError);
});

test("amounts are exact decimals", () => {
  for (const text of ["0", "100", "100.25", "-0.0001", "-12.5"]) {
    assert.equal(moneyText(money(text)), text);
  }
  assert.equal(moneyText(money("1.5000")), "1.5");
  for (const wrong of ["", "1,5", "1e3", "0.00001", ".5", "1."]) {
    assert.throws(() => money(wrong), RangeError, wrong);
  }
});

test("a price far from the market keeps the band and the tick", () => {
  const price = (reference: string, bandBps: number, tick: string) => {
    const referencePrice = money(reference);
    return moneyText(farPrice({ referencePrice, bandBps, tick: money(tick) }));
  };
  assert.equal(price("100", 0, "0.01"), "50");
  assert.equal(price("100", 2_000, "0.01"), "90");
  assert.equal(price("0.37", 1_000, "0.0001"), "0.3515");
  assert.equal(price("101.25", 1_000, "0.05"), "96.15");
  assert.equal(price("0.01", 0, "0.01"), "0.01");
});
