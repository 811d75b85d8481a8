//! Where services of other processes are: addresses, or a name that stands for many.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;

/// Addresses of one service at most: a list longer than this is a mistake.
pub(crate) const ADDRESSES_MAX: usize = 256;

/// How a name that stands for many addresses is written: `dns:///host:port`.
const NAME_PREFIX: &str = "dns:///";

/// Where one process listens for its peers: `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    authority: Authority,
}

/// Where a service runs that is not in this process.
///
/// Read from text: `http://host:port`, several of them separated by commas (each one process or
/// one load balancer), or `dns:///host:port` for a name that resolves to the addresses of all
/// replicas and is looked up again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    pub(crate) source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Fixed(Vec<Address>),
    Name { host: String, port: u16 },
}

/// Text that does not say where a service is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not the form of one address.
    #[error("`{0}` is not an address: write http://host:port")]
    NotAnAddress(String),
    /// Not the form of a name.
    #[error("`{0}` is not a name: write dns:///host:port")]
    NotAName(String),
    /// Not one address, or too many.
    #[error("{0} addresses of one service; there must be 1 to {ADDRESSES_MAX}")]
    Count(usize),
}

impl Endpoints {
    /// A service at certain addresses, each `http://host:port`.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn at<A: AsRef<str>>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Endpoints, EndpointError> {
        let mut fixed: Vec<Address> = Vec::new();
        for address in addresses {
            let address: Address = address.as_ref().trim().parse()?;
            if !fixed.contains(&address) {
                fixed.push(address);
            }
        }
        if fixed.is_empty() || fixed.len() > ADDRESSES_MAX {
            return Err(EndpointError::Count(fixed.len()));
        }
        Ok(Endpoints {
            source: Source::Fixed(fixed),
        })
    }

    /// A service at all addresses a name resolves to.
    ///
    /// # Errors
    /// [`EndpointError::NotAName`] when the host is empty or no host.
    pub fn named(host: &str, port: u16) -> Result<Endpoints, EndpointError> {
        let authority: Result<Authority, _> = format!("{host}:{port}").parse();
        match authority {
            Ok(authority) if authority.host() == host && !host.is_empty() => Ok(Endpoints {
                source: Source::Name {
                    host: host.to_owned(),
                    port,
                },
            }),
            _ => Err(EndpointError::NotAName(host.to_owned())),
        }
    }
}

impl FromStr for Endpoints {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoints, EndpointError> {
        let Some(name) = text.trim().strip_prefix(NAME_PREFIX) else {
            return Endpoints::at(text.split(','));
        };
        let not_a_name = || EndpointError::NotAName(text.to_owned());
        let (host, port) = name.rsplit_once(':').ok_or_else(not_a_name)?;
        let port = port.parse().map_err(|_| not_a_name())?;
        Endpoints::named(host, port).map_err(|_| not_a_name())
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Name { host, port } => write!(f, "{NAME_PREFIX}{host}:{port}"),
            Source::Fixed(addresses) => {
                for (index, address) in addresses.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{address}")?;
                }
                Ok(())
            }
        }
    }
}

impl Address {
    /// `host:port`.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for Address {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Address, EndpointError> {
        let not_an_address = || EndpointError::NotAnAddress(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| not_an_address())?;
        let authority = uri.authority().ok_or_else(not_an_address)?;
        let plain = uri.scheme_str() == Some("http")
            && uri.path() == "/"
            && uri.query().is_none()
            && authority.port_u16().is_some()
            && !authority.host().is_empty()
            && !authority.as_str().contains('@');
        if !plain {
            return Err(not_an_address());
        }
        Ok(Address {
            authority: authority.clone(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read_and_written_back() {
        for (text, written) in [
            ("http://10.0.0.1:7070", "http://10.0.0.1:7070"),
            ("http://funds:7070/", "http://funds:7070"),
            ("http://[::1]:7070", "http://[::1]:7070"),
            ("http://a:1, http://b:2,http://a:1", "http://a:1,http://b:2"),
            (
                "dns:///funds.outcry.svc:7070",
                "dns:///funds.outcry.svc:7070",
            ),
        ] {
            let read: Endpoints = text.parse().unwrap();
            assert_eq!(read.to_string(), written);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "funds:7070",
            "http://funds",
            "https://funds:7070",
            "http://funds:7070/path",
            "http://funds:7070?x",
            "http://user@funds:7070",
            "http://:7070",
            "http://a:1,",
            "dns:///funds",
            "dns:///:7070",
            "dns:///funds:port",
            "dns:///a/b:7070",
        ] {
            assert!(text.parse::<Endpoints>().is_err(), "{text}");
        }
        let many = (1..=300).map(|port| format!("http://a:{port}"));
        assert_eq!(Endpoints::at(many), Err(EndpointError::Count(300)));
    }
}
