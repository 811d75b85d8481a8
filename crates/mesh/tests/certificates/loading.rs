//! What is read from the files of a process, and when.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use outcry_mesh::{
    Accounts, CertificateError, CertificateFacts, CertificateStatus, Certificates, LeafError,
    SpiffeId,
};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType};
use tokio_util::sync::CancellationToken;

use crate::authority::{self, Authority, Issued, uri, valid};

fn load(folder: &Path) -> Result<Certificates, CertificateError> {
    Certificates::load(
        authority::files(folder),
        authority::TRUST_DOMAIN.parse().unwrap(),
        Accounts::default(),
    )
}

/// What loading a process's own certificate ends with.
fn loaded(
    shown: impl FnOnce(&Authority) -> Issued,
    spoil: impl FnOnce(&Path),
) -> Result<SpiffeId, CertificateError> {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("one");
    authority::write_authorities(folder.path(), &[&authority]);
    shown(&authority).write(folder.path());
    spoil(folder.path());
    load(folder.path()).map(|certificates| certificates.status().id)
}

fn altered(alter: impl FnOnce(&mut CertificateParams)) -> Result<SpiffeId, CertificateError> {
    loaded(|authority| authority.issue("a", alter), |_| ())
}

fn spoilt(spoil: impl FnOnce(&Path)) -> Result<SpiffeId, CertificateError> {
    loaded(|authority| authority.issue("a", |_| ()), spoil)
}

#[test]
fn a_process_does_not_begin_with_what_others_would_refuse() {
    assert_eq!(altered(|_| ()).unwrap().to_string(), authority::id("a"));
    let through = |authority: &Authority| authority.intermediate("between").issue("a", |_| ());
    assert!(loaded(through, |_| ()).is_ok());
    let ended = altered(|params| valid(params, -200, 100));
    assert!(matches!(ended, Err(CertificateError::Expired)));
    let early = altered(|params| valid(params, 1000, 100));
    assert!(matches!(early, Err(CertificateError::NotYetValid)));
    let foreign = "spiffe://other.local/ns/outcry/sa/a";
    let foreign = altered(|params| params.subject_alt_names = vec![uri(foreign)]);
    assert!(matches!(
        foreign,
        Err(CertificateError::Own(LeafError::TrustDomain { .. }))
    ));
    for usage in [
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ] {
        let half = altered(|params| params.extended_key_usages = vec![usage]);
        assert!(matches!(
            half,
            Err(CertificateError::Own(LeafError::Usage(_)))
        ));
    }
    let alone = loaded(|_| Issued::self_signed("a"), |_| ());
    assert!(matches!(alone, Err(CertificateError::NotVouchedFor(_))));
}

#[test]
fn files_must_be_whole_and_fit_together() {
    let place = |folder: &Path| authority::files(folder);
    let key = |folder: &Path| authority::write(&place(folder).key, "nothing");
    assert!(matches!(spoilt(key), Err(CertificateError::Key(_))));
    let other = |folder: &Path| {
        let elsewhere = tempfile::tempdir().unwrap();
        Authority::new("two")
            .issue("a", |_| ())
            .write(elsewhere.path());
        fs::copy(place(elsewhere.path()).key, place(folder).key).unwrap();
    };
    assert!(matches!(spoilt(other), Err(CertificateError::Unfit(_))));
    let none = |folder: &Path| authority::write(&place(folder).authorities, "");
    assert!(matches!(spoilt(none), Err(CertificateError::NoAuthority)));
    let leaf = |folder: &Path| {
        let files = place(folder);
        fs::copy(files.certificate, files.authorities).unwrap();
    };
    assert!(matches!(
        spoilt(leaf),
        Err(CertificateError::NotAnAuthority(_))
    ));
    let missing = |folder: &Path| fs::remove_file(place(folder).certificate).unwrap();
    assert!(matches!(spoilt(missing), Err(CertificateError::Io { .. })));
    let empty = |folder: &Path| authority::write(&place(folder).certificate, "");
    assert!(matches!(
        spoilt(empty),
        Err(CertificateError::NoCertificate)
    ));
    let cut = |folder: &Path| {
        let whole = fs::read_to_string(place(folder).certificate).unwrap();
        authority::write(&place(folder).certificate, &whole[..whole.len() / 2]);
    };
    assert!(matches!(
        spoilt(cut),
        Err(CertificateError::Pem(_) | CertificateError::NoCertificate)
    ));
    let huge = |folder: &Path| {
        authority::write(&place(folder).authorities, &" ".repeat(300 * 1024));
    };
    assert!(matches!(spoilt(huge), Err(CertificateError::Io { .. })));
    let exposed = |folder: &Path| {
        fs::set_permissions(place(folder).key, fs::Permissions::from_mode(0o644)).unwrap();
    };
    assert!(matches!(
        spoilt(exposed),
        Err(CertificateError::Exposed { .. })
    ));
}

#[test]
fn whatever_is_in_a_certificate_can_be_looked_at() {
    let authority = Authority::new("one");
    let folder = tempfile::tempdir().unwrap();
    let issued = authority.issue("a", |params| {
        let name = "a.outcry.svc".try_into().unwrap();
        params.subject_alt_names.push(SanType::DnsName(name));
        let address = "127.0.0.1".parse().unwrap();
        params.subject_alt_names.push(SanType::IpAddress(address));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid(params, 0, 100);
    });
    let mut pem = fs::read(issued.write(folder.path()).certificate).unwrap();
    pem.extend_from_slice(authority.pem().as_bytes());
    let facts = CertificateFacts::read(&pem).unwrap();
    assert_eq!(facts.len(), 2);
    assert_eq!(facts[0].uris, [authority::id("a")]);
    assert_eq!(facts[0].hosts, ["a.outcry.svc", "127.0.0.1"]);
    assert!(facts[0].server && !facts[0].client && !facts[0].authority);
    let seconds = facts[0].not_after.duration_since(facts[0].not_before);
    assert_eq!(seconds.unwrap(), Duration::from_secs(100));
    assert_eq!(facts[0].issuer, facts[1].subject);
    assert!(facts[1].authority);
    assert!(CertificateFacts::read(b"nothing").is_err());
    assert!(CertificateFacts::read(&pem[..pem.len() - 40]).is_err());
}

#[tokio::test(start_paused = true)]
async fn whatever_changes_in_the_files_is_noticed_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let first = tempfile::tempdir_in(folder.path()).unwrap();
    let authority = Authority::new("one");
    authority::write_authorities(first.path(), &[&authority]);
    authority.issue("a", |_| ()).write(first.path());
    // As orchestrators mount it: a link to a folder that is exchanged for another.
    let link = folder.path().join("current");
    std::os::unix::fs::symlink(first.path(), &link).unwrap();
    let certificates = load(&link).unwrap();
    let stop = CancellationToken::new();
    let watching = tokio::spawn(certificates.clone().watch(stop.clone()));
    let second = tempfile::tempdir_in(folder.path()).unwrap();
    authority::write_authorities(second.path(), &[&authority]);
    authority
        .issue("a", |params| valid(params, -10, 1000))
        .write(second.path());
    let before = certificates.status().not_after;
    let draft = folder.path().join("draft");
    std::os::unix::fs::symlink(second.path(), &draft).unwrap();
    fs::rename(&draft, &link).unwrap();
    let noticed = async |noticed: &dyn Fn(&CertificateStatus) -> bool| {
        for _ in 0..30 {
            if noticed(&certificates.status()) {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        false
    };
    assert!(noticed(&|status| status.not_after < before).await);
    fs::remove_file(&link).unwrap();
    assert!(noticed(&|status| status.reload_failing).await);
    assert!(certificates.status().reload_failures > 0);
    stop.cancel();
    watching.await.unwrap();
}
