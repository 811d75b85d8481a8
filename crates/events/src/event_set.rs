//! The events of one aggregate as a Rust enum.

use crate::sealed::{PayloadError, SealError, SealedEvent};
use crate::stamp::Stamp;

/// A closed set of events of one aggregate. [`event_set!`](crate::event_set!) makes one.
pub trait EventSet: Sized {
    /// Kind of aggregate they belong to.
    const AGGREGATE: &'static str;
    /// Their topics, in the order of the variants.
    const TOPICS: &'static [&'static str];

    /// Topic of this event.
    fn topic(&self) -> &'static str;

    /// Id of the aggregate this event belongs to.
    fn aggregate_id(&self) -> &str;

    /// Makes the fact. See [`seal`](crate::seal).
    ///
    /// # Errors
    /// As [`seal`](crate::seal).
    fn seal(&self, stamp: Stamp<'_>) -> Result<SealedEvent, SealError>;

    /// Reads a fact, in the newest version of its event.
    ///
    /// # Errors
    /// As [`SealedEvent::payload`]; [`PayloadError::OtherEvent`] if it is none of the set.
    fn open(event: &SealedEvent) -> Result<Self, PayloadError>;
}

/// Declares an enum with one variant per event, and implements [`EventSet`] and `From` each
/// event for it. Events of different aggregates do not compile.
///
/// ```
/// use outcry_contracts::orders::v1::{OrderCreatedEvent, OrderValidatedEvent};
///
/// outcry_events::event_set! {
///     /// What can happen to an order.
///     pub enum OrderEvent {
///         /// It was placed.
///         Created(OrderCreatedEvent),
///         Validated(OrderValidatedEvent),
///     }
/// }
///
/// use outcry_events::EventSet;
/// assert_eq!(OrderEvent::from(OrderCreatedEvent::default()).topic(), "order.created");
/// assert_eq!(OrderEvent::TOPICS, ["order.created", "order.validated"]);
/// ```
///
/// ```compile_fail
/// use outcry_contracts::orders::v1::OrderCreatedEvent;
/// use outcry_contracts::trades::v1::TradeCreatedEvent;
///
/// outcry_events::event_set! {
///     /// Refused: two aggregates.
///     pub enum Mixed { Order(OrderCreatedEvent), Trade(TradeCreatedEvent) }
/// }
/// ```
#[macro_export]
macro_rules! event_set {
    (
        $(#[$set_meta:meta])*
        $visibility:vis enum $set:ident {
            $( $(#[$event_meta:meta])* $variant:ident($event:ty) ),+ $(,)?
        }
    ) => {
        $(#[$set_meta])*
        #[derive(Debug, Clone, PartialEq)]
        $visibility enum $set {
            $(
                $(#[$event_meta])*
                #[doc = concat!("`", stringify!($event), "`")]
                $variant($event),
            )+
        }

        impl $crate::EventSet for $set {
            const AGGREGATE: &'static str = {
                let aggregates = [$(<$event as $crate::Event>::AGGREGATE),+];
                let mut index = 1;
                while index < aggregates.len() {
                    assert!(
                        $crate::event_set::same_name(aggregates[0], aggregates[index]),
                        "the events of a set must belong to one aggregate",
                    );
                    index += 1;
                }
                aggregates[0]
            };

            const TOPICS: &'static [&'static str] =
                &[$(<$event as $crate::Event>::TOPIC),+];

            fn topic(&self) -> &'static str {
                match self {
                    $( Self::$variant(_) => <$event as $crate::Event>::TOPIC, )+
                }
            }

            fn aggregate_id(&self) -> &str {
                match self {
                    $( Self::$variant(event) => $crate::Event::aggregate_id(event), )+
                }
            }

            fn seal(
                &self,
                stamp: $crate::Stamp<'_>,
            ) -> ::core::result::Result<$crate::SealedEvent, $crate::SealError> {
                match self {
                    $( Self::$variant(event) => $crate::seal(event, stamp), )+
                }
            }

            fn open(
                event: &$crate::SealedEvent,
            ) -> ::core::result::Result<Self, $crate::PayloadError> {
                $(
                    if event.is::<$event>() {
                        return event.payload::<$event>().map(Self::$variant);
                    }
                )+
                ::core::result::Result::Err($crate::PayloadError::OtherEvent {
                    wanted: stringify!($set),
                    found: ::std::string::String::from(event.topic()),
                })
            }
        }

        // Evaluated here, so that mixed aggregates are refused where the set is declared.
        const _: &'static str = <$set as $crate::EventSet>::AGGREGATE;

        $(
            impl ::core::convert::From<$event> for $set {
                fn from(event: $event) -> Self {
                    Self::$variant(event)
                }
            }
        )+
    };
}

/// Whether two names are the same, for checks while compiling.
#[doc(hidden)]
#[must_use]
pub const fn same_name(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{AlertCleared, AlertRaised, raised, root, stamp};
    use crate::seal;

    crate::event_set! {
        /// What happens to an alert.
        enum AlertEvent {
            Raised(AlertRaised),
            /// It is over.
            Cleared(AlertCleared),
        }
    }

    crate::event_set! {
        /// A set without the beginning.
        enum EndOnly { Cleared(AlertCleared) }
    }

    #[test]
    fn a_set_seals_and_opens_each_of_its_events() {
        let cause = root();
        let cleared = AlertCleared {
            alert_id: "a-1".to_owned(),
        };
        for event in [
            AlertEvent::from(raised("disk full")),
            AlertEvent::from(cleared),
        ] {
            let sealed = event.seal(stamp(&cause)).expect("sealed");
            assert_eq!(sealed.topic(), event.topic());
            assert_eq!(sealed.aggregate_id(), event.aggregate_id());
            assert_eq!(AlertEvent::open(&sealed).expect("opened"), event);
        }
    }

    #[test]
    fn a_set_names_its_topics_and_its_aggregate() {
        assert_eq!(AlertEvent::TOPICS, ["alert.raised", "alert.cleared"]);
        assert_eq!(AlertEvent::AGGREGATE, "alert");
    }

    #[test]
    fn an_event_outside_the_set_does_not_open() {
        let cause = root();
        let sealed = seal(&raised("disk full"), stamp(&cause)).expect("sealed");
        let refused = EndOnly::open(&sealed);
        assert!(matches!(
            refused,
            Err(PayloadError::OtherEvent { wanted: "EndOnly", found }) if found == "alert.raised"
        ));
    }

    #[test]
    fn names_are_compared_while_compiling() {
        const { assert!(same_name("order", "order")) };
        const { assert!(!same_name("order", "ordex")) };
        const { assert!(!same_name("order", "orders")) };
    }
}
