//! What can be set: how mail leaves, and where webhooks may go.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The mail server that messages leave by.
    pub email: EmailConfig,
    /// Where signed messages to users' own servers may go.
    pub webhooks: WebhookConfig,
}

/// The mail server that messages leave by. Without a URL there is none, and users cannot choose
/// e-mail.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmailConfig {
    /// `smtp://host` or `smtp://host:port`; empty for no e-mail.
    pub url: String,
    /// How the connection is kept from others.
    pub encryption: Encryption,
    /// Who messages are from: `notices@example.com` or `Outcry <notices@example.com>`.
    pub from: String,
    /// Whom to sign in as; empty for not signing in.
    pub user: String,
    /// The password to sign in with.
    pub password: String,
    /// File with the password, instead of the password itself.
    pub password_file: PathBuf,
    /// File with further certificates (PEM) to trust, for a server with a private authority.
    pub ca_file: PathBuf,
}

/// How a connection to the mail server is kept from others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Begun in the clear and encrypted before anything is said; port 587 unless told otherwise.
    #[default]
    Starttls,
    /// Encrypted from the start; port 465 unless told otherwise.
    Tls,
    /// Not at all; port 25 unless told otherwise. No password is sent this way, except to this
    /// machine itself.
    None,
}

/// Where signed messages to users' own servers may go: `https` on the internet, unless more is
/// allowed here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// This machine itself too, also by plain `http`. For trying things out.
    pub loopback: bool,
    /// Addresses of private networks, too: users can then make this service call whatever is
    /// reachable from it by `https`.
    pub private_networks: bool,
    /// File with further certificates (PEM) to trust.
    pub ca_file: PathBuf,
}

/// Without the password.
impl fmt::Debug for EmailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailConfig")
            .field("url", &self.url)
            .field("encryption", &self.encryption)
            .field("from", &self.from)
            .field("user", &self.user)
            .field("password_file", &self.password_file)
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The mail server's URL is none.
    #[error("email.url `{url}` is not `smtp://host` or `smtp://host:port`")]
    MailUrl {
        /// What was given.
        url: String,
    },
    /// The sender's address is none.
    #[error("email.from is not an address such as `Outcry <notices@example.com>`")]
    MailFrom(#[source] lettre::address::AddressError),
    /// There is a password in two places.
    #[error("email.password and email.password_file are both given; give one of them")]
    TwoPasswords,
    /// The password would go over the network for everybody to read.
    #[error(
        "email.encryption is `none`, so no password may be sent to {host}: choose `starttls` or \
         `tls`, or remove email.user"
    )]
    OpenPassword {
        /// Host of the mail server.
        host: String,
    },
    /// A file cannot be read.
    #[error("{setting} {path} cannot be read")]
    File {
        /// Name of the setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file holds no certificates.
    #[error("{setting} {path} holds no certificates in PEM")]
    Certificates {
        /// Name of the setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Encryption cannot be set up.
    #[error("setting up encryption to the mail server")]
    MailTls(#[source] lettre::transport::smtp::Error),
}
