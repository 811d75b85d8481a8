//! Tokens that do not count, through the real port.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use outcry_contracts::users::v1::GetMeRequest;
use outcry_mesh::Role;
use outcry_mesh::token::{Claims, SigningKey};
use outcry_service::Clock;
use serde_json::{Value, json};
use sha2::Sha256;
use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::raw::{GET_ME, framed, send};
use crate::rig::{Rig, TOKEN_LIFETIME, bearing, user};

/// How long the gateway goes on with the keys it knows before it asks again.
const KEYS_ARE_OLD: Duration = Duration::from_secs(300);
/// How long it waits before it asks for a key it does not know.
const COOLDOWN: Duration = Duration::from_secs(10);

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn ours() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

/// Claims of an administrator, signed by our key after a change.
fn signed(rig: &Rig, change: impl FnOnce(&mut Claims)) -> String {
    let (jti, now) = (Uuid::from_u128(1), rig.clock.now());
    let mut claims = Claims::new(&user(7), &[Role::Admin], 0, jti, now, TOKEN_LIFETIME);
    change(&mut claims);
    ours().sign(&claims).unwrap()
}

/// A token with a header of one's choice, the claims of a good one, and its signature.
fn headed(rig: &Rig, header: &Value) -> String {
    let good = signed(rig, |_| {});
    let (_, rest) = good.split_once('.').unwrap();
    format!("{}.{rest}", encoded(header))
}

/// The reason why a token was refused; empty when it was not.
async fn refused(rig: &Rig, token: &str) -> String {
    let request = bearing(token, GetMeRequest {});
    let Err(status) = rig.users().await.get_me(request).await else {
        return String::new();
    };
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn every_known_attack_is_refused_for_its_own_reason() {
    let rig = Rig::start().await;
    let kid = ours().kid().to_owned();
    let good = signed(&rig, |_| {});
    let [header, body, signature] = [0, 1, 2].map(|at| good.split('.').nth(at).unwrap());
    let shared_secret = {
        let head = encoded(&json!({ "alg": "HS256", "typ": "JWT", "kid": kid }));
        let mut mac = Hmac::<Sha256>::new_from_slice(ours().public_key().bytes()).unwrap();
        mac.update(format!("{head}.{body}").as_bytes());
        let code = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{head}.{body}.{code}")
    };
    let promoted = {
        let customer = rig.token(&user(7), Role::User);
        let [header, body, signature] = [0, 1, 2].map(|at| customer.split('.').nth(at).unwrap());
        let bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
        let mut claims: Value = serde_json::from_slice(&bytes).unwrap();
        claims["roles"] = json!(["admin"]);
        format!("{header}.{}.{signature}", encoded(&claims))
    };
    let altered = if signature.starts_with('A') { "B" } else { "A" };
    let with_alg = |alg: &str| headed(&rig, &json!({ "alg": alg, "typ": "JWT", "kid": kid }));
    let unsigned = {
        let head = encoded(&json!({ "alg": "none", "typ": "JWT", "kid": kid }));
        format!("{head}.{body}.")
    };
    let posing = {
        let theirs = SigningKey::from_seed(&[9; 32]);
        let claims = Claims::new(
            &user(7),
            &[Role::Admin],
            0,
            Uuid::nil(),
            rig.clock.now(),
            TOKEN_LIFETIME,
        );
        let token = theirs.sign(&claims).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        format!("{header}.{rest}")
    };
    let now = |claims: &Claims| claims.iat;
    let table = [
        ("not signed", unsigned, "TOKEN_WRONG_ALGORITHM"),
        (
            "signed with the public key as a secret",
            shared_secret,
            "TOKEN_WRONG_ALGORITHM",
        ),
        (
            "another algorithm",
            with_alg("ES256"),
            "TOKEN_WRONG_ALGORITHM",
        ),
        (
            "an unknown algorithm",
            with_alg("eddsa"),
            "TOKEN_WRONG_ALGORITHM",
        ),
        (
            "no key named",
            headed(&rig, &json!({ "alg": "EdDSA", "typ": "JWT" })),
            "TOKEN_UNKNOWN_KEY",
        ),
        (
            "another key named",
            headed(&rig, &json!({ "alg": "EdDSA", "kid": "../../etc/passwd" })),
            "TOKEN_UNKNOWN_KEY",
        ),
        ("our key named, another used", posing, "TOKEN_BAD_SIGNATURE"),
        (
            "another issuer",
            signed(&rig, |claims| claims.iss = "else".into()),
            "TOKEN_WRONG_ISSUER",
        ),
        (
            "a peer's token",
            signed(&rig, |claims| claims.iss = "outcry-mesh".into()),
            "TOKEN_WRONG_ISSUER",
        ),
        (
            "another audience",
            signed(&rig, |claims| claims.aud = "else".into()),
            "TOKEN_WRONG_AUDIENCE",
        ),
        (
            "nobody",
            signed(&rig, |claims| claims.sub.clear()),
            "TOKEN_MALFORMED",
        ),
        (
            "expired",
            signed(&rig, |claims| claims.exp = now(claims) - 60),
            "TOKEN_EXPIRED",
        ),
        (
            "not yet",
            signed(&rig, |claims| claims.nbf = now(claims) + 61),
            "TOKEN_NOT_YET_VALID",
        ),
        (
            "for ever",
            signed(&rig, |claims| claims.exp = u64::MAX),
            "TOKEN_TOO_LONG_LIVED",
        ),
        (
            "for a day and a second",
            signed(&rig, |claims| claims.exp = now(claims) + 86_401),
            "TOKEN_TOO_LONG_LIVED",
        ),
        (
            "a customer made an administrator",
            promoted,
            "TOKEN_BAD_SIGNATURE",
        ),
        (
            "an altered signature",
            format!("{header}.{body}.{altered}{}", &signature[1..]),
            "TOKEN_BAD_SIGNATURE",
        ),
        (
            "no signature",
            format!("{header}.{body}."),
            "TOKEN_BAD_SIGNATURE",
        ),
        ("two parts", format!("{header}.{body}"), "TOKEN_MALFORMED"),
        (
            "four parts",
            format!("{good}.{signature}"),
            "TOKEN_MALFORMED",
        ),
        (
            "oversized",
            signed(&rig, |claims| claims.jti = "x".repeat(3000)),
            "TOKEN_MALFORMED",
        ),
        ("nonsense", "nonsense".to_owned(), "TOKEN_MALFORMED"),
    ];
    for (what, token, reason) in table {
        assert_eq!(refused(&rig, &token).await, reason, "{what}");
    }
    assert!(
        rig.seen.lock().unwrap().is_empty(),
        "none reached the service"
    );
    // The clocks of two machines may be a minute apart.
    for good in [
        good.clone(),
        signed(&rig, |claims| claims.exp = now(claims) - 59),
        signed(&rig, |claims| claims.nbf = now(claims) + 60),
    ] {
        assert_eq!(refused(&rig, &good).await, "");
    }
    rig.revoke(&user(7), 1).await;
    assert_eq!(refused(&rig, &good).await, "TOKEN_REVOKED");
    assert_eq!(
        refused(&rig, &signed(&rig, |claims| claims.epoch = 1)).await,
        ""
    );
}

#[tokio::test]
async fn two_authorizations_are_none() {
    let rig = Rig::start().await;
    let [one, other] =
        [7, 8].map(|number| format!("Bearer {}", rig.token(&user(number), Role::User)));
    let headers = [
        ("authorization", one.as_str()),
        ("authorization", other.as_str()),
    ];
    let answer = send(&rig.connect().await, GET_ME, &headers, framed(0, &[])).await;
    let info = answer.status.get_details_error_info().unwrap();
    assert_eq!(
        (answer.status.code(), info.reason.as_str()),
        (Code::Unauthenticated, "TOKEN_MALFORMED")
    );
    assert!(rig.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_thousand_invented_keys_are_asked_for_once() {
    let rig = Rig::start().await;
    let asked = || rig.key_fetches.load(Ordering::Relaxed);
    assert_eq!(refused(&rig, &signed(&rig, |_| {})).await, "");
    assert_eq!(asked(), 1);
    let mut users = rig.users().await;
    let mut invent = async |number: usize| {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": format!("invented {number}") });
        let request = bearing(&headed(&rig, &header), GetMeRequest {});
        users.get_me(request).await.unwrap_err().code()
    };
    rig.clock.advance(COOLDOWN);
    for number in 0..1000 {
        assert_eq!(invent(number).await, Code::Unauthenticated);
    }
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_key_that_is_rotated_away_stops_counting_until_it_comes_back() {
    let rig = Rig::start().await;
    let other = SigningKey::from_seed(&[2; 32]);
    assert_eq!(refused(&rig, &signed(&rig, |_| {})).await, "");
    *rig.keys.lock().unwrap() = vec![other];
    rig.clock.advance(KEYS_ARE_OLD);
    assert_eq!(
        refused(&rig, &signed(&rig, |_| {})).await,
        "TOKEN_UNKNOWN_KEY"
    );
    assert_eq!(refused(&rig, &rig.token(&user(8), Role::User)).await, "");
    *rig.keys.lock().unwrap() = vec![ours()];
    rig.clock.advance(COOLDOWN);
    assert_eq!(refused(&rig, &signed(&rig, |_| {})).await, "");
}
