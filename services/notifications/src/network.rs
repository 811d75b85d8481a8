//! Which addresses users may make this service call. Pure.
//!
//! A URL is judged when it is set, and every address it resolves to is judged again each time
//! before a connection is made: a name may point somewhere else by then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::config::WebhookConfig;

/// Where an address is, as seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// On the internet.
    Public,
    /// On this machine.
    Loopback,
    /// In a network that is not everybody's, or nowhere.
    Private,
}

/// Why a URL is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("is not a URL")]
    NotAUrl,
    #[error("must begin with https://")]
    NotHttps,
    #[error("must not hold a user or password")]
    Credentials,
    #[error("must not have a fragment")]
    Fragment,
    #[error("leads to this machine, which is not allowed here")]
    Loopback,
    #[error("leads into a private network, which is not allowed here")]
    Private,
}

/// The URL, when messages may be sent to it as far as can be seen without resolving it.
pub(crate) fn target(text: &str, allowed: &WebhookConfig) -> Result<Url, Unfit> {
    let url = Url::parse(text).map_err(|_| Unfit::NotAUrl)?;
    let Some(host) = url.host() else {
        return Err(Unfit::NotAUrl);
    };
    let address = match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(name) if is_localhost(name) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Host::Domain(_) => None,
    };
    let network = address.map(network);
    match url.scheme() {
        "https" => {}
        "http" if allowed.loopback && network == Some(Network::Loopback) => {}
        _ => return Err(Unfit::NotHttps),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Unfit::Credentials);
    }
    if url.fragment().is_some() {
        return Err(Unfit::Fragment);
    }
    if let Some(address) = address {
        judge(address, &url, allowed)?;
    }
    Ok(url)
}

/// Whether a URL may be called at an address that it resolves to.
pub(crate) fn judge(address: IpAddr, url: &Url, allowed: &WebhookConfig) -> Result<(), Unfit> {
    match network(address) {
        Network::Loopback if allowed.loopback => Ok(()),
        Network::Loopback => Err(Unfit::Loopback),
        // In the clear to this machine only, whatever a name resolves to by now.
        _ if url.scheme() != "https" => Err(Unfit::NotHttps),
        Network::Public => Ok(()),
        Network::Private if allowed.private_networks => Ok(()),
        Network::Private => Err(Unfit::Private),
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Where an address is.
pub(crate) fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(address) => network_v4(address),
        IpAddr::V6(address) => network_v6(address),
    }
}

fn network_v4(address: Ipv4Addr) -> Network {
    if address.is_loopback() {
        return Network::Loopback;
    }
    let [a, b, c, _] = address.octets();
    let elsewhere = address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // "This network", and what is reserved: broadcast is among it.
        || a == 0
        || a >= 240
        // Shared by customers of a provider.
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments, and the old way to IPv6.
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        // Measuring of network devices.
        || (a == 198 && (b == 18 || b == 19));
    if elsewhere {
        Network::Private
    } else {
        Network::Public
    }
}

fn network_v6(address: Ipv6Addr) -> Network {
    if address.is_loopback() {
        return Network::Loopback;
    }
    if let Some(inner) = embedded(address) {
        return network_v4(inner);
    }
    let [a, b, ..] = address.segments();
    // Only what is given out for the internet counts, without documentation and tunnels in it.
    let global = a & 0xe000 == 0x2000;
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || (a == 0x3fff && b < 0x1000);
    if global && !special {
        Network::Public
    } else {
        Network::Private
    }
}

/// The IPv4 address that an IPv6 address stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // Mapped.
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(v4(high, low)),
        // Translated by the network.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        // Tunnelled.
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Network {
        network(address.parse().unwrap())
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in [
            "1.1.1.1",
            "203.0.114.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert_eq!(of(public), Network::Public, "{public}");
        }
        for loopback in [
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
        ] {
            assert_eq!(of(loopback), Network::Loopback, "{loopback}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::10.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2001::1",
            "2001:db8::1",
            "2002:c0a8:101::1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert_eq!(of(private), Network::Private, "{private}");
        }
    }

    #[test]
    fn what_is_no_public_https_url_is_refused_with_the_reason() {
        let strict = WebhookConfig::default();
        for (text, expected) in [
            ("nonsense", Unfit::NotAUrl),
            ("https://", Unfit::NotAUrl),
            ("http://example.com/", Unfit::NotHttps),
            ("ftp://example.com/", Unfit::NotHttps),
            ("https://me:secret@example.com/", Unfit::Credentials),
            ("https://example.com/#part", Unfit::Fragment),
            ("https://localhost/", Unfit::Loopback),
            ("https://a.localhost./", Unfit::Loopback),
            ("https://127.1/", Unfit::Loopback),
            ("https://2130706433/", Unfit::Loopback),
            ("https://[::1]/", Unfit::Loopback),
            ("https://0x0a.1/", Unfit::Private),
            ("https://169.254.169.254/latest", Unfit::Private),
        ] {
            assert_eq!(target(text, &strict), Err(expected), "{text}");
        }
        assert!(target("https://hooks.example.com:8443/a?b=c", &strict).is_ok());
    }

    #[test]
    fn plain_http_goes_to_this_machine_only_and_only_when_allowed() {
        let loopback = WebhookConfig {
            loopback: true,
            private_networks: true,
            ..WebhookConfig::default()
        };
        assert!(target("http://127.0.0.1:8080/", &loopback).is_ok());
        assert!(target("http://localhost:8080/", &loopback).is_ok());
        assert!(target("https://10.0.0.1/", &loopback).is_ok());
        let refused = target("http://10.0.0.1/", &loopback);
        assert_eq!(refused, Err(Unfit::NotHttps));
        let url = Url::parse("http://localhost/").unwrap();
        let moved = judge("10.0.0.1".parse().unwrap(), &url, &loopback);
        assert_eq!(moved, Err(Unfit::NotHttps));
    }

    #[test]
    fn a_name_that_resolves_into_a_private_network_is_refused_when_it_is_called() {
        let strict = WebhookConfig::default();
        let url = target("https://rebound.example.com/", &strict).unwrap();
        let judged = |address: &str| judge(address.parse().unwrap(), &url, &strict);
        assert_eq!(judged("1.1.1.1"), Ok(()));
        assert_eq!(judged("192.168.0.1"), Err(Unfit::Private));
        assert_eq!(judged("::1"), Err(Unfit::Loopback));
    }
}
