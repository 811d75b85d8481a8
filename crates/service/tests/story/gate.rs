//! A gate that holds up whoever comes by first, for as long as a story wants.

use std::sync::Arc;

use tokio::sync::watch;

/// All clones are one.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<State>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Everybody passes.
    Lifted,
    /// Who comes by next is held up.
    Set,
    /// Somebody is being held up, with this in hand; all others pass.
    Holding(String),
    /// Who was held up goes on.
    Open,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::Lifted)))
    }
}

impl Gate {
    /// Holds up whoever comes by next.
    pub fn set(&self) {
        self.0.send_replace(State::Set);
    }

    /// Waits until somebody is held up; what it has in hand.
    pub async fn held_up(&self) -> String {
        let mut state = self.0.subscribe();
        loop {
            if let State::Holding(thing) = &*state.borrow_and_update() {
                return thing.clone();
            }
            state.changed().await.unwrap();
        }
    }

    /// Lets who is held up go on.
    pub fn open(&self) {
        self.0.send_replace(State::Open);
    }

    /// Comes by with `thing` in hand.
    pub async fn pass(&self, thing: &str) {
        let is_first = self.0.send_if_modified(|state| {
            let is_set = *state == State::Set;
            if is_set {
                *state = State::Holding(thing.to_owned());
            }
            is_set
        });
        if is_first {
            let mut state = self.0.subscribe();
            state.wait_for(|state| *state == State::Open).await.unwrap();
        }
    }
}
