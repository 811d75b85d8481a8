//! What the build script refuses, and that it says why: contracts are handed to the
//! generator in memory.

#[path = "../build/generator.rs"]
mod generator;

use generator::{Generated, Refusals};
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

const NAME: &str = "outcry/orders/v1/orders.proto";

/// `.proto` files that are nowhere on disk: name and text.
struct InMemory(Vec<(String, String)>);

impl FileResolver for InMemory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, source)) => File::from_source(name, source),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn generate(package: &str, declarations: &str) -> Result<Generated, Refusals> {
    generate_all(&[(NAME, package, declarations)])
}

/// Of files with a name, a package and what they declare.
fn generate_all(files: &[(&str, &str, &str)]) -> Result<Generated, Refusals> {
    let sources = files
        .iter()
        .map(|(name, package, declarations)| ((*name).to_owned(), source(package, declarations)));
    let mut resolver = ChainFileResolver::new();
    resolver.add(InMemory(sources.collect()));
    resolver.add(IncludeFileResolver::new("proto".into()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_files(files.iter().map(|(name, ..)| *name))
        .map_err(|error| vec![error.to_string()])?;
    generator::generate(&compiler.descriptor_pool(), "outcry")
}

fn source(package: &str, declarations: &str) -> String {
    format!(
        "syntax = \"proto3\";
         package {package};
         import \"buf/validate/validate.proto\";
         import \"google/protobuf/timestamp.proto\";
         import \"outcry/options/v1/options.proto\";
         {declarations}"
    )
}

#[track_caller]
fn assert_refused(declarations: &str, reasons: &[&str]) {
    assert_refused_in("outcry.orders.v1", declarations, reasons);
}

#[track_caller]
fn assert_refused_in(package: &str, declarations: &str, reasons: &[&str]) {
    match generate(package, declarations) {
        Ok(_) => panic!("accepted: {declarations}"),
        Err(refusals) => assert_eq!(refusals, reasons),
    }
}

#[track_caller]
fn assert_unknown(declarations: &str, name: &str) {
    match generate("outcry.orders.v1", declarations) {
        Ok(_) => panic!("accepted: {declarations}"),
        Err(refusals) => assert!(refusals.iter().any(|r| r.contains(name)), "{refusals:?}"),
    }
}

fn field(declaration: &str) -> String {
    format!("enum Side {{ SIDE_UNSPECIFIED = 0; }} message Order {{ {declaration} }}")
}

fn event(option: &str) -> String {
    format!(
        "message OrderCreatedEvent {{
           option (outcry.options.v1.event) = {{ {option} }};
           string order_id = 1;
           optional string note = 2;
           repeated string users = 3;
           int64 quantity = 4;
         }}"
    )
}

fn method(options: &str) -> String {
    format!(
        "message PlaceOrderRequest {{}}
         message PlaceOrderResponse {{}}
         service OrderService {{
           rpc PlaceOrder(PlaceOrderRequest) returns (PlaceOrderResponse) {{ {options} }}
         }}"
    )
}

const WHOLE_EVENT: &str = "topic: 'order.created' owner: 'orders' aggregate: 'order'
    aggregate_id_field: 'order_id' partition_key_field: 'order_id' origin: ORIGIN_RECORD";

#[test]
fn a_whole_contract_is_accepted() {
    let contract = [
        event(&format!("{WHOLE_EVENT} subject_fields: ['order_id']")),
        method("option idempotency_level = IDEMPOTENT; option (outcry.options.v1.access) = { roles: [ROLE_USER] callers: ['gateway'] };"),
        field("string email = 1 [(outcry.options.v1.personal) = true, (buf.validate.field).string.email = true];"),
    ]
    .concat();

    let generated = generate("outcry.orders.v1", &contract).unwrap();

    for (source, part) in [
        (
            &generated.events,
            "impl Event for crate::orders::v1::OrderCreatedEvent",
        ),
        (
            &generated.events,
            "const TOPIC: &'static str = \"order.created\";",
        ),
        (
            &generated.methods,
            "path: \"/outcry.orders.v1.OrderService/PlaceOrder\"",
        ),
        (&generated.methods, "roles: &[Role::User]"),
        (&generated.methods, "idempotent: true"),
        (
            &generated.validators,
            "impl Validate for crate::orders::v1::PlaceOrderRequest",
        ),
        (&generated.validators, "string.email"),
        (
            &generated.redaction,
            "impl ::core::fmt::Debug for crate::orders::v1::Order ",
        ),
    ] {
        assert!(source.contains(part), "no `{part}` in {source}");
    }
    assert_eq!(generated.redacted, ["outcry.orders.v1.Order"]);
}

#[test]
fn a_method_must_say_who_may_call_it() {
    assert_refused(
        &method(""),
        &[
            "method outcry.orders.v1.OrderService.PlaceOrder: it has no `(outcry.options.v1.access)` option, so nobody could call it",
        ],
    );
    for nobody in ["", "public: false", "roles: []"] {
        assert_refused(
            &method(&format!(
                "option (outcry.options.v1.access) = {{ {nobody} }};"
            )),
            &["method outcry.orders.v1.OrderService.PlaceOrder: its access option grants nobody"],
        );
    }
    assert_refused(
        &method("option (outcry.options.v1.access) = { roles: [ROLE_USER, ROLE_UNSPECIFIED] };"),
        &[
            "method outcry.orders.v1.OrderService.PlaceOrder: its access option grants ROLE_UNSPECIFIED",
        ],
    );
    assert_refused(
        &method("option (outcry.options.v1.access) = { callers: [''] };"),
        &[
            "method outcry.orders.v1.OrderService.PlaceOrder: its access option grants a service without a name",
        ],
    );
}

#[test]
fn requests_and_responses_belong_to_the_contract() {
    assert_refused(
        "service Clock { rpc Now(google.protobuf.Timestamp) returns (google.protobuf.Timestamp) {
           option (outcry.options.v1.access) = { public: true }; } }",
        &["method outcry.orders.v1.Clock.Now: its request and response must be messages of this contract";
            2],
    );
}

#[test]
fn an_event_must_say_everything_about_itself() {
    assert_refused(
        &event(""),
        &[
            "event outcry.orders.v1.OrderCreatedEvent: its event option does not say `topic`",
            "event outcry.orders.v1.OrderCreatedEvent: its event option does not say `owner`",
            "event outcry.orders.v1.OrderCreatedEvent: its event option does not say `aggregate`",
            "event outcry.orders.v1.OrderCreatedEvent: its event option does not say `aggregate_id_field`",
            "event outcry.orders.v1.OrderCreatedEvent: its event option does not say `partition_key_field`",
            "event outcry.orders.v1.OrderCreatedEvent: its event option does not say `origin`",
        ],
    );
}

#[test]
fn an_event_names_plain_singular_strings_it_has() {
    let naming = |name: &str| event(&format!("{WHOLE_EVENT} subject_fields: ['{name}']"));
    assert_refused(
        &naming("user_id"),
        &[
            "event outcry.orders.v1.OrderCreatedEvent: its event option names the field `user_id`, which does not exist",
        ],
    );
    for name in ["note", "users", "quantity"] {
        let reason = format!(
            "event outcry.orders.v1.OrderCreatedEvent: its event option names `{name}`, which is not a plain singular string"
        );
        assert_refused(&naming(name), &[&reason]);
    }
}

#[test]
fn a_topic_carries_the_version_of_its_package() {
    let with = |topic: &str| event(&WHOLE_EVENT.replace("order.created", topic));
    assert_refused(
        &with("order.created.v2"),
        &[
            "event outcry.orders.v1.OrderCreatedEvent: topic `order.created.v2` belongs to version 2, but the package is outcry.orders.v1",
        ],
    );
    assert_refused_in(
        "outcry.orders.v2",
        &with("order.created"),
        &[
            "event outcry.orders.v2.OrderCreatedEvent: topic `order.created` belongs to version 1, but the package is outcry.orders.v2",
        ],
    );
    for topic in [
        "order",
        "order.created.v1",
        "order.created.v02",
        "order.Created",
        "order..created",
        "order.created.v2.x",
        "1order.created",
    ] {
        let reason = format!(
            "event outcry.orders.v1.OrderCreatedEvent: topic `{topic}` is not `<aggregate>.<past verb>`, in lower_snake words, with `.vN` from version 2 on"
        );
        assert_refused(&with(topic), &[&reason]);
    }
}

/// Two versions of an event, each with its own words besides the usual ones.
fn versions(first: &str, second: &str) -> Result<Generated, Refusals> {
    let second = WHOLE_EVENT.replace("order.created", "order.created.v2") + " " + second;
    generate_all(&[
        (
            NAME,
            "outcry.orders.v1",
            &event(&format!("{WHOLE_EVENT} {first}")),
        ),
        (
            "outcry/orders/v2/orders.proto",
            "outcry.orders.v2",
            &event(&second),
        ),
    ])
}

const SUCCESSION: &str = "superseded_by: 'order.created.v2' published_until: '2028-02-29'";

#[test]
fn a_new_version_comes_after_one_that_names_it_and_its_own_last_day() {
    let generated = versions(SUCCESSION, "").unwrap();
    // 2028-03-01 00:00 UTC.
    let succession = "Some(Successor { topic: \"order.created.v2\", \
                      published_until: \"2028-02-29\", over_s: 1835481600 })";
    assert!(
        generated.events.contains(succession),
        "{}",
        generated.events
    );
    let names = "event outcry.orders.v1.OrderCreatedEvent: there is a `order.created.v2`, so its event option must say `superseded_by: \"order.created.v2\"`";
    let day = "event outcry.orders.v1.OrderCreatedEvent: there is a `order.created.v2`, so its event option must say `published_until`: the last day of this version, as 2027-06-30";
    let refused = |first: &str| versions(first, "").err().unwrap_or_default();
    assert_eq!(refused(""), [names, day]);
    assert_eq!(
        refused("superseded_by: 'order.made' published_until: '2027-06-30'"),
        [names]
    );
    for no_day in [
        "",
        "2027-02-29",
        "2027-13-01",
        "2027-6-30",
        "2027-06-00",
        "30.06.2027",
        "1969-12-31",
        "2027-06-30T00:00:00Z",
    ] {
        let first = SUCCESSION.replace("2028-02-29", no_day);
        assert_eq!(refused(&first), [day], "{no_day}");
    }
}

#[test]
fn the_newest_version_has_no_successor() {
    let newest = "event outcry.orders.v1.OrderCreatedEvent: it is the newest version, since there is no `order.created.v2`: its event option must say neither `superseded_by` nor `published_until`";
    for words in [
        "superseded_by: 'order.created.v2'",
        "published_until: '2027-06-30'",
    ] {
        assert_refused(&event(&format!("{WHOLE_EVENT} {words}")), &[newest]);
    }
}

#[test]
fn a_verb_that_looks_like_a_version_is_none() {
    let newest = "event outcry.orders.v1.OrderCreatedEvent: it is the newest version, since there is no `order.v.v2`: its event option must say neither `superseded_by` nor `published_until`";
    let event_option = WHOLE_EVENT.replace("order.created", "order.v");
    assert_refused(
        &event(&format!("{event_option} published_until: '2027-06-30'")),
        &[newest],
    );
}

#[test]
fn versions_are_counted_without_a_gap() {
    assert_refused_in(
        "outcry.orders.v3",
        &event(&WHOLE_EVENT.replace("order.created", "order.created.v3")),
        &[
            "event outcry.orders.v3.OrderCreatedEvent: `order.created.v3` has no `order.created.v2` before it: versions are counted without a gap",
        ],
    );
}

#[test]
fn versions_of_one_event_have_one_owner_one_stream_and_one_order() {
    for (word, other, part) in [
        ("owner: 'orders'", "owner: 'trades'", "owner"),
        ("aggregate: 'order'", "aggregate: 'trade'", "aggregate"),
        (
            "aggregate_id_field: 'order_id'",
            "aggregate_id_field: 'other_id'",
            "aggregate_id_field",
        ),
        (
            "partition_key_field: 'order_id'",
            "partition_key_field: 'other_id'",
            "partition_key_field",
        ),
        ("ORIGIN_RECORD", "ORIGIN_EXTENSION", "origin"),
    ] {
        let first = event(&format!("{WHOLE_EVENT} {SUCCESSION}"));
        let second = WHOLE_EVENT
            .replace("order.created", "order.created.v2")
            .replace(word, other);
        let second = event(&second).replace(
            "string order_id = 1;",
            "string order_id = 1; string other_id = 5;",
        );
        let refused = generate_all(&[
            (NAME, "outcry.orders.v1", &first),
            ("outcry/orders/v2/orders.proto", "outcry.orders.v2", &second),
        ]);
        assert_eq!(
            refused.err().unwrap_or_default(),
            [format!(
                "event outcry.orders.v2.OrderCreatedEvent: its {part} is not that of `order.created`"
            )]
        );
    }
}

#[test]
fn two_events_never_share_a_topic() {
    let other = event(WHOLE_EVENT).replace("OrderCreatedEvent", "OrderMadeEvent");
    assert_refused(
        &(event(WHOLE_EVENT) + &other),
        &[
            "topic `order.created` is claimed by outcry.orders.v1.OrderCreatedEvent and outcry.orders.v1.OrderMadeEvent",
        ],
    );
}

#[test]
fn rules_left_out_of_our_schema_do_not_compile() {
    assert_unknown(
        &field("string a = 1 [(buf.validate.field).string.hostname = true];"),
        "hostname",
    );
    assert_unknown(
        &field("string a = 1 [(buf.validate.field).cel = {id: 'x'}];"),
        "cel",
    );
    assert_unknown(
        &field("map<string, string> a = 1 [(buf.validate.field).map.min_pairs = 1];"),
        "map",
    );
    assert_unknown(
        "message Order { option (buf.validate.message).cel = {id: 'x'}; }",
        "validate.message",
    );
}

#[test]
fn rules_that_do_not_fit_their_field_are_refused() {
    for (declaration, rules) in [
        ("int64 a = 1 [(buf.validate.field).int32.gt = 1];", "int32"),
        ("sint32 a = 1 [(buf.validate.field).int32.gt = 1];", "int32"),
        (
            "string a = 1 [(buf.validate.field).bytes.len = 1];",
            "bytes",
        ),
        (
            "string a = 1 [(buf.validate.field).repeated.min_items = 1];",
            "repeated",
        ),
        (
            "repeated string a = 1 [(buf.validate.field).string.min_len = 1];",
            "string",
        ),
        (
            "repeated string a = 1 [(buf.validate.field).repeated.items.int32.gt = 1];",
            "int32",
        ),
        (
            "repeated string a = 1 [(buf.validate.field).repeated.items.repeated.min_items = 1];",
            "repeated",
        ),
        (
            "google.protobuf.Timestamp a = 1 [(buf.validate.field).string.min_len = 1];",
            "string",
        ),
        ("Side a = 1 [(buf.validate.field).int32.gt = 1];", "int32"),
        (
            "oneof b { string a = 1 [(buf.validate.field).bool.const = true]; }",
            "bool",
        ),
    ] {
        let reason = format!(
            "field outcry.orders.v1.Order.a: rules `{rules}` do not fit it or are not understood"
        );
        assert_refused(&field(declaration), &[&reason]);
    }
    assert_refused(
        &field(
            "repeated google.protobuf.Timestamp a = 1 [(buf.validate.field).repeated.unique = true];",
        ),
        &["field outcry.orders.v1.Order.a: `repeated.unique` does not fit its items"],
    );
    assert_refused(
        &field("repeated string a = 1 [(buf.validate.field).repeated.items.required = true];"),
        &["field outcry.orders.v1.Order.a: `required` does not fit the items of a list"],
    );
}

#[test]
fn maps_are_not_left_unchecked() {
    assert_refused(
        &field("map<string, string> a = 1 [(buf.validate.field).required = true];"),
        &["field outcry.orders.v1.Order.a: rules of maps are not understood"],
    );
    assert_refused(
        &field("map<string, Order> a = 1;"),
        &[
            "field outcry.orders.v1.Order.a: a map's messages are not validated; use a repeated message",
        ],
    );
    assert!(generate("outcry.orders.v1", &field("map<string, string> a = 1;")).is_ok());
}

#[test]
fn patterns_mean_the_same_in_every_language() {
    for good in ["^[A-Z]{1,3}$", "^(?:a|b)\\\\.c$", "^\\\\(a\\\\)$", "[0-9-]"] {
        let declaration = format!("string a = 1 [(buf.validate.field).string.pattern = '{good}'];");
        assert!(
            generate("outcry.orders.v1", &field(&declaration)).is_ok(),
            "{good}"
        );
    }
    for bad in [
        "^\\\\d+$",
        "\\\\bword",
        "(?i)abc",
        "(?P<name>a)",
        "\\\\p{L}",
        "(",
        "[a",
    ] {
        let declaration = format!("string a = 1 [(buf.validate.field).string.pattern = '{bad}'];");
        assert_unknown(
            &field(&declaration),
            "outcry.orders.v1.Order.a: its pattern",
        );
    }
}

#[test]
fn personal_fields_cannot_be_printed_by_a_nested_type() {
    assert_refused(
        "message Order {
           message Person { string name = 1; }
           Person person = 1;
           string email = 2 [(outcry.options.v1.personal) = true];
         }",
        &[
            "message outcry.orders.v1.Order: has personal fields, so types nested in it must move out of it",
        ],
    );
}

#[test]
fn names_are_spelt_as_rust_will_spell_them() {
    assert_refused_in(
        "outcry.orders",
        "",
        &["package outcry.orders: must be outcry.<domain>.v<number>"],
    );
    assert_refused_in(
        "outcry.type.v1",
        "",
        &["package outcry.type.v1: the domain cannot be a Rust module name"],
    );
    for name in ["OHLCBar", "V2Order", "Order_Line", "order"] {
        let reason = format!(
            "outcry.orders.v1.{name}: type names are UpperCamel, one capital letter per word, digits only at the end"
        );
        assert_refused(&format!("message {name} {{}}"), &[&reason]);
    }
    for name in ["orderId", "order__id", "self"] {
        let reason = format!(
            "outcry.orders.v1.Order.{name}: field names are lower_snake and possible in Rust"
        );
        assert_refused(&field(&format!("string {name} = 1;")), &[&reason]);
    }
    assert!(
        generate(
            "outcry.orders.v1",
            &field("string type = 1; string line_2 = 2;")
        )
        .is_ok()
    );
}
