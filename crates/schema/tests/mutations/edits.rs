//! The edits, and what must become of each.

/// What becomes of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The lock refuses it, and so does buf.
    RefusedByBoth,
    /// Only the lock refuses it: buf looks at no options.
    RefusedByLock,
    /// It passes.
    Passes,
}

use Fate::{Passes, RefusedByBoth, RefusedByLock};

/// One edit of one file.
pub struct Edit {
    /// What it does.
    pub name: &'static str,
    /// The file, below `proto/`.
    pub file: &'static str,
    /// Text that is there, and what takes its place the first time it stands.
    pub old: &'static str,
    pub new: &'static str,
    /// The place the comparison must name.
    pub place: &'static str,
    /// Whether it may be made, and whether buf alone would stop it.
    pub fate: Fate,
}

/// All edits, the breaking ones first.
pub const EDITS: &[Edit] = &[
    Edit {
        name: "field retyped",
        file: "outcry/orders/v1/events.proto",
        old: "int64 leaves_quantity = 8 [(buf.validate.field).int64.gte = 0]",
        new: "uint64 leaves_quantity = 8 [(buf.validate.field).uint64.gte = 0]",
        place: "outcry.orders.v1.OrderFilledEvent.leaves_quantity",
        fate: RefusedByBoth,
    },
    Edit {
        name: "field renumbered",
        file: "outcry/orders/v1/events.proto",
        old: "string execution_id = 11",
        new: "string execution_id = 12",
        place: "outcry.orders.v1.OrderFilledEvent.execution_id",
        fate: RefusedByBoth,
    },
    Edit {
        name: "field renamed",
        file: "outcry/orders/v1/events.proto",
        old: "string execution_id = 11",
        new: "string fill_id = 11",
        place: "outcry.orders.v1.OrderFilledEvent.execution_id",
        fate: RefusedByBoth,
    },
    Edit {
        name: "field removed",
        file: "outcry/orders/v1/events.proto",
        old: "string client_order_id = 3 [(buf.validate.field).string.max_len = 64];",
        new: "",
        place: "outcry.orders.v1.OrderCreatedEvent.client_order_id",
        fate: RefusedByBoth,
    },
    Edit {
        name: "field made a list",
        file: "outcry/users/v1/events.proto",
        old: "uint64 token_epoch = 2;",
        new: "repeated uint64 token_epoch = 2;",
        place: "outcry.users.v1.UserPasswordChangedEvent.token_epoch",
        fate: RefusedByBoth,
    },
    Edit {
        name: "field moved into a oneof",
        file: "outcry/users/v1/events.proto",
        old: "bool email_changed = 3;",
        new: r#"oneof change {
    bool email_changed = 3;
  }"#,
        place: "outcry.users.v1.UserUpdatedEvent.email_changed",
        fate: RefusedByBoth,
    },
    Edit {
        name: "JSON name changed",
        file: "outcry/payments/v1/events.proto",
        old: "bool late = 6;",
        new: r#"bool late = 6 [json_name = "tooLate"];"#,
        place: "outcry.payments.v1.PaymentSuccessEvent.late",
        fate: RefusedByBoth,
    },
    Edit {
        name: "reserved number used",
        file: "outcry/events/v1/envelope.proto",
        old: "reserved 5 to 7, 9 to 15;",
        new: r#"reserved 6 to 7, 9 to 15;
  string again = 5;"#,
        place: "outcry.events.v1.EventEnvelope.again",
        fate: RefusedByBoth,
    },
    Edit {
        name: "message renamed",
        file: "outcry/orders/v1/events.proto",
        old: "message OrderRejectedEvent",
        new: "message OrderRefusedEvent",
        place: "outcry.orders.v1.OrderRejectedEvent",
        fate: RefusedByBoth,
    },
    Edit {
        name: "enum value removed",
        file: "outcry/orders/v1/types.proto",
        old: "REJECT_REASON_PORTFOLIO_NOT_OPEN = 16;",
        new: "",
        place: "outcry.orders.v1.RejectReason.REJECT_REASON_PORTFOLIO_NOT_OPEN",
        fate: RefusedByBoth,
    },
    Edit {
        name: "enum value renumbered",
        file: "outcry/orders/v1/types.proto",
        old: "CANCEL_REASON_POST_ONLY = 9",
        new: "CANCEL_REASON_POST_ONLY = 10",
        place: "outcry.orders.v1.CancelReason.CANCEL_REASON_POST_ONLY",
        fate: RefusedByBoth,
    },
    Edit {
        name: "enum value renamed",
        file: "outcry/trades/v1/types.proto",
        old: "LIQUIDITY_MAKER",
        new: "LIQUIDITY_RESTING",
        place: "outcry.trades.v1.Liquidity.LIQUIDITY_MAKER",
        fate: RefusedByBoth,
    },
    Edit {
        name: "method removed",
        file: "outcry/orders/v1/order_service.proto",
        old: r#"rpc GetOrderByClientId(GetOrderByClientIdRequest) returns (GetOrderByClientIdResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (outcry.options.v1.access) = {
      roles: [ROLE_USER]
    };
  }"#,
        new: "",
        place: "outcry.orders.v1.OrderService.GetOrderByClientId",
        fate: RefusedByBoth,
    },
    Edit {
        name: "request type changed",
        file: "outcry/orders/v1/order_service.proto",
        old: "rpc GetOrder(GetOrderRequest)",
        new: "rpc GetOrder(CancelOrderRequest)",
        place: "outcry.orders.v1.OrderService.GetOrder",
        fate: RefusedByBoth,
    },
    Edit {
        name: "response streamed",
        file: "outcry/orders/v1/order_service.proto",
        old: "returns (ListOrdersResponse)",
        new: "returns (stream ListOrdersResponse)",
        place: "outcry.orders.v1.OrderService.ListOrders",
        fate: RefusedByBoth,
    },
    Edit {
        name: "idempotency removed",
        file: "outcry/orders/v1/order_service.proto",
        old: "option idempotency_level = IDEMPOTENT;",
        new: "",
        place: "outcry.orders.v1.OrderService.PlaceOrder",
        fate: RefusedByBoth,
    },
    Edit {
        name: "topic changed",
        file: "outcry/orders/v1/events.proto",
        old: r#"topic: "order.filled""#,
        new: r#"topic: "order.executed""#,
        place: "outcry.orders.v1.OrderFilledEvent",
        fate: RefusedByLock,
    },
    Edit {
        name: "owner changed",
        file: "outcry/funds/v1/events.proto",
        old: r#"owner: "funds""#,
        new: r#"owner: "ledger""#,
        place: "outcry.funds.v1.FundsDepositedEvent",
        fate: RefusedByLock,
    },
    Edit {
        name: "aggregate changed",
        file: "outcry/funds/v1/events.proto",
        old: r#"aggregate: "settlement""#,
        new: r#"aggregate: "match""#,
        place: "outcry.funds.v1.FundsSettledEvent",
        fate: RefusedByLock,
    },
    Edit {
        name: "partition key changed",
        file: "outcry/trades/v1/events.proto",
        old: r#"partition_key_field: "symbol""#,
        new: r#"partition_key_field: "order_id""#,
        place: "outcry.trades.v1.TradeCreatedEvent",
        fate: RefusedByLock,
    },
    Edit {
        name: "subject removed",
        file: "outcry/orders/v1/events.proto",
        old: r#"subject_fields: ["user_id"]"#,
        new: "",
        place: "outcry.orders.v1.OrderCreatedEvent",
        fate: RefusedByLock,
    },
    Edit {
        name: "last day moved to an earlier one",
        file: "outcry/reports/v1/events.proto",
        old: r#"published_until: "2027-06-30""#,
        new: r#"published_until: "2027-06-29""#,
        place: "outcry.reports.v1.ReportRequestedEvent",
        fate: RefusedByLock,
    },
    Edit {
        name: "successor changed",
        file: "outcry/reports/v1/events.proto",
        old: r#"superseded_by: "report.requested.v2""#,
        new: r#"superseded_by: "report.asked""#,
        place: "outcry.reports.v1.ReportRequestedEvent",
        fate: RefusedByLock,
    },
    Edit {
        name: "event's rule tightened",
        file: "outcry/orders/v1/events.proto",
        old: r#"int64 last_quantity = 5 [
    (buf.validate.field).int64.gte = 1,"#,
        new: r#"int64 last_quantity = 5 [
    (buf.validate.field).int64.gte = 2,"#,
        place: "outcry.orders.v1.OrderFilledEvent.last_quantity",
        fate: RefusedByLock,
    },
    Edit {
        name: "event's rule loosened",
        file: "outcry/funds/v1/events.proto",
        old: r#"string destination_last4 = 5 [(buf.validate.field).string.pattern = "^[0-9]{4}$"]"#,
        new: "string destination_last4 = 5",
        place: "outcry.funds.v1.FundsWithdrawnEvent.destination_last4",
        fate: RefusedByLock,
    },
    Edit {
        name: "event's field no longer required",
        file: "outcry/orders/v1/events.proto",
        old: "average_price = 9 [(buf.validate.field).required = true]",
        new: "average_price = 9",
        place: "outcry.orders.v1.OrderFilledEvent.average_price",
        fate: RefusedByLock,
    },
    Edit {
        name: "rule of a shared type changed",
        file: "outcry/types/v1/money.proto",
        old: "^[A-Z]{3}$",
        new: "^(USD|EUR)$",
        place: "outcry.types.v1.Money.currency_code",
        fate: RefusedByLock,
    },
    Edit {
        name: "request's rule tightened",
        file: "outcry/orders/v1/order_service.proto",
        old: "string client_order_id = 2 [(buf.validate.field).string.max_len = 64]",
        new: "string client_order_id = 2 [(buf.validate.field).string.max_len = 32]",
        place: "outcry.orders.v1.PlaceOrderRequest.client_order_id",
        fate: RefusedByLock,
    },
    Edit {
        name: "demanding field added to a request",
        file: "outcry/orders/v1/order_service.proto",
        old: "OrderTerms terms = 3 [(buf.validate.field).required = true];",
        new: r#"OrderTerms terms = 3 [(buf.validate.field).required = true];
  string desk_id = 4 [(buf.validate.field).string.uuid = true];"#,
        place: "outcry.orders.v1.PlaceOrderRequest.desk_id",
        fate: RefusedByLock,
    },
    Edit {
        name: "access narrowed",
        file: "outcry/orders/v1/order_service.proto",
        old: r#"ROLE_USER,
        ROLE_ADMIN
"#,
        new: r#"ROLE_USER
"#,
        place: "outcry.orders.v1.OrderService.CancelOrder",
        fate: RefusedByLock,
    },
    Edit {
        name: "personal removed",
        file: "outcry/users/v1/events.proto",
        old: r#"string ip_address = 3 [
    (buf.validate.field).string.max_len = 64,
    (outcry.options.v1.personal) = true
  ]"#,
        new: "string ip_address = 3 [(buf.validate.field).string.max_len = 64]",
        place: "outcry.users.v1.UserLoginEvent.ip_address",
        fate: RefusedByLock,
    },
    Edit {
        name: "field added to an event",
        file: "outcry/orders/v1/events.proto",
        old: "string execution_id = 11",
        new: r#"string venue = 12;
  string execution_id = 11"#,
        place: "outcry.orders.v1.OrderFilledEvent.venue",
        fate: Passes,
    },
    Edit {
        name: "enum value added",
        file: "outcry/orders/v1/types.proto",
        old: "REJECT_REASON_PORTFOLIO_NOT_OPEN = 16;",
        new: r#"REJECT_REASON_PORTFOLIO_NOT_OPEN = 16;
  REJECT_REASON_NOT_TODAY = 17;"#,
        place: "outcry.orders.v1.RejectReason.REJECT_REASON_NOT_TODAY",
        fate: Passes,
    },
    Edit {
        name: "event added",
        file: "outcry/orders/v1/events.proto",
        old: "message OrderReplacedEvent {",
        new: r#"message OrderSuspendedEvent {
  option (outcry.options.v1.event) = {
    topic: "order.suspended"
    owner: "orders"
    aggregate: "order"
    aggregate_id_field: "order_id"
    partition_key_field: "order_id"
    origin: ORIGIN_EXTENSION
  };
  string order_id = 1 [(buf.validate.field).string.uuid = true];
}

message OrderReplacedEvent {"#,
        place: "outcry.orders.v1.OrderSuspendedEvent",
        fate: Passes,
    },
    Edit {
        name: "last day moved to a later one",
        file: "outcry/reports/v1/events.proto",
        old: r#"published_until: "2027-06-30""#,
        new: r#"published_until: "2027-07-01""#,
        place: "outcry.reports.v1.ReportRequestedEvent",
        fate: Passes,
    },
    Edit {
        name: "method added",
        file: "outcry/orders/v1/order_service.proto",
        old: "rpc GetOrder(GetOrderRequest)",
        new: r#"rpc PeekOrder(GetOrderRequest) returns (GetOrderResponse);
  rpc GetOrder(GetOrderRequest)"#,
        place: "outcry.orders.v1.OrderService.PeekOrder",
        fate: Passes,
    },
    Edit {
        name: "request's rule loosened",
        file: "outcry/orders/v1/order_service.proto",
        old: "string client_order_id = 2 [(buf.validate.field).string.max_len = 64]",
        new: "string client_order_id = 2 [(buf.validate.field).string.max_len = 128]",
        place: "outcry.orders.v1.PlaceOrderRequest.client_order_id",
        fate: Passes,
    },
    Edit {
        name: "access widened",
        file: "outcry/orders/v1/order_service.proto",
        old: "roles: [ROLE_USER]",
        new: r#"roles: [
        ROLE_USER,
        ROLE_ADMIN
      ]"#,
        place: "outcry.orders.v1.OrderService.PlaceOrder",
        fate: Passes,
    },
    Edit {
        name: "criticality changed",
        file: "outcry/orders/v1/order_service.proto",
        old: "CRITICALITY_CRITICAL_PLUS",
        new: "CRITICALITY_CRITICAL",
        place: "outcry.orders.v1.OrderService.CancelOrder",
        fate: Passes,
    },
    Edit {
        name: "field made personal",
        file: "outcry/funds/v1/events.proto",
        old: "string note = 7 [(buf.validate.field).string.max_len = 256]",
        new: r#"string note = 7 [
    (buf.validate.field).string.max_len = 256,
    (outcry.options.v1.personal) = true
  ]"#,
        place: "outcry.funds.v1.FundsDepositedEvent.note",
        fate: Passes,
    },
    Edit {
        name: "number reserved",
        file: "outcry/events/v1/envelope.proto",
        old: "reserved 5 to 7, 9 to 15;",
        new: "reserved 5 to 7, 9 to 15, 900;",
        place: "outcry.events.v1.EventEnvelope",
        fate: Passes,
    },
];
