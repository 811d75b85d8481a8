//! Access tokens, signed by the users service and verified at the public edge, and the tokens
//! services show each other. EdDSA (Ed25519) and nothing else.

mod claims;
mod key_file;
mod keys;
mod peer;
mod provider;

pub use claims::{AUDIENCE, CLOCK_SKEW, Claims, ISSUER, MAX_LIFETIME, TokenError};
pub use key_file::KeyFileError;
pub(crate) use key_file::exposed;
pub use keys::{KeyError, PublicKey, SigningKey, Verifier, jwks};
pub(crate) use peer::PeerClaims;
pub use peer::{MeshKey, PEER_CLOCK_SKEW, PEER_TOKEN_LIFETIME};
