//! Events that only tests know: the contract does not, so nothing in it can change them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_contracts::validate::Path;
use outcry_contracts::{Event, Validate, Violation, Violations};
use uuid::Uuid;

use crate::cause::Cause;
use crate::stamp::Stamp;

macro_rules! sample_event {
    ($(#[$meta:meta])* $event:ident, $topic:literal, $version:literal, { $($fields:tt)* }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, prost::Message)]
        pub struct $event {
            #[prost(string, tag = "1")]
            pub alert_id: String,
            $($fields)*
        }

        impl prost::Name for $event {
            const NAME: &'static str = stringify!($event);
            const PACKAGE: &'static str = concat!("outcry.samples.v", $version);

            fn type_url() -> String {
                format!("type.googleapis.com/{}", Self::full_name())
            }
        }

        impl Validate for $event {
            fn inspect(&self, path: &Path<'_>, found: &mut Violations) {
                if self.alert_id.is_empty() {
                    found.list.push(Violation {
                        field: path.field("alert_id").to_string(),
                        rule: "required",
                        message: "is required".to_owned(),
                    });
                }
            }
        }

        impl Event for $event {
            const TOPIC: &'static str = $topic;
            const OWNER: &'static str = "samples";
            const AGGREGATE: &'static str = "alert";
            const SCHEMA_VERSION: u32 = $version;
            const EXTENSION: bool = true;

            fn aggregate_id(&self) -> &str {
                &self.alert_id
            }

            fn partition_key(&self) -> &str {
                &self.alert_id
            }

            fn subjects(&self) -> Vec<&str> {
                Vec::new()
            }
        }
    };
}

sample_event!(
    /// An alert began.
    AlertRaised, "alert.raised", 1, {
        #[prost(string, tag = "2")]
        pub text: String,
    }
);

sample_event!(
    /// An alert ended.
    AlertCleared, "alert.cleared", 1, {}
);

/// The second version of [`AlertRaised`], in a module because it keeps the name.
pub mod second {
    use super::*;

    sample_event!(
        /// An alert began, with its severity.
        AlertRaised, "alert.raised.v2", 2, {
            #[prost(string, tag = "2")]
            pub text: String,
            #[prost(uint32, tag = "3")]
            pub severity: u32,
        }
    );
}

/// The third version.
pub mod third {
    use super::*;

    sample_event!(
        /// An alert began, with its severity in words.
        AlertRaised, "alert.raised.v3", 3, {
            #[prost(string, tag = "2")]
            pub text: String,
            #[prost(string, tag = "4")]
            pub severity: String,
        }
    );
}

/// An alert with a given text.
pub fn raised(text: &str) -> AlertRaised {
    AlertRaised {
        alert_id: "a-1".to_owned(),
        text: text.to_owned(),
    }
}

/// A cause without an event before it.
pub fn root() -> Cause {
    Cause::root(Uuid::from_u128(0xc0), "service:samples")
        .traced("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
}

/// A moment with nanoseconds.
pub fn moment() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_750_000_000, 123_456_789)
}

/// The first event of a stream.
pub fn stamp(cause: &Cause) -> Stamp<'_> {
    Stamp {
        event_id: Uuid::from_u128(0xe1),
        sequence: 1,
        occurred_at: moment(),
        recorded_at: moment() + Duration::from_millis(5),
        cause,
    }
}
