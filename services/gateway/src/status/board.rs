//! The newest picture of the platform, drawn while somebody looks: however many look, every replica
//! is asked once a second.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_contracts::operations::v1::{ServiceStatus, WatchStatusResponse};
use outcry_mesh::Directory;
use outcry_service::Clock;
use prost_types::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::rates::Rates;
use super::round::ask_all;

/// How often replicas are asked: as often as people can follow.
const EVERY: Duration = Duration::from_secs(1);

/// The newest picture. Cheap to clone; all clones are one board.
#[derive(Clone)]
pub(crate) struct Board {
    directory: Directory,
    clock: Arc<dyn Clock>,
    /// None while nobody looks, and until the first round is over.
    newest: watch::Sender<Option<WatchStatusResponse>>,
    /// Somebody has begun to look.
    looked_at: Arc<Notify>,
}

// === impl Board ===

impl Board {
    pub(crate) fn new(directory: Directory, clock: Arc<dyn Clock>) -> Self {
        Self {
            directory,
            clock,
            newest: watch::Sender::new(None),
            looked_at: Arc::default(),
        }
    }

    /// The newest picture and those to come, for as long as it is kept.
    pub(super) fn watch(&self) -> watch::Receiver<Option<WatchStatusResponse>> {
        let newest = self.newest.subscribe();
        self.looked_at.notify_one();
        newest
    }

    /// Draws pictures until `stop`, while somebody looks.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.looked_at.notified() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.draw() => {}
            }
        }
    }

    /// Draws until nobody looks any more. Then the last picture goes: it is old when somebody comes.
    async fn draw(&self) {
        let mut rates = Rates::default();
        let mut rounds = interval(EVERY);
        // After a slow round the next one is a second away, and not at once.
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.newest.receiver_count() > 0 {
            rounds.tick().await;
            let answers = ask_all(&self.directory).await;
            let services = rates.take(Instant::now(), answers);
            self.show(services, self.clock.now());
        }
        self.newest.send_replace(None);
    }

    /// Shows a picture unless it is the one that is there.
    fn show(&self, services: Vec<ServiceStatus>, at: SystemTime) {
        self.newest.send_if_modified(|newest| {
            let same = newest.as_ref().is_some_and(|one| one.services == services);
            if !same {
                let at = Some(Timestamp::from(at));
                *newest = Some(WatchStatusResponse { at, services });
            }
            !same
        });
    }
}

#[cfg(test)]
mod tests {
    use outcry_service::testing::FakeClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pictures_are_drawn_while_somebody_looks_and_not_kept_after() {
        let board = Board::new(Directory::new(), Arc::<FakeClock>::default());
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(board.clone().keep(stop.clone()));
        for _ in 0..2 {
            let mut looking = board.watch();
            let drawn = looking.wait_for(Option::is_some).await.unwrap().clone();
            assert_eq!(drawn.unwrap().services, []);
            drop(looking);
            // The clock goes on by itself: the round after the last look is the last one.
            tokio::time::sleep(EVERY * 3).await;
            assert!(board.newest.borrow().is_none());
        }
        stop.cancel();
        keeping.await.unwrap();
    }
}
