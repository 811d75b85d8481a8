//! Names of processes in certificates, as the SPIFFE specification writes them.

use std::fmt;
use std::str::FromStr;

/// Bytes of an id, and of a trust domain, at most: so the specification says.
const ID_BYTES_MAX: usize = 2048;
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

const SCHEME: &str = "spiffe://";

/// The name of the authority that vouches for a platform's processes, for example `outcry.local`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(String);

/// Who a process is: `spiffe://<trust domain>/<path>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    trust_domain: TrustDomain,
    /// Empty, or segments that each begin with a slash.
    path: String,
}

/// Text that is no SPIFFE id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// Another kind of URI.
    #[error("`{0}` does not begin with spiffe://")]
    Scheme(String),
    /// The specification bounds both.
    #[error("the id or its trust domain is too long")]
    TooLong,
    /// Lower-case letters, digits, dots, dashes and underscores make a trust domain.
    #[error("`{0}` is no trust domain: write it with a-z, 0-9, `.`, `-` and `_`")]
    TrustDomain(String),
    /// Segments are not empty, not dots alone, and hold letters, digits, dots, dashes and underscores.
    #[error("`{0}` is no path: each segment is written with letters, digits, `.`, `-` and `_`")]
    Path(String),
}

impl TrustDomain {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<TrustDomain, SpiffeError> {
        if text.len() > TRUST_DOMAIN_BYTES_MAX {
            return Err(SpiffeError::TooLong);
        }
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(SpiffeError::TrustDomain(text.to_owned()));
        }
        Ok(TrustDomain(text.to_owned()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SpiffeId {
    /// The id of an account: `spiffe://<trust domain>/ns/<namespace>/sa/<account>`.
    ///
    /// # Errors
    /// [`SpiffeError::Path`] when namespace or account are no segments.
    pub fn of_account(
        trust_domain: &TrustDomain,
        namespace: &str,
        account: &str,
    ) -> Result<SpiffeId, SpiffeError> {
        for segment in [namespace, account] {
            if !is_segment(segment) {
                return Err(SpiffeError::Path(segment.to_owned()));
            }
        }
        format!("{SCHEME}{trust_domain}/ns/{namespace}/sa/{account}").parse()
    }

    /// Who vouches for the process.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// What comes behind the trust domain, with the slash it begins with.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Namespace and account, when the path has the form `/ns/<namespace>/sa/<account>`.
    pub fn account(&self) -> Option<(&str, &str)> {
        let mut segments = self.path.split('/').skip(1);
        let form = (
            segments.next()?,
            segments.next()?,
            segments.next()?,
            segments.next()?,
            segments.next(),
        );
        match form {
            ("ns", namespace, "sa", account, None) => Some((namespace, account)),
            _ => None,
        }
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<SpiffeId, SpiffeError> {
        if text.len() > ID_BYTES_MAX {
            return Err(SpiffeError::TooLong);
        }
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| SpiffeError::Scheme(text.to_owned()))?;
        let (trust_domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let trust_domain = trust_domain.parse()?;
        if !path.is_empty() && !path.split('/').skip(1).all(is_segment) {
            return Err(SpiffeError::Path(path.to_owned()));
        }
        Ok(SpiffeId {
            trust_domain,
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{}", self.trust_domain, self.path)
    }
}

fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(text, "" | "." | "..") && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_read_and_written_back() {
        for (text, trust_domain, path, account) in [
            ("spiffe://outcry.local", "outcry.local", "", None),
            (
                "spiffe://outcry.local/ns/outcry/sa/orders",
                "outcry.local",
                "/ns/outcry/sa/orders",
                Some(("outcry", "orders")),
            ),
            ("spiffe://a_b-1/x/Y.z", "a_b-1", "/x/Y.z", None),
            ("spiffe://a/ns/b/sa/c/d", "a", "/ns/b/sa/c/d", None),
            ("spiffe://a/ns/b/sa", "a", "/ns/b/sa", None),
        ] {
            let id: SpiffeId = text.parse().unwrap();
            assert_eq!(id.trust_domain().as_str(), trust_domain);
            assert_eq!((id.path(), id.account()), (path, account));
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_no_id() {
        for text in [
            "",
            "spiffe://",
            "spiffe:///ns/outcry/sa/orders",
            "http://outcry.local/ns/outcry/sa/orders",
            "SPIFFE://outcry.local/a",
            "spiffe://Outcry.local/a",
            "spiffe://outcry.local:8443/a",
            "spiffe://user@outcry.local/a",
            "spiffe://outcry.local/",
            "spiffe://outcry.local/a/",
            "spiffe://outcry.local//a",
            "spiffe://outcry.local/./a",
            "spiffe://outcry.local/../a",
            "spiffe://outcry.local/%61",
            "spiffe://outcry.local/a?b",
            "spiffe://outcry.local/a#b",
            "spiffe://outcry.local/ä",
            "spiffe://outcry.lo\0cal/a",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
        let long = format!("spiffe://a/{}", "b".repeat(ID_BYTES_MAX));
        assert_eq!(long.parse::<SpiffeId>(), Err(SpiffeError::TooLong));
        let long = format!("spiffe://{}/b", "a".repeat(TRUST_DOMAIN_BYTES_MAX + 1));
        assert_eq!(long.parse::<SpiffeId>(), Err(SpiffeError::TooLong));
    }

    #[test]
    fn an_account_is_one_segment() {
        let domain: TrustDomain = "outcry.local".parse().unwrap();
        let id = SpiffeId::of_account(&domain, "outcry", "orders").unwrap();
        assert_eq!(id.to_string(), "spiffe://outcry.local/ns/outcry/sa/orders");
        assert!(SpiffeId::of_account(&domain, "outcry", "a/../b").is_err());
        assert!(SpiffeId::of_account(&domain, "", "orders").is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "spiffe://[a-zA-Z.%/:@-]{0,20}") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
