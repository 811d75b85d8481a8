//! Access tokens: signed by the users service, verified at the public edge. EdDSA (Ed25519) and nothing else.

mod claims;
mod keys;
mod provider;

pub use claims::{AUDIENCE, CLOCK_SKEW, Claims, ISSUER, MAX_LIFETIME, TokenError};
pub use keys::{KeyError, PublicKey, SigningKey, Verifier, jwks};
