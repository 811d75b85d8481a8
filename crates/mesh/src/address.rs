//! Where services of other processes are: addresses, or a name that stands for many.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;

use crate::credentials::Credentials;

/// Addresses of one service at most: a list longer than this is a mistake.
pub(crate) const ADDRESSES_MAX: usize = 256;

/// How a name that stands for many addresses is written: `dns:///host:port`.
const NAME_PREFIX: &str = "dns:///";

/// Where one process listens for its peers: `http://host:port` or `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    scheme: Scheme,
    authority: Authority,
}

/// What an address says about connections to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scheme {
    Plain,
    Encrypted,
    /// Nothing: a name stands for them, and they are as the mesh is.
    Unsaid,
}

/// Where a service runs that is not in this process.
///
/// Read from text: `http://host:port` (`https://` where processes have certificates), several of them
/// separated by commas (each one process or one load balancer), or `dns:///host:port` for a name that
/// resolves to the addresses of all replicas and is looked up again and again.
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
    #[error("`{0}` is not an address: write http://host:port or https://host:port")]
    NotAnAddress(String),
    /// Not the form of a name.
    #[error("`{0}` is not a name: write dns:///host:port")]
    NotAName(String),
    /// A plain address in a mesh with certificates.
    #[error("{0} is not encrypted, and this process has certificates: write https://")]
    Plain(String),
    /// An encrypted address in a mesh without certificates.
    #[error(
        "{0} is encrypted, and this process has no certificates: give it some, or write http://"
    )]
    Encrypted(String),
    /// Not one address, or too many.
    #[error("{0} addresses of one service; there must be 1 to {ADDRESSES_MAX}")]
    Count(usize),
}

impl Endpoints {
    /// A service at certain addresses, each `http://host:port` or `https://host:port`.
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

    /// Exactly one process.
    pub(crate) fn one(address: Address) -> Endpoints {
        Endpoints {
            source: Source::Fixed(vec![address]),
        }
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

    /// Whether a process with these credentials can reach the addresses: with certificates, every
    /// connection is encrypted, and without them none.
    ///
    /// # Errors
    /// [`EndpointError::Plain`], [`EndpointError::Encrypted`].
    pub fn fit(&self, credentials: &Credentials) -> Result<(), EndpointError> {
        let certificates = matches!(credentials, Credentials::Certificates(_));
        match &self.source {
            Source::Fixed(addresses) => addresses
                .iter()
                .try_for_each(|address| address.fits(certificates)),
            Source::Name { .. } => Ok(()),
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
    /// One of the addresses that a name stands for.
    pub(crate) fn resolved(address: SocketAddr) -> Option<Address> {
        let authority = address.to_string().parse().ok()?;
        Some(Address {
            scheme: Scheme::Unsaid,
            authority,
        })
    }

    /// Whether connections as this process makes them, with certificates or without, lead there.
    pub(crate) fn fits(&self, certificates: bool) -> Result<(), EndpointError> {
        match self.scheme {
            Scheme::Plain if certificates => Err(EndpointError::Plain(self.to_string())),
            Scheme::Encrypted if !certificates => Err(EndpointError::Encrypted(self.to_string())),
            Scheme::Plain | Scheme::Encrypted | Scheme::Unsaid => Ok(()),
        }
    }

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
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Plain,
            Some("https") => Scheme::Encrypted,
            _ => return Err(not_an_address()),
        };
        let bare = uri.path() == "/"
            && uri.query().is_none()
            && authority.port_u16().is_some()
            && !authority.host().is_empty()
            && !authority.as_str().contains('@');
        if !bare {
            return Err(not_an_address());
        }
        Ok(Address {
            scheme,
            authority: authority.clone(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Plain => "http://",
            Scheme::Encrypted => "https://",
            Scheme::Unsaid => "",
        };
        write!(f, "{scheme}{}", self.authority)
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
            ("https://funds:7070", "https://funds:7070"),
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
    fn encrypted_and_plain_addresses_do_not_mix() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        assert!(address("http://funds:7070").fits(false).is_ok());
        assert!(address("https://funds:7070").fits(true).is_ok());
        assert!(address("http://funds:7070").fits(true).is_err());
        assert!(address("https://funds:7070").fits(false).is_err());
        let resolved = Address::resolved("[::1]:7070".parse().unwrap()).unwrap();
        assert_eq!(resolved.to_string(), "[::1]:7070");
        assert!(resolved.fits(true).is_ok() && resolved.fits(false).is_ok());
        let key = Credentials::Key(crate::token::MeshKey::from_secret(&[1; 32]));
        let mixed: Endpoints = "http://a:1,https://b:2".parse().unwrap();
        assert_eq!(
            mixed.fit(&key),
            Err(EndpointError::Encrypted("https://b:2".to_owned()))
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "funds:7070",
            "http://funds",
            "ftp://funds:7070",
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
