//! Signatures: what is believed and what is not.

use proptest::prelude::*;

use super::*;

const BODY: &[u8] = br#"{"id":"evt-1","amount":"100.00"}"#;

fn secrets(texts: &[&str]) -> Secrets {
    Secrets::new(texts.iter().copied().map(Secret::new).collect())
}

fn ours() -> Secrets {
    secrets(&["the secret of these tests"])
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

const NOW: u64 = 1_767_623_400;

#[test]
fn the_signature_is_the_hmac_of_the_time_a_dot_and_the_body() {
    // Computed by another program from the same secret, time and body.
    let header = ours().sign(b"{}", at(1_700_000_000)).unwrap();
    assert_eq!(
        header,
        "t=1700000000,v1=2d765ac18a5e43997541a4deaca3d2f16e8083e4c405857ff0998b6c2b25ca03"
    );
}

#[test]
fn a_good_signature_counts_within_five_minutes_either_way() {
    let header = ours().sign(BODY, at(NOW)).unwrap();
    for away in [0, 1, 300] {
        assert_eq!(ours().verify(&header, BODY, at(NOW + away)), Ok(()));
        assert_eq!(ours().verify(&header, BODY, at(NOW - away)), Ok(()));
    }
    for moment in [NOW + 301, NOW - 301] {
        let refused = ours().verify(&header, BODY, at(moment));
        assert_eq!(refused, Err(Forged::Stale));
    }
}

#[test]
fn without_a_secret_nothing_is_believed_and_nothing_signed() {
    let header = ours().sign(BODY, at(NOW)).unwrap();
    let nobody = Secrets::default();
    assert_eq!(nobody.verify(&header, BODY, at(NOW)), Err(Forged::NoSecret));
    assert_eq!(nobody.verify("", BODY, at(NOW)), Err(Forged::NoSecret));
    assert_eq!(nobody.sign(BODY, at(NOW)), None);
}

#[test]
fn while_a_secret_is_changed_the_old_one_counts_beside_the_new_one() {
    let old = ours().sign(BODY, at(NOW)).unwrap();
    let both = secrets(&["the secret that comes next", "the secret of these tests"]);
    let new = both.sign(BODY, at(NOW)).unwrap();
    assert_eq!(both.verify(&old, BODY, at(NOW)), Ok(()));
    assert_eq!(both.verify(&new, BODY, at(NOW)), Ok(()));
    assert_eq!(ours().verify(&new, BODY, at(NOW)), Err(Forged::Wrong));
}

#[test]
fn anything_else_than_the_one_spelling_is_malformed() {
    let good = ours().sign(BODY, at(NOW)).unwrap();
    let digits = good.split_once(",v1=").unwrap().1;
    for bad in [
        String::new(),
        digits.to_owned(),
        format!("v1={digits}"),
        format!("t=,v1={digits}"),
        format!("t=+{NOW},v1={digits}"),
        format!("t=-5,v1={digits}"),
        format!("t=99999999999999999999999,v1={digits}"),
        format!("t={NOW},v1="),
        format!("t={NOW},v1={}", &digits[1..]),
        format!("t={NOW},v1={}", digits.replace(|_| true, "A")),
        format!(" {good}"),
        format!("{good} "),
        format!("{good},v1={digits}"),
        format!("{good},v0=1"),
    ] {
        let refused = ours().verify(&bad, BODY, at(NOW));
        assert_eq!(refused, Err(Forged::Malformed), "{bad}");
    }
}

/// One way to change what was signed.
#[derive(Debug, Clone)]
enum Tampering {
    Flip { at: prop::sample::Index, bit: u8 },
    Insert { at: prop::sample::Index, byte: u8 },
    Remove { at: prop::sample::Index },
    Cut { at: prop::sample::Index },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 0..8_u8).prop_map(|(at, bit)| Tampering::Flip { at, bit }),
        (index(), any::<u8>()).prop_map(|(at, byte)| Tampering::Insert { at, byte }),
        index().prop_map(|at| Tampering::Remove { at }),
        index().prop_map(|at| Tampering::Cut { at }),
    ]
}

fn tampered(bytes: &[u8], with: &[Tampering]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for one in with {
        if bytes.is_empty() {
            break;
        }
        match one {
            Tampering::Flip { at, bit } => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Tampering::Insert { at, byte } => {
                let at = at.index(bytes.len() + 1);
                bytes.insert(at, *byte);
            }
            Tampering::Remove { at } => {
                bytes.remove(at.index(bytes.len()));
            }
            Tampering::Cut { at } => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

proptest! {
    /// Whatever is changed about the body or the header, and however far the time is moved: the
    /// webhook is believed only as it was signed.
    #[test]
    fn any_tampering_with_body_header_or_time_is_refused(
        body in prop::collection::vec(any::<u8>(), 0..200),
        of_body in prop::collection::vec(tampering(), 0..3),
        of_header in prop::collection::vec(tampering(), 0..3),
        moved in -100_000_i64..100_000,
    ) {
        let header = ours().sign(&body, at(NOW)).unwrap();
        let changed_body = tampered(&body, &of_body);
        let changed_header = tampered(header.as_bytes(), &of_header);
        let now = at(NOW.checked_add_signed(moved).unwrap());
        let untouched = changed_body == body
            && changed_header == header.as_bytes()
            && moved.unsigned_abs() <= SKEW_MAX.as_secs();
        let believed = std::str::from_utf8(&changed_header)
            .is_ok_and(|header| ours().verify(header, &changed_body, now).is_ok());
        prop_assert_eq!(believed, untouched);
    }

    #[test]
    fn a_signature_by_another_secret_is_refused(other in "[a-z]{16,40}", body in any::<Vec<u8>>()) {
        let header = secrets(&[&other]).sign(&body, at(NOW)).unwrap();
        prop_assert_eq!(ours().verify(&header, &body, at(NOW)), Err(Forged::Wrong));
    }
}
