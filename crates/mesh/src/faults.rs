//! Failures made on purpose, to see what comes of them: calls that are delayed, or aborted instead of handled, and
//! events that their consumer refuses.
//!
//! They are compiled in and off until [injected](crate::Directory::inject); a process in production refuses to
//! start with any.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use crate::authorize::Rules;
use crate::deadline::MAX_DEADLINE;
use crate::refusal;

/// Metadata key by which a call asks for a fault that is injected into such calls only.
pub const FAULT: &str = "outcry-fault";

/// Faults at most: each is looked at by every call.
const FAULTS_MAX: usize = 64;

/// A fault as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where it happens: the name of a service, or the path of a method, whose end may be a `*`
    /// (`/outcry.trades.v1.TradeService/*`).
    pub at: String,
    /// Of how many calls in a hundred.
    #[serde(default = "all")]
    pub percent: u8,
    /// How long a call waits before it is handled or aborted. It ends by its deadline as always.
    #[serde(default)]
    pub delay_ms: u64,
    /// With which code a call is aborted instead of handled, as gRPC names it (`UNAVAILABLE`). When absent, it
    /// is handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<AbortCode>,
    /// Only calls whose metadata has this text under [`FAULT`] are meant. When absent, all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Topic of events that the service refuses to consume, in place of calls: they are parked as dead letters,
    /// and wait until the fault is gone and somebody redrives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

fn all() -> u8 {
    100
}

/// A code that a call may fail with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AbortCode(Code);

impl TryFrom<String> for AbortCode {
    type Error = FaultError;

    fn try_from(name: String) -> Result<AbortCode, FaultError> {
        match refusal::code_named(&name) {
            Some(code) if code != Code::Ok => Ok(AbortCode(code)),
            _ => Err(FaultError::NoCode(name)),
        }
    }
}

impl From<AbortCode> for String {
    fn from(code: AbortCode) -> String {
        refusal::code_name(code.0).to_owned()
    }
}

/// Why faults cannot be injected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Nothing fails by that name.
    #[error("`{0}` is no code a call fails with; write it as gRPC does, for example UNAVAILABLE")]
    NoCode(String),
    /// More would slow every call down.
    #[error("there are {0} faults; {FAULTS_MAX} at most can be injected")]
    TooMany(usize),
    /// It would hit no call, or more than all.
    #[error("the fault at `{at}` happens to {percent} of 100 calls; say 1 to 100")]
    Percent {
        /// Where it was to happen.
        at: String,
        /// How often.
        percent: u8,
    },
    /// It would change nothing.
    #[error("the fault at `{0}` does nothing; give it a `delay_ms` or an `abort`")]
    Nothing(String),
    /// No call lasts that long.
    #[error(
        "the fault at `{at}` delays calls by {delay_ms} ms; no call lasts longer than {} s",
        MAX_DEADLINE.as_secs()
    )]
    Delay {
        /// Where it was to happen.
        at: String,
        /// How long.
        delay_ms: u64,
    },
    /// An event is refused or not, and by a service.
    #[error(
        "the fault at `{0}` refuses an event: `at` must be the service that consumes it, without `delay_ms`, `abort` and \
         `only`"
    )]
    NotForEvents(String),
    /// No event has that topic.
    #[error("there is no event `{0}` to refuse; `outcry schema list` shows those there are")]
    NoEvent(String),
    /// No call comes by there.
    #[error("there is no method or service `{0}` where a fault could happen")]
    Nowhere(String),
}

/// Faults that make sense together.
#[derive(Debug, Default)]
pub struct Faults {
    faults: Vec<Fault>,
}

impl Faults {
    /// Checks faults for calls to some services, by the methods of the rules.
    ///
    /// # Errors
    /// [`FaultError`] for the first that makes no sense.
    pub fn new(faults: Vec<Fault>, rules: &Rules, services: &[&str]) -> Result<Faults, FaultError> {
        if faults.len() > FAULTS_MAX {
            return Err(FaultError::TooMany(faults.len()));
        }
        for fault in &faults {
            fault.check()?;
            let is_service = services.contains(&fault.at.as_str());
            if fault.event.is_some() && !is_service {
                return Err(FaultError::NotForEvents(fault.at.clone()));
            }
            let somewhere = is_service || rules.iter().any(|(path, _)| fault.happens_on(path));
            if !somewhere {
                return Err(FaultError::Nowhere(fault.at.clone()));
            }
        }
        Ok(Faults { faults })
    }

    /// What happens to a call: the first fault that is meant for it and that the dice, thrown for each, let happen.
    /// A dice shows 0 to 99.
    fn strike(
        &self,
        service: &str,
        path: &str,
        headers: &HeaderMap,
        mut dice: impl FnMut() -> u8,
    ) -> Option<Strike> {
        if self.faults.is_empty() {
            return None;
        }
        let asked = headers.get(FAULT).map(|name| name.as_bytes());
        let mut of_calls = self.faults.iter().filter(|fault| fault.event.is_none());
        let fault = of_calls.find(|fault| {
            let here = fault.at == service || fault.happens_on(path);
            let meant = fault.only.as_ref().map(String::as_bytes);
            here && (meant.is_none() || meant == asked) && dice() < fault.percent
        })?;
        Some(Strike {
            delay: Duration::from_millis(fault.delay_ms),
            abort: fault.abort.map(|code| code.0),
        })
    }

    /// Whether the consumer of a service refuses an event of a topic. A dice shows 0 to 99.
    fn refuses(&self, service: &str, topic: &str, mut dice: impl FnMut() -> u8) -> bool {
        self.faults.iter().any(|fault| {
            let meant = fault.event.as_deref() == Some(topic) && fault.at == service;
            meant && dice() < fault.percent
        })
    }
}

impl Fault {
    fn check(&self) -> Result<(), FaultError> {
        let at = self.at.clone();
        if self.percent == 0 || self.percent > 100 {
            let percent = self.percent;
            return Err(FaultError::Percent { at, percent });
        }
        if let Some(event) = &self.event {
            if self.delay_ms != 0 || self.abort.is_some() || self.only.is_some() {
                return Err(FaultError::NotForEvents(at));
            }
            if !outcry_contracts::EVENTS
                .iter()
                .any(|known| known.topic == event)
            {
                return Err(FaultError::NoEvent(event.clone()));
            }
            return Ok(());
        }
        if self.delay_ms == 0 && self.abort.is_none() {
            return Err(FaultError::Nothing(at));
        }
        if Duration::from_millis(self.delay_ms) > MAX_DEADLINE {
            let delay_ms = self.delay_ms;
            return Err(FaultError::Delay { at, delay_ms });
        }
        Ok(())
    }

    fn happens_on(&self, path: &str) -> bool {
        match self.at.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == self.at,
        }
    }
}

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strike {
    delay: Duration,
    abort: Option<Code>,
}

impl Strike {
    /// Delays the call, then aborts it or lets it go on.
    ///
    /// # Errors
    /// The status it is aborted with.
    pub(crate) async fn fall(self) -> Result<(), Status> {
        tokio::time::sleep(self.delay).await;
        match self.abort {
            None => Ok(()),
            Some(code) => Err(refusal::with_reason(
                code,
                "FAULT_INJECTED",
                "this call was made to fail on purpose; the configuration has the faults under mesh.faults",
            )),
        }
    }
}

/// The faults injected into the services of a process, none at first.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    faults: RwLock<Arc<Faults>>,
}

impl Injected {
    pub(crate) fn replace(&self, faults: Faults) {
        if !faults.faults.is_empty() {
            let count = faults.faults.len();
            tracing::warn!(
                count,
                "calls or events of this process are made to fail on purpose"
            );
        }
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
    }

    pub(crate) fn strike(&self, service: &str, path: &str, headers: &HeaderMap) -> Option<Strike> {
        let faults = self.faults.read().unwrap_or_else(PoisonError::into_inner);
        faults.strike(service, path, headers, || fastrand::u8(0..100))
    }

    pub(crate) fn refuses(&self, service: &str, topic: &str) -> bool {
        let faults = self.faults.read().unwrap_or_else(PoisonError::into_inner);
        faults.refuses(service, topic, || fastrand::u8(0..100))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::authorize::Rule;

    const PLACE: &str = "/t.Orders/Place";

    fn rules() -> Rules {
        [(PLACE.to_owned(), Rule::default())].into_iter().collect()
    }

    fn fault(at: &str) -> Fault {
        Fault {
            at: at.to_owned(),
            percent: 100,
            delay_ms: 10,
            abort: None,
            only: None,
            event: None,
        }
    }

    fn checked(fault: Fault) -> Result<Faults, FaultError> {
        Faults::new(vec![fault], &rules(), &["orders"])
    }

    fn strikes(fault: Fault, asked: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(name) = asked {
            headers.insert(FAULT, HeaderValue::from_static(name));
        }
        let faults = checked(fault).unwrap();
        faults.strike("orders", PLACE, &headers, || 99).is_some()
    }

    #[test]
    fn nonsense_is_refused_with_what_is_wrong() {
        assert!(checked(fault("orders")).is_ok());
        let with = |change: fn(&mut Fault)| {
            let mut fault = fault("orders");
            change(&mut fault);
            checked(fault).unwrap_err().to_string()
        };
        assert!(with(|fault| fault.percent = 0).contains("0 of 100"));
        assert!(with(|fault| fault.percent = 101).contains("101 of 100"));
        assert!(with(|fault| fault.delay_ms = 0).contains("does nothing"));
        assert!(with(|fault| fault.delay_ms = 120_001).contains("120 s"));
        for nowhere in ["order", "", "/t.Orders/Plac", "/t.Order/*", "Orders*"] {
            let refused = checked(fault(nowhere)).unwrap_err();
            assert_eq!(refused, FaultError::Nowhere(nowhere.to_owned()));
        }
        let many = vec![fault("orders"); FAULTS_MAX + 1];
        let refused = Faults::new(many, &rules(), &["orders"]).unwrap_err();
        assert_eq!(refused, FaultError::TooMany(FAULTS_MAX + 1));
    }

    #[test]
    fn an_event_is_refused_by_the_service_meant_and_calls_do_not_notice() {
        let refusal = Fault {
            delay_ms: 0,
            event: Some("order.filled".to_owned()),
            ..fault("orders")
        };
        let faults = checked(refusal.clone()).unwrap();
        assert!(faults.refuses("orders", "order.filled", || 99));
        assert!(!faults.refuses("orders", "order.created", || 0));
        assert!(!faults.refuses("funds", "order.filled", || 0));
        let none = HeaderMap::new();
        assert!(faults.strike("orders", PLACE, &none, || 0).is_none());
        let seldom = Fault {
            percent: 10,
            ..refusal.clone()
        };
        let faults = checked(seldom).unwrap();
        assert!(faults.refuses("orders", "order.filled", || 9));
        assert!(!faults.refuses("orders", "order.filled", || 10));

        let with = |change: fn(&mut Fault)| {
            let mut fault = refusal.clone();
            change(&mut fault);
            checked(fault).unwrap_err()
        };
        let misused = |at: &str| FaultError::NotForEvents(at.to_owned());
        assert_eq!(with(|fault| fault.delay_ms = 1), misused("orders"));
        let code = |fault: &mut Fault| fault.abort = Some(AbortCode(Code::Internal));
        assert_eq!(with(code), misused("orders"));
        let only = |fault: &mut Fault| fault.only = Some("drill".to_owned());
        assert_eq!(with(only), misused("orders"));
        assert_eq!(with(|fault| fault.at = PLACE.to_owned()), misused(PLACE));
        let unknown = with(|fault| fault.event = Some("order.filed".to_owned()));
        assert_eq!(unknown, FaultError::NoEvent("order.filed".to_owned()));
    }

    #[test]
    fn a_fault_is_read_as_it_is_written_and_typing_errors_are_refused() {
        let read = |text: &str| serde_json::from_str::<Fault>(text);
        let fault = read(r#"{"at": "orders", "abort": "UNAVAILABLE"}"#).unwrap();
        assert_eq!(fault.abort, Some(AbortCode(Code::Unavailable)));
        assert_eq!((fault.percent, fault.delay_ms), (100, 0));
        let written = serde_json::to_string(&fault).unwrap();
        assert_eq!(read(&written).unwrap(), fault);
        for nonsense in [
            r#"{"abort": "UNAVAILABLE"}"#,
            r#"{"at": "orders", "abort": "OK"}"#,
            r#"{"at": "orders", "abort": "Unavailable"}"#,
            r#"{"at": "orders", "delay_s": 1}"#,
            r#"{"at": "orders", "percent": -1}"#,
        ] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_fault_happens_where_it_is_meant_to_and_to_whom() {
        for at in ["orders", PLACE, "/t.Orders/*", "/*", "*"] {
            assert!(strikes(fault(at), None), "{at}");
        }
        let only = || Fault {
            only: Some("slow".to_owned()),
            ..fault("orders")
        };
        assert!(strikes(only(), Some("slow")));
        assert!(!strikes(only(), Some("slo")));
        assert!(!strikes(only(), None));
        let faults = checked(fault(PLACE)).unwrap();
        let none = HeaderMap::new();
        assert!(
            faults
                .strike("orders", "/t.Orders/List", &none, || 0)
                .is_none()
        );
    }

    #[test]
    fn where_one_fault_does_not_happen_the_next_may() {
        let mut first = fault("orders");
        first.percent = 10;
        let mut second = fault(PLACE);
        second.abort = Some(AbortCode(Code::Internal));
        let faults = Faults::new(vec![first, second], &rules(), &["orders"]).unwrap();
        let aborted = |shown| {
            let strike = faults.strike("orders", PLACE, &HeaderMap::new(), || shown);
            strike.unwrap().abort
        };
        assert_eq!(aborted(9), None);
        assert_eq!(aborted(10), Some(Code::Internal));
    }

    proptest! {
        #[test]
        fn of_a_hundred_throws_as_many_hit_as_the_fault_says(percent in 1_u8..=100) {
            let faults = checked(Fault { percent, ..fault("orders") }).unwrap();
            let none = HeaderMap::new();
            let hit = (0..100).filter(|shown| {
                faults.strike("orders", PLACE, &none, || *shown).is_some()
            });
            prop_assert_eq!(hit.count(), usize::from(percent));
        }
    }
}
