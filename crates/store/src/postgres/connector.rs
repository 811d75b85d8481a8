//! How connections are made.

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::PostgresError;
use super::options::PostgresOptions;
use super::session::{Messages, Session, messages};

/// Tries to reach a silent server before the connection counts as broken.
const KEEPALIVE_TRIES: u32 = 3;

/// Makes connections to one database.
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    options: PostgresOptions,
    /// Statements every connection begins with.
    greeting: String,
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connector")
            .field("server", &self.server())
            .finish_non_exhaustive()
    }
}

// === impl Connector ===

impl Connector {
    /// Reads the URL. TLS is used, and the server's certificate checked, when its `sslmode` is
    /// `require` (or `verify-full`, which is the same here).
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self, PostgresError> {
        let url = url
            .replace("sslmode=verify-full", "sslmode=require")
            .replace("sslmode=verify-ca", "sslmode=require");
        // The error is not told: it could quote the password.
        let mut config: Config = url.parse().map_err(|_| PostgresError::Settings {
            reason: "it is not a URL such as postgres://role:password@host:5432/database"
                .to_owned(),
        })?;
        if config.get_hosts().is_empty() || config.get_dbname().is_none() {
            return Err(PostgresError::Settings {
                reason: "the URL names no host or no database".to_owned(),
            });
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(tls(options.root_certificates.as_deref())?),
            _ => {
                config.ssl_mode(SslMode::Disable);
                None
            }
        };
        config
            .connect_timeout(options.connect_timeout)
            .tcp_user_timeout(options.answer_timeout())
            .keepalives(true)
            .keepalives_idle(options.keepalive)
            .keepalives_interval(options.keepalive / KEEPALIVE_TRIES)
            .keepalives_retries(KEEPALIVE_TRIES)
            .application_name(&options.application_name);
        Ok(Self {
            config,
            tls,
            greeting: greeting(options),
            options: options.clone(),
        })
    }

    /// A connection for statements.
    pub(super) async fn connect(&self) -> Result<Session, PostgresError> {
        let (session, mut messages) = self.open().await?;
        tokio::spawn(async move {
            // Behind an error nothing comes; whoever waits for an answer learns it when the
            // messages are let go.
            while let Some(message) = messages.next().await {
                if let Err(error) = message {
                    tracing::debug!(%error, "a connection to the database has ended");
                    break;
                }
            }
        });
        let limit = self.options.connect_timeout;
        match tokio::time::timeout(limit, session.batch(&self.greeting)).await {
            Ok(greeted) => greeted.map(|()| session),
            Err(_) => Err(self.late()),
        }
    }

    /// A connection whose messages the caller reads.
    pub(super) async fn open(&self) -> Result<(Session, Messages), PostgresError> {
        let connecting = async {
            Ok(match &self.tls {
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    (client, messages(connection))
                }
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    (client, messages(connection))
                }
            })
        };
        let limit = self.options.connect_timeout;
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok((client, messages))) => {
                let session = Session::new(client, self.options.answer_timeout());
                Ok((session, messages))
            }
            Ok(Err(error)) => Err(self.refused(error)),
            Err(_) => Err(self.late()),
        }
    }

    /// Host and port, without anything secret.
    fn server(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}")
    }

    fn late(&self) -> PostgresError {
        PostgresError::Unreachable {
            server: self.server(),
            source: format!("no answer within {:?}", self.options.connect_timeout).into(),
        }
    }

    fn refused(&self, error: tokio_postgres::Error) -> PostgresError {
        let server = self.server();
        match error.code() {
            Some(code)
                if *code == SqlState::INVALID_PASSWORD
                    || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
            {
                PostgresError::Refused {
                    server,
                    role: self.config.get_user().unwrap_or_default().to_owned(),
                    source: error,
                }
            }
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => PostgresError::NoDatabase {
                database: self.config.get_dbname().unwrap_or_default().to_owned(),
                server,
            },
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => PostgresError::Full { server },
            Some(_) => PostgresError::Statement(error),
            None if error.source().is_none() => PostgresError::Statement(error),
            None => PostgresError::Unreachable {
                server,
                source: error.into(),
            },
        }
    }
}

/// What a connection is set to. Every statement of the store walks an index or a few rows; plans
/// made while a table was small must do so too, hence nothing that collects before it gives the first row. A commit is
/// durable when answered whatever the server's default is.
fn greeting(options: &PostgresOptions) -> String {
    let PostgresOptions {
        statement_timeout,
        lock_timeout,
        idle_in_transaction_timeout,
        ..
    } = options;
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {};
         SET idle_in_transaction_session_timeout = {};
         SET search_path = pg_catalog; SET default_transaction_isolation = 'read committed';
         SET enable_seqscan = off; SET enable_bitmapscan = off;
         SET enable_hashjoin = off; SET enable_mergejoin = off;
         SET jit = off; SET client_min_messages = warning;
         SELECT set_config('synchronous_commit', 'on', false)
         WHERE current_setting('synchronous_commit') = 'off'",
        statement_timeout.as_millis(),
        lock_timeout.as_millis(),
        idle_in_transaction_timeout.as_millis(),
    )
}

fn tls(root_certificates: Option<&Path>) -> Result<MakeRustlsConnect, PostgresError> {
    let unusable = |error: &dyn fmt::Display| PostgresError::Settings {
        reason: format!("TLS is asked for, but {error}"),
    };
    let mut roots = RootCertStore::empty();
    match root_certificates {
        Some(path) => {
            let unusable =
                |error: &dyn fmt::Display| unusable(&format!("{}: {error}", path.display()));
            let certificates = CertificateDer::pem_file_iter(path).map_err(|e| unusable(&e))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| unusable(&e))?;
                roots.add(certificate).map_err(|e| unusable(&e))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err(unusable(
            &"there are no certificates that vouch for a server",
        ));
    }
    // Named here, so that it does not matter what other crates have made the default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
