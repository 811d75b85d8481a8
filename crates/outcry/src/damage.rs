//! What people hand to the command line, damaged: it is read or refused with a reason.

use outcry_fuzz::damaged_text;
use proptest::prelude::*;

use crate::config::Config;
use crate::replay::{Recording, Script};

const CONFIGURATION: &str = r#"
data = "data"
listen = "127.0.0.1:7400"
log = "info,outcry_trades=debug"
market_collar_bps = 500

[gateway]
reflection = true
allowed_origins = ["https://desk.example"]
connections_max = 10

[market.fees]
maker_bps = 1
taker_bps = 2

[broker]
url = "amqp://me:secret@host:5672/%2f"

[database]
url = "postgres://me:secret@host/outcry"

[mesh]
listen = "127.0.0.1:7401"
peers = { funds = ["http://funds:7401"], orders = ["dns:///orders:7401"] }
"#;

const MESSAGES: &str = "\
34200.1,1,7,18,1000000,1
34200.2,1,8,20,1000200,-1
34200.3,4,7,8,1000000,1
34200.3,4,7,2,1000000,1
34200.4,2,8,5,1000200,-1
34200.5,3,8,15,1000200,-1
34200.6,7,0,0,-1,1
";

const BOOKS: &str = "\
1000200,5,1000000,18,9999999999,0,-9999999999,0
1000200,25,1000000,18,9999999999,0,-9999999999,0
1000200,25,1000000,10,9999999999,0,-9999999999,0
1000200,25,1000000,8,9999999999,0,-9999999999,0
1000200,20,1000000,8,9999999999,0,-9999999999,0
1000200,5,1000000,8,9999999999,0,-9999999999,0
1000200,5,1000000,8,9999999999,0,-9999999999,0
";

/// Numbers that hardly fit, where people have small ones.
const HUGE_MESSAGES: &str = "\
34200.1,1,7,9223372036854775807,9223372036854775807,1
34200.2,4,7,9223372036854775807,1,1
34200.2,4,7,9223372036854775807,1,1
";

const HUGE_BOOKS: &str = "\
-9223372036854775808,9223372036854775807,1000000,18
1000200,25,-9223372036854775808,9223372036854775807
1000200,25,1000000,10
";

fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = damaged_text(&[
        "OUTCRY_LISTEN",
        "OUTCRY_GATEWAY__REFLECTION",
        "OUTCRY_MESH__PEERS__FUNDS",
        "OUTCRY_GATEWAY__ALLOWED_ORIGINS",
    ]);
    let value = damaged_text(&["true", "127.0.0.1:1", "[\"http://funds:1\"]", "1_000", "{}"]);
    prop::collection::vec((name, value), 0..3)
}

#[test]
fn what_is_damaged_was_valid_before() {
    Config::read(CONFIGURATION, []).unwrap();
    let recording = Recording::parse(MESSAGES, BOOKS).unwrap();
    assert_eq!(Script::of(&recording).steps.len(), 7);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_configuration_is_read_or_refused(
        text in damaged_text(&[CONFIGURATION, ""]),
        variables in variables(),
    ) {
        match Config::read(&text, variables) {
            Ok(config) => {
                let printed = config.print().unwrap();
                let again = Config::read(&printed, []);
                prop_assert!(again.is_ok(), "{:#}", again.unwrap_err());
            }
            Err(error) => prop_assert_ne!(error.to_string(), ""),
        }
    }

    #[test]
    fn a_damaged_recording_is_played_or_refused(
        messages in damaged_text(&[MESSAGES, HUGE_MESSAGES]),
        books in damaged_text(&[BOOKS, HUGE_BOOKS]),
    ) {
        match Recording::parse(&messages, &books) {
            Ok(recording) => prop_assert!(!Script::of(&recording).steps.is_empty()),
            Err(error) => prop_assert_ne!(error.to_string(), ""),
        }
    }
}
