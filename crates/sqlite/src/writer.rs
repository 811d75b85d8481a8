//! The thread that writes: it takes queued jobs and commits them in groups.

mod checkpoints;
mod group;
mod job;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use self::checkpoints::Checkpoints;
use self::group::run_group;
pub use self::job::Undo;
use self::job::{Job, Task};
use crate::error::Error;
use crate::lock::Lock;

/// Jobs waiting for the writer. Enough for several full groups; whoever comes then waits outside.
const QUEUE_MAX: usize = 1024;

/// What the writer thread is told.
enum Order {
    Run(Box<dyn Job>),
    Close(oneshot::Sender<Result<(), Error>>),
}

/// Handle of the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Taken away when the handle goes, which ends the thread.
    orders: Option<mpsc::Sender<Order>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

// === impl Writer ===

impl Writer {
    /// Starts the thread; `copier` is for the one beside it that copies the log.
    pub(crate) fn start(
        connection: Connection,
        copier: Connection,
        lock: Lock,
    ) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE_MAX);
        let checkpoints = Checkpoints::start(copier)?;
        let thread = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || work(queue, connection, checkpoints, lock))?;
        Ok(Self {
            orders: Some(orders),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) async fn write<T, E>(
        &self,
        undo: Undo,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (task, answer) = Task::new(undo, job, then);
        self.send(Order::Run(Box::new(task))).await?;
        // The thread answers every job it takes; it drops them only when it has ended.
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// Lets the thread finish its queue and end.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let (sender, answer) = oneshot::channel();
        if self.send(Order::Close(sender)).await.is_err() {
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }

    async fn send(&self, order: Order) -> Result<(), Error> {
        match &self.orders {
            Some(orders) => orders.send(order).await.map_err(|_| Error::Closed),
            None => Err(Error::Closed),
        }
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that whoever opens the file next finds it free.
    fn drop(&mut self) {
        drop(self.orders.take());
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else { return };
        // The last handle may go inside a job; that thread cannot wait for itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            error!("the database writer ended with a panic");
        }
    }
}

/// The thread. Ends when told to, or when the last handle has gone and the queue is empty.
fn work(
    mut queue: mpsc::Receiver<Order>,
    connection: Connection,
    mut checkpoints: Checkpoints,
    lock: Lock,
) {
    Checkpoints::watch(&connection);
    let mut closing = None;
    while let Some(order) = queue.blocking_recv() {
        let first = match order {
            Order::Run(job) => job,
            Order::Close(answer) => {
                closing = Some(answer);
                break;
            }
        };
        closing = run_group(&connection, first, || match queue.try_recv() {
            Ok(Order::Run(job)) => group::Next::Job(job),
            Ok(Order::Close(answer)) => group::Next::Close(answer),
            Err(_) => group::Next::None,
        });
        if closing.is_some() {
            break;
        }
        checkpoints.look(&connection);
    }
    queue.close();
    checkpoints.end();
    let folded = fold_log(&connection);
    // Free the file before saying so.
    drop(connection);
    drop(lock);
    if let Some(answer) = closing {
        // Nobody to tell is fine: closing has happened all the same.
        let _ = answer.send(folded);
    }
}

fn fold_log(connection: &Connection) -> Result<(), Error> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(Error::from)
}
