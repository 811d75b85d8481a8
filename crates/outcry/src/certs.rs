//! `outcry certs`: an authority of one's own and certificates signed by it, for development and trials.
//! A platform that is run for others has its certificates issued by what its orchestrator offers.

mod issuing;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use outcry_mesh::{CertificateFacts, SpiffeId, TrustDomain};
use serde_json::{Value, json};

use crate::arguments::{Certs, CertsIdentity};
use crate::arguments::{CertsAll, CertsAuthority, CertsIssue, CertsShow};
use crate::certs::issuing::{Authority, Files, Purpose};
use crate::output::Output;
use crate::services;
use crate::text;

/// Folder of the certificate for the public port.
const PUBLIC: &str = "public";

/// Names of the machine itself, by which its public port is reached.
const OWN_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// `outcry certs …`
///
/// # Errors
/// Files are there already, cannot be written, or are not certificates; the message says what to do.
pub fn run(certs: Certs, out: Output) -> anyhow::Result<()> {
    match certs {
        Certs::Authority(asked) => authority(&asked, out),
        Certs::Issue(asked) => issue(&asked, out),
        Certs::All(asked) => all(&asked, out),
        Certs::Show(asked) => show(&asked, out),
    }
}

fn authority(asked: &CertsAuthority, out: Output) -> anyhow::Result<()> {
    let authority = Authority::make(&asked.folder, days(asked.days), asked.force)?;
    report(&authority, &[authority.files()], out)
}

fn issue(asked: &CertsIssue, out: Output) -> anyhow::Result<()> {
    let authority = Authority::open(&asked.folder)?;
    let issued = identity(&authority, &asked.account, &asked.identity, &asked.dns)?;
    report(&authority, &[issued], out)
}

fn all(asked: &CertsAll, out: Output) -> anyhow::Result<()> {
    let mut written = Vec::new();
    let authority = if Authority::is_in(&asked.folder) {
        Authority::open(&asked.folder)?
    } else {
        let authority = Authority::make(&asked.folder, days(asked.authority_days), false)?;
        written.push(authority.files());
        authority
    };
    for service in services::NAMES {
        written.push(identity(&authority, service, &asked.identity, &[])?);
    }
    let hosts: Vec<String> = OWN_HOSTS.map(str::to_owned).to_vec();
    let purpose = Purpose::PublicPort { hosts: &hosts };
    let issued = authority.issue(
        PUBLIC,
        &purpose,
        days(asked.identity.days),
        asked.identity.force,
    )?;
    written.push(issued);
    report(&authority, &written, out)
}

fn identity(
    authority: &Authority,
    account: &str,
    asked: &CertsIdentity,
    hosts: &[String],
) -> anyhow::Result<Files> {
    ensure!(
        account != PUBLIC,
        "`{PUBLIC}` is the folder of the public port's certificate; choose another account"
    );
    let trust_domain: TrustDomain = asked.trust_domain.parse().context("--trust-domain")?;
    let id = SpiffeId::of_account(&trust_domain, &asked.namespace, account)
        .context("--namespace or --account")?;
    let purpose = Purpose::Process { id: &id, hosts };
    authority.issue(account, &purpose, days(asked.days), asked.force)
}

fn report(authority: &Authority, written: &[Files], out: Output) -> anyhow::Result<()> {
    if out.is_json() {
        let rows: Vec<Value> = written
            .iter()
            .map(|files| json!({ "certificate": files.certificate, "key": files.key }))
            .collect();
        return out.document(&json!({ "written": rows, "authorities": authority.bundle() }));
    }
    for files in written {
        out.line(format_args!(
            "wrote {} and its key",
            files.certificate.display()
        ))?;
    }
    out.line(format_args!(
        "believed are the authorities in {}",
        authority.bundle().display()
    ))
}

fn days(days: u16) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}

fn show(asked: &CertsShow, out: Output) -> anyhow::Result<()> {
    let facts = read(&asked.file)?;
    if out.is_json() {
        let rows: Vec<Value> = facts.iter().map(as_json).collect();
        return out.document(&Value::Array(rows));
    }
    for one in &facts {
        out.text(&described(one))?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<CertificateFacts>> {
    let pem = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let facts = CertificateFacts::read(&pem);
    match facts {
        Ok(facts) => Ok(facts),
        Err(error) => bail!(
            "{} holds no certificate in PEM: {error}; name a file with BEGIN CERTIFICATE in it",
            path.display()
        ),
    }
}

fn usages(facts: &CertificateFacts) -> Vec<&'static str> {
    let named = [
        (facts.authority, "authority"),
        (facts.client, "client"),
        (facts.server, "server"),
    ];
    let allowed = named.into_iter().filter(|(allowed, _)| *allowed);
    allowed.map(|(_, name)| name).collect()
}

/// The id a process is known by, when the certificate has one.
fn id(facts: &CertificateFacts) -> Option<SpiffeId> {
    match facts.uris.as_slice() {
        [uri] => uri.parse().ok(),
        _ => None,
    }
}

fn as_json(facts: &CertificateFacts) -> Value {
    json!({
        "id": id(facts).map(|id| id.to_string()),
        "subject": facts.subject,
        "issuer": facts.issuer,
        "hosts": facts.hosts,
        "not_before": text::system_time(facts.not_before),
        "not_after": text::system_time(facts.not_after),
        "usages": usages(facts),
    })
}

fn described(facts: &CertificateFacts) -> String {
    let name = id(facts).map_or_else(|| facts.subject.clone(), |id| id.to_string());
    let mut lines = format!("{name}\n  issued by   {}\n", facts.issuer);
    if !facts.hosts.is_empty() {
        lines.push_str(&format!("  hosts       {}\n", facts.hosts.join(", ")));
    }
    lines.push_str(&format!(
        "  not before  {}\n  not after   {}\n  usages      {}\n",
        text::system_time(facts.not_before),
        text::system_time(facts.not_after),
        usages(facts).join(", "),
    ));
    lines
}

#[cfg(test)]
mod tests;
