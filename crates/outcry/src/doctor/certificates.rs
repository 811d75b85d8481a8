//! Certificates: whether they fit together, name who this process is, and how long they count.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use outcry_mesh::CertificateFacts;

use super::finding::Finding;
use crate::config::Config;
use crate::folder::Folder;
use crate::identity;
use crate::text;

const AREA: &str = "certificates";

/// A certificate of which less than this part of its time is left should have been replaced: what issues them does
/// so after two thirds.
const LEFT_PART: u32 = 4;

/// Certificates that a process proves itself or is believed with.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether the files of [mesh.tls] fit together, for the services; why not. `None`: they are not set.
    mesh: Option<Result<(), String>>,
    /// Each file that is set: its setting, and what is in it or why it cannot be read.
    files: Vec<(&'static str, Result<Vec<CertificateFacts>, String>)>,
}

/// Looks at the files that the configuration names, for these services.
pub fn gather(config: &Config, services: &[&'static str]) -> Facts {
    let tls = &config.mesh.tls;
    let mesh = tls.is_on().then(|| {
        let proven = identity::credentials(config, &Folder::at(&config.data), services);
        proven.map(|_| ()).map_err(|error| format!("{error:#}"))
    });
    let named: [(&str, &Path); 5] = [
        ("`certificate` in [mesh.tls]", &tls.certificate),
        ("`authorities` in [mesh.tls]", &tls.authorities),
        (
            "`certificate` in [gateway.tls]",
            &config.gateway.tls.certificate,
        ),
        ("`ca_file` in [broker]", &config.broker.ca_file),
        ("`ca_file` in [database]", &config.database.ca_file),
    ];
    let set = named
        .into_iter()
        .filter(|(_, path)| !path.as_os_str().is_empty());
    Facts {
        mesh,
        files: set.map(|(setting, path)| (setting, read(path))).collect(),
    }
}

fn read(path: &Path) -> Result<Vec<CertificateFacts>, String> {
    let place = path.display();
    let pem = fs::read(path).map_err(|error| format!("{place}: {error}"))?;
    CertificateFacts::read(&pem).map_err(|error| format!("{place}: {error}"))
}

/// Judges the certificates at this time.
pub fn judge(facts: &Facts, now: SystemTime) -> Vec<Finding> {
    let mut found = Vec::new();
    match &facts.mesh {
        Some(Ok(())) => found.push(Finding::ok(
            AREA,
            "[mesh.tls] fits together, and lets this process speak for its services",
        )),
        Some(Err(why)) => found.push(Finding::failed(
            AREA,
            why,
            "`outcry certs show FILE` prints what is in a certificate; `outcry certs all FOLDER` makes a set for trials",
        )),
        None => {}
    }
    for (setting, certificates) in &facts.files {
        match certificates {
            Ok(certificates) => found.extend(times(setting, certificates, now)),
            Err(why) => found.push(Finding::failed(
                AREA,
                format!("{setting} cannot be read: {why}"),
                "name a file with certificates in PEM form, which this user may read",
            )),
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(AREA, "none are used"));
    }
    found
}

/// The chain as a whole counts as long as each of its certificates.
fn times(setting: &str, chain: &[CertificateFacts], now: SystemTime) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in chain {
        let name = one.uris.first().unwrap_or(&one.subject);
        let ends = text::system_time(one.not_after);
        let says = |what: &str| format!("{name}, {setting}, {what}");
        if now < one.not_before {
            let begins = text::system_time(one.not_before);
            let mend = "set this machine's clock, or issue it anew";
            found.push(Finding::failed(
                AREA,
                says(&format!("only counts from {begins} on")),
                mend,
            ));
        } else if one.not_after <= now {
            let mend = "replace the file; running processes take the new one by themselves";
            found.push(Finding::failed(
                AREA,
                says(&format!("ended at {ends}")),
                mend,
            ));
        } else if is_nearly_over(one, now) {
            let mend = "see why it was not replaced in time by what issues it";
            found.push(Finding::warning(
                AREA,
                says(&format!("ends soon, at {ends}")),
                mend,
            ));
        } else {
            found.push(Finding::ok(AREA, says(&format!("counts until {ends}"))));
        }
    }
    found
}

fn is_nearly_over(one: &CertificateFacts, now: SystemTime) -> bool {
    let span = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or(Duration::ZERO);
    span(now, one.not_after) < span(one.not_before, one.not_after) / LEFT_PART
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use clap::Parser as _;

    use super::super::finding::testing::{counts, saying};
    use super::*;
    use crate::arguments::{Arguments, Command};
    use crate::certs;
    use crate::output::Output;
    use crate::services::NAMES;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Counts from 1000 to 2000.
    fn certificate() -> CertificateFacts {
        CertificateFacts {
            subject: "CN=orders".to_owned(),
            issuer: "CN=authority".to_owned(),
            uris: vec!["spiffe://outcry.local/ns/outcry/sa/orders".to_owned()],
            hosts: Vec::new(),
            not_before: at(1000),
            not_after: at(2000),
            authority: false,
            client: true,
            server: true,
        }
    }

    #[test]
    fn certificates_count_from_their_beginning_to_their_end() {
        let facts = Facts {
            mesh: Some(Ok(())),
            files: vec![("`certificate` in [mesh.tls]", Ok(vec![certificate()]))],
        };
        let counted = |seconds| counts(&judge(&facts, at(seconds)));
        assert_eq!(counted(999), (1, 0));
        assert_eq!(counted(1000), (0, 0));
        assert_eq!(counted(1750), (0, 0));
        assert_eq!(counted(1751), (0, 1));
        assert_eq!(counted(2000), (1, 0));
    }

    #[test]
    fn what_does_not_fit_or_cannot_be_read_says_so() {
        let found = judge(
            &Facts {
                mesh: Some(Err("it may not speak for trades".to_owned())),
                files: vec![(
                    "`ca_file` in [broker]",
                    Err("ca.pem: no such file".to_owned()),
                )],
            },
            at(1500),
        );
        assert_eq!(counts(&found), (2, 0));
        assert!(
            saying(&found, "trades")
                .mend
                .as_ref()
                .unwrap()
                .contains("outcry certs")
        );
        assert_eq!(counts(&judge(&Facts::default(), at(0))), (0, 0));
    }

    #[test]
    fn what_outcry_certs_makes_is_fine_for_the_service_it_was_made_for() {
        let folder = tempfile::tempdir().unwrap();
        let line = ["outcry", "certs", "all", folder.path().to_str().unwrap()];
        let Command::Certs(asked) = Arguments::parse_from(line).command else {
            unreachable!("another command");
        };
        certs::run(asked, Output::plain()).unwrap();
        let mut config = Config::default();
        config.mesh.tls.certificate = folder.path().join("orders/certificate.pem");
        config.mesh.tls.key = folder.path().join("orders/key.pem");
        config.mesh.tls.authorities = folder.path().join("authorities.pem");
        let fine = judge(&gather(&config, &["orders"]), SystemTime::now());
        assert_eq!(counts(&fine), (0, 0), "{fine:#?}");
        // One service's certificate is not that of all.
        let found = judge(&gather(&config, &NAMES), SystemTime::now());
        assert_eq!(counts(&found), (1, 0), "{found:#?}");
    }
}
