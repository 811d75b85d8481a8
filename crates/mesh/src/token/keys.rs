//! Signing and verifying with named keys, and the key set (JWKS) verifiers learn the names from.

use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::claims::{Claims, TokenError};
use super::provider;

/// Longest token that is looked at, in bytes: ours are a third of that.
const TOKEN_BYTES_MAX: usize = 2048;

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    key: EncodingKey,
    public: [u8; 32],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A key that cannot be used, or a token that could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a point of the curve.
    #[error("not an Ed25519 public key")]
    NotAKey,
    /// The text is not a key of a key set.
    #[error("not an Ed25519 key of a key set: {0}")]
    NotAJwk(&'static str),
    /// Signing failed.
    #[error("signing a token failed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

impl SigningKey {
    /// The key of a seed: 32 bytes from a cryptographic random source, kept secret.
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        provider::install();
        let public = ed25519_dalek::SigningKey::from_bytes(seed)
            .verifying_key()
            .to_bytes();
        SigningKey {
            kid: thumbprint(&public),
            key: EncodingKey::from_ed_der(seed),
            public,
        }
    }

    /// The key's name in token headers and key sets: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What verifiers need.
    pub fn public_key(&self) -> PublicKey {
        PublicKey {
            kid: self.kid.clone(),
            bytes: self.public,
        }
    }

    /// A signed token.
    ///
    /// # Errors
    /// [`KeyError::Signing`] when the claims cannot be written.
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(KeyError::Signing)
    }
}

/// A key that verifies tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kid: String,
    bytes: [u8; 32],
}

impl PublicKey {
    /// A key by name.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] when the bytes are not 32 or not a point of the curve.
    pub fn new(kid: impl Into<String>, bytes: &[u8]) -> Result<PublicKey, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::NotAKey)?;
        ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAKey)?;
        Ok(PublicKey {
            kid: kid.into(),
            bytes,
        })
    }

    /// The key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key itself.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The key's `x` in a key set: the bytes in base64url.
    pub fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    /// The key as one entry of a key set (RFC 8037).
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": self.kid, "x": self.x(),
        })
    }

    /// Reads the name and `x` of a key-set entry.
    ///
    /// # Errors
    /// [`KeyError::NotAJwk`] or [`KeyError::NotAKey`].
    pub fn from_x(kid: impl Into<String>, x: &str) -> Result<PublicKey, KeyError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(x)
            .map_err(|_| KeyError::NotAJwk("`x` is not base64url"))?;
        PublicKey::new(kid, &bytes)
    }

    /// Reads one entry of a key set.
    ///
    /// # Errors
    /// [`KeyError::NotAJwk`] for other kinds of keys, [`KeyError::NotAKey`] for broken ones.
    pub fn from_jwk(jwk: &Value) -> Result<PublicKey, KeyError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("kty") != Some("OKP") || text("crv") != Some("Ed25519") {
            return Err(KeyError::NotAJwk(
                "`kty` is not `OKP` or `crv` is not `Ed25519`",
            ));
        }
        let kid = text("kid").ok_or(KeyError::NotAJwk("no `kid`"))?;
        let x = text("x").ok_or(KeyError::NotAJwk("no `x`"))?;
        PublicKey::from_x(kid, x)
    }
}

/// The key set of some keys, as served at `/.well-known/jwks.json`.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> Value {
    let keys: Vec<Value> = keys.into_iter().map(PublicKey::jwk).collect();
    json!({ "keys": keys })
}

/// Verifies tokens by a set of keys. A new set is a new verifier.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl Verifier {
    /// A verifier that knows these keys.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> Verifier {
        provider::install();
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Claims are checked against the clock that is handed in, not the machine's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let keys = keys
            .into_iter()
            .map(|key| (key.kid.clone(), DecodingKey::from_ed_der(&key.bytes)))
            .collect();
        Verifier { keys, validation }
    }

    /// Whether a key is known.
    pub fn knows(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// The claims of a token that counts at `now`.
    ///
    /// # Errors
    /// Why it does not. [`TokenError::UnknownKey`] may be cured by a newer key set.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, TokenError> {
        let key = self.key_of(token)?;
        let data =
            jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(|error| {
                match error.kind() {
                    ErrorKind::InvalidSignature => TokenError::BadSignature,
                    ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
                    _ => TokenError::Malformed,
                }
            })?;
        data.claims.check(now)?;
        Ok(data.claims)
    }

    /// The key a token names, before anything in the token is believed.
    fn key_of(&self, token: &str) -> Result<&DecodingKey, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| unreadable(token))?;
        if header.alg != Algorithm::EdDSA {
            return Err(TokenError::WrongAlgorithm);
        }
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        self.keys.get(&kid).ok_or(TokenError::UnknownKey)
    }
}

/// A header with an algorithm that is not even known (`none`, say) is still told apart from garbage.
fn unreadable(token: &str) -> TokenError {
    let header = token.split('.').next().unwrap_or_default();
    let parsed: Option<Value> = URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match parsed.as_ref().and_then(|header| header.get("alg")) {
        Some(Value::String(name)) if name != "EdDSA" => TokenError::WrongAlgorithm,
        _ => TokenError::Malformed,
    }
}

/// RFC 7638: the digest of the key's required members in order of name, without spaces.
fn thumbprint(public: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use outcry_contracts::options::v1::Role;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn claims() -> Claims {
        let lifetime = Duration::from_secs(900);
        Claims::new("u1", &[Role::User], 3, Uuid::from_u128(5), now(), lifetime)
    }

    fn encoded(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    #[test]
    fn a_signed_token_is_verified_by_the_published_key_set() {
        let key = SigningKey::from_seed(&[1; 32]);
        let published = jwks([&key.public_key()]);
        let learnt = PublicKey::from_jwk(&published["keys"][0]).unwrap();
        let verifier = Verifier::new([&learnt]);
        let token = key.sign(&claims()).unwrap();
        assert_eq!(verifier.verify(&token, now()).unwrap(), claims());
    }

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_8037() {
        // Appendix A.3 of RFC 8037.
        let key = PublicKey::from_x("", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(
            thumbprint(key.bytes()),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn a_token_of_another_key_is_refused() {
        let ours = SigningKey::from_seed(&[1; 32]);
        let theirs = SigningKey::from_seed(&[2; 32]);
        let verifier = Verifier::new([&ours.public_key()]);
        let foreign = theirs.sign(&claims()).unwrap();
        assert_eq!(
            verifier.verify(&foreign, now()),
            Err(TokenError::UnknownKey)
        );
        let posing = PublicKey::new(ours.kid(), theirs.public_key().bytes()).unwrap();
        let token = ours.sign(&claims()).unwrap();
        assert_eq!(
            Verifier::new([&posing]).verify(&token, now()),
            Err(TokenError::BadSignature)
        );
    }

    #[test]
    fn no_algorithm_and_a_shared_secret_are_refused() {
        let key = SigningKey::from_seed(&[1; 32]);
        let verifier = Verifier::new([&key.public_key()]);
        let body = encoded(&serde_json::to_value(claims()).unwrap());
        for algorithm in ["none", "NONE", "HS256", "RS256", "ES256"] {
            let header = encoded(&json!({ "alg": algorithm, "typ": "JWT", "kid": key.kid() }));
            for signature in ["", "AAAA"] {
                let token = format!("{header}.{body}.{signature}");
                let refused = verifier.verify(&token, now());
                assert_eq!(refused, Err(TokenError::WrongAlgorithm), "{algorithm}");
            }
        }
    }

    #[test]
    fn an_expired_token_and_a_nameless_key_are_refused() {
        let key = SigningKey::from_seed(&[1; 32]);
        let verifier = Verifier::new([&key.public_key()]);
        let token = key.sign(&claims()).unwrap();
        let later = now() + Duration::from_secs(3600);
        assert_eq!(verifier.verify(&token, later), Err(TokenError::Expired));
        let nameless =
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims(), &key.key).unwrap();
        assert_eq!(
            verifier.verify(&nameless, now()),
            Err(TokenError::UnknownKey)
        );
    }

    #[test]
    fn a_debug_print_hides_the_seed() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey {{ kid: {:?}, .. }}", key.kid())
        );
    }

    proptest! {
        #[test]
        fn no_altered_token_is_accepted(at in 0usize..1000, with in "[A-Za-z0-9_.-]") {
            let key = SigningKey::from_seed(&[1; 32]);
            let verifier = Verifier::new([&key.public_key()]);
            let token = key.sign(&claims()).unwrap();
            let at = at % token.len();
            let mut altered = token.clone();
            altered.replace_range(at..=at, &with);
            prop_assume!(altered != token);
            prop_assert!(verifier.verify(&altered, now()).is_err());
        }

        #[test]
        fn garbage_is_refused_without_panicking(text in ".{0,300}") {
            let key = SigningKey::from_seed(&[1; 32]);
            prop_assert!(Verifier::new([&key.public_key()]).verify(&text, now()).is_err());
        }
    }
}
