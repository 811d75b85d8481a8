//! Which key the processes of this service sign with: all the same, or one of them does not start.
//!
//! The key is a file, and every process reads its own copy of it. With two keys, a token would
//! count or not depending on which process was asked for the published keys. So each process keeps
//! a row that says what it signs with, and looks at the rows of the others before it signs.

use std::time::{Duration, SystemTime};

use outcry_service::Context;
use outcry_store::{Commit, CommitError, Scan, ViewWrite};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::keys::StartError;

/// View of [`Signer`]s, by an id of their own.
const SIGNERS: &str = "signers";

/// How long a row counts that is not renewed: after a crash of all processes, another key counts
/// no sooner.
const COUNTS_FOR: Duration = Duration::from_secs(30);

/// How often a row is renewed: one or two failures in a row do no harm.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// Rows looked at: far more than there are processes, with those that crashed lately.
const ROWS_MAX: usize = 1_000;

/// A process that signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signer {
    /// Id of its key.
    kid: String,
    /// The row counts until then.
    until: SystemTime,
}

/// This process's place among them.
pub(crate) struct Signing {
    ctx: Context,
    id: String,
    kid: String,
}

// === impl Signing ===

impl Signing {
    /// Takes a place, unless somebody signs with another key.
    ///
    /// # Errors
    /// [`StartError::OtherKey`], or the store fails.
    pub(crate) async fn begin(ctx: Context, kid: &str) -> Result<Signing, StartError> {
        let signing = Signing {
            id: ctx.clock.new_id().to_string(),
            kid: kid.to_owned(),
            ctx,
        };
        // First written, then looked: of two who begin at the same time, at least one sees the other.
        signing.renew().await.map_err(StartError::Signers)?;
        match signing.other_key().await {
            Ok(None) => Ok(signing),
            Ok(Some(theirs)) => {
                signing.end().await;
                let ours = signing.kid;
                Err(StartError::OtherKey { ours, theirs })
            }
            Err(error) => Err(StartError::Signers(error)),
        }
    }

    /// Keeps the place until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            if let Err(error) = self.renew().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "noting the signing key failed");
            }
        }
        self.end().await;
    }

    async fn renew(&self) -> Result<(), CommitError> {
        let signer = Signer {
            kid: self.kid.clone(),
            until: self.ctx.clock.now() + COUNTS_FOR,
        };
        let write = ViewWrite::put(SIGNERS, self.id.clone(), &signer)?;
        self.write(vec![write]).await
    }

    /// Another key that somebody signs with. Rows that no longer count are cleared away.
    async fn other_key(&self) -> Result<Option<String>, CommitError> {
        let rows = self
            .ctx
            .store
            .scan(&Scan::new(SIGNERS).limit(ROWS_MAX))
            .await?;
        let now = self.ctx.clock.now();
        let (mut other, mut over) = (None, Vec::new());
        for row in &rows {
            let signer: Signer = row.decode()?;
            if signer.until <= now {
                over.push(ViewWrite::delete(SIGNERS, row.key.clone()));
            } else if signer.kid != self.kid {
                other = Some(signer.kid);
            }
        }
        self.write(over).await?;
        Ok(other)
    }

    async fn end(&self) {
        let gone = ViewWrite::delete(SIGNERS, self.id.clone());
        if let Err(error) = self.write(vec![gone]).await {
            // It stops to count by itself.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "giving the signing key's row up failed");
        }
    }

    async fn write(&self, views: Vec<ViewWrite>) -> Result<(), CommitError> {
        let commit = Commit {
            views,
            ..Commit::default()
        };
        self.ctx.store.commit(commit).await
    }
}
