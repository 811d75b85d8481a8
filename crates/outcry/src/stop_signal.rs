//! The signals that ask a process to stop.

use std::time::Duration;

use anyhow::Context as _;

/// Listens for them, from the beginning: a signal that nobody listens to ends the process where it stands, or does
/// nothing where it is the first process of a container.
pub struct StopSignal {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

// === impl StopSignal ===

impl StopSignal {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system does not let us.
    #[cfg(unix)]
    pub fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Listens from now on.
    ///
    /// # Errors
    /// The system does not let us.
    #[cfg(windows)]
    pub fn listen() -> anyhow::Result<Self> {
        let interrupt = tokio::signal::windows::ctrl_c().context("listening for signals")?;
        Ok(Self { interrupt })
    }

    /// Waits until one comes; returns at once if one has come since we listen.
    pub async fn received(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(windows)]
        self.interrupt.recv().await;
    }

    /// Whether one comes before some time is over.
    pub async fn came_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.received()).await.is_ok()
    }

    /// What some work comes to; none if a signal comes first, and then the work is given up.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn unless_received<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Option<T>> {
        tokio::select! {
            biased;
            () = self.received() => Ok(None),
            outcome = work => outcome.map(Some),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_that_came_before_anybody_waited_gives_the_work_up() {
        let mut signal = StopSignal::listen().unwrap();
        let done = signal.unless_received(async { Ok(1) }).await.unwrap();
        assert_eq!(done, Some(1));
        let own = std::process::id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-TERM", &own])
            .status();
        assert!(sent.unwrap().success());
        let endless = std::future::pending::<anyhow::Result<u8>>();
        assert_eq!(signal.unless_received(endless).await.unwrap(), None);
    }
}
