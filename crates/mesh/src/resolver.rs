//! Looking up a name that stands for the addresses of all replicas.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::address::{ADDRESSES_MAX, Address};

/// How long the addresses of a name are taken for true: replicas come and go within seconds.
const EVERY: Duration = Duration::from_secs(5);

/// Share of that time that chance takes away, so that processes started together do not ask together.
const SPREAD: f64 = 0.2;

/// A look-up that takes longer is given up; the addresses known so far stay.
const WITHIN: Duration = Duration::from_secs(2);

/// How long the answer just got is taken for true.
pub(crate) fn good_for() -> Duration {
    EVERY.mul_f64(1.0 - SPREAD * fastrand::f64())
}

/// The addresses of a name; none when nobody answers.
pub(crate) async fn look_up(host: &str, port: u16) -> Vec<Address> {
    let asked = tokio::time::timeout(WITHIN, tokio::net::lookup_host((host, port))).await;
    let found: BTreeSet<_> = match asked {
        Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
        Ok(Err(error)) => {
            tracing::warn!(host, %error, "looking up a service failed");
            BTreeSet::new()
        }
        Err(_elapsed) => {
            tracing::warn!(host, "looking up a service took too long");
            BTreeSet::new()
        }
    };
    found.into_iter().filter_map(Address::resolved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_leads_to_its_addresses_and_an_unknown_one_nowhere() {
        let found = look_up("localhost", 7070).await;
        assert!(!found.is_empty());
        for address in found {
            assert_eq!(address.authority().port_u16(), Some(7070));
        }
        assert!(look_up("nobody.invalid", 7070).await.is_empty());
    }

    #[test]
    fn answers_are_good_for_seconds_and_not_all_for_the_same() {
        let times: BTreeSet<Duration> = (0..50).map(|_| good_for()).collect();
        assert!(times.len() > 1);
        assert!(
            times
                .iter()
                .all(|time| *time <= EVERY && *time >= EVERY / 2)
        );
    }
}
