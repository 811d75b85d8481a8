//! Whom a call counts for, and where it really came from.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, Request};

use super::connection::Peer;

/// Where proxies write whom they call for, the nearest one last.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Bits of an IPv6 address that tell customers of a provider apart: each has all the rest.
const IPV6_CUSTOMER_BITS: u32 = 64;

/// Whom a call counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// A signed-in user, by id.
    User(String),
    /// Everybody at an address; of IPv6, everybody in its /64.
    Address(IpAddr),
    /// All who cannot be kept apart.
    Others,
}

impl Caller {
    /// The user where there is one, else the address.
    pub(super) fn of(user_id: Option<&str>, address: Option<IpAddr>) -> Caller {
        match user_id {
            Some(user_id) => Caller::User(user_id.to_owned()),
            None => Caller::at(address),
        }
    }

    /// Everybody at an address.
    pub(super) fn at(address: Option<IpAddr>) -> Caller {
        match address {
            Some(IpAddr::V6(address)) => {
                let customer = address.to_bits() & (u128::MAX << (128 - IPV6_CUSTOMER_BITS));
                Caller::Address(Ipv6Addr::from_bits(customer).into())
            }
            Some(address) => Caller::Address(address),
            None => Caller::Others,
        }
    }
}

/// The proxies in front of this gateway: the only ones whose word about others' addresses counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies {
    networks: Vec<Network>,
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u32,
}

impl Proxies {
    /// Reads networks such as `10.0.0.0/8`, `fd00::/8` or `192.0.2.7`.
    ///
    /// # Errors
    /// The first text that is none.
    pub(super) fn read(texts: &[String]) -> Result<Proxies, String> {
        let networks: Result<Vec<Network>, String> = texts
            .iter()
            .map(|text| Network::read(text).ok_or_else(|| text.clone()))
            .collect();
        Ok(Proxies {
            networks: networks?,
        })
    }

    /// The address a request came from: its peer's, or what trusted proxies say about theirs.
    pub(super) fn client_of<B>(&self, request: &Request<B>) -> Option<IpAddr> {
        let Peer(peer) = request.extensions().get::<Peer>()?;
        Some(self.client(peer.ip(), request.headers()))
    }

    /// The rightmost address that is no trusted proxy's. Whatever stands further left was written
    /// by somebody nobody vouches for.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        let values = headers.get_all(X_FORWARDED_FOR).iter();
        let hops: Vec<&str> = values
            .flat_map(|value| value.to_str().unwrap_or_default().split(','))
            .collect();
        for hop in hops.iter().rev() {
            if !self.trusts(nearest) {
                break;
            }
            let Ok(next) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            nearest = next.to_canonical();
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }
}

impl Network {
    fn read(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let width = width(first);
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Network { first, bits })
    }

    fn holds(self, address: IpAddr) -> bool {
        let width = width(self.first);
        if width != self::width(address) {
            return false;
        }
        let differing = number(self.first) ^ number(address);
        differing.checked_shr(width - self.bits).unwrap_or(0) == 0
    }
}

/// Bits of an address.
fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies(texts: &[&str]) -> Proxies {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Proxies::read(&texts).unwrap()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_about_their_own_peer() {
        let none = proxies(&[]);
        let trusted = proxies(&["10.0.0.0/8", "fd00::/8"]);
        let table: &[(&Proxies, &str, &[&str], &str)] = &[
            (&none, "10.1.1.1", &["192.0.2.1"], "10.1.1.1"),
            (&trusted, "198.51.100.1", &["192.0.2.1"], "198.51.100.1"),
            (&trusted, "10.1.1.1", &[], "10.1.1.1"),
            (&trusted, "10.1.1.1", &["192.0.2.1"], "192.0.2.1"),
            // What the client itself wrote stands left of what the proxy saw.
            (
                &trusted,
                "10.1.1.1",
                &["203.0.113.9, 192.0.2.1"],
                "192.0.2.1",
            ),
            (
                &trusted,
                "10.1.1.1",
                &["203.0.113.9", "192.0.2.1"],
                "192.0.2.1",
            ),
            (
                &trusted,
                "10.1.1.1",
                &["203.0.113.9, 192.0.2.1, 10.2.2.2"],
                "192.0.2.1",
            ),
            (&trusted, "fd00::1", &["192.0.2.1, 10.2.2.2"], "192.0.2.1"),
            (&trusted, "10.1.1.1", &["192.0.2.1, nonsense"], "10.1.1.1"),
            (
                &trusted,
                "::ffff:10.1.1.1",
                &["::ffff:192.0.2.1"],
                "192.0.2.1",
            ),
            (&trusted, "10.1.1.1", &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ];
        for (proxies, peer, values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_static(value));
            }
            let client = proxies.client(address(peer), &headers);
            assert_eq!(client, address(expected), "{peer} {values:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "::/129",
            "proxy",
            "10.0.0.0/8/8",
            "10.0.0.0/-1",
        ] {
            let texts = ["10.0.0.0/8".to_owned(), bad.to_owned()];
            assert_eq!(Proxies::read(&texts).unwrap_err(), bad);
        }
        assert!(proxies(&["0.0.0.0/0"]).trusts(address("192.0.2.1")));
        assert!(!proxies(&["0.0.0.0/0"]).trusts(address("2001:db8::1")));
        assert!(proxies(&["::/0"]).trusts(address("2001:db8::1")));
        assert!(proxies(&["192.0.2.7"]).trusts(address("192.0.2.7")));
        assert!(!proxies(&["192.0.2.7"]).trusts(address("192.0.2.6")));
        assert!(!proxies(&["192.0.2.0/31"]).trusts(address("192.0.2.2")));
    }

    #[test]
    fn one_customers_ipv6_addresses_are_one_caller() {
        let at = |text: &str| Caller::at(Some(address(text)));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(
            Caller::of(Some("u1"), Some(address("192.0.2.1"))),
            Caller::User("u1".into())
        );
    }
}
