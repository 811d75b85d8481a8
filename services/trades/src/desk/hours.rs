//! What the market allows: by its hours, and by what administrators say.
//!
//! The hours have the market open and close. What an administrator says holds until they do so
//! the next time; only a halt outlasts them, until trading is resumed.

use outcry_contracts::trades::v1::{SessionChangedEvent, SessionState};
use outcry_events::Cause;

use super::{Desk, NoEffect, Pen, SetSession, Told, Unwritable, Verdict};
use crate::book::{Command, Refusal, Session};
use crate::trade::VENUE;
use crate::views::{PhaseRow, SessionRequest};

impl Desk {
    /// Has the market open or close if its hours say so since the desk looked last; whether they
    /// did.
    pub(crate) fn keep_hours(&mut self, pen: &mut Pen<'_>) -> Result<bool, Unwritable> {
        let phase = self.market.schedule.phase_at(pen.at).map(PhaseRow::from);
        if phase == self.row.phase || !self.market.listed {
            return Ok(false);
        }
        self.row.phase = phase;
        pen.batch.row_changed();
        if self.book.session() != Session::Halted {
            // Hours that are no more leave the market open.
            let session = phase.map_or(Session::Open, PhaseRow::session);
            let cause = Cause::root(pen.clock.new_id(), VENUE);
            self.change_session(session, "trading hours", &cause, pen)?;
        }
        Ok(true)
    }

    /// Does what an administrator asks for.
    pub(super) fn set_session(
        &mut self,
        asked: &SetSession,
        cause: &Cause,
        told: Told,
        pen: &mut Pen<'_>,
    ) -> Result<Verdict, Unwritable> {
        if let Some(request_id) = asked.request_id {
            let request = SessionRequest {
                symbol: self.market.symbol.clone(),
                state: state_of(asked.session).into(),
                reason: asked.reason.clone(),
            };
            match told.request.as_ref().or(pen.batch.request(request_id)) {
                Some(earlier) if *earlier == request => return Ok(Ok(None)),
                Some(_) => return Ok(Err(NoEffect::RequestReused)),
                None => pen.batch.note_request(request_id, request)?,
            }
        }
        if !self.market.listed && asked.session == Session::Open {
            return Ok(Err(Refusal::Halted.into()));
        }
        self.change_session(asked.session, &asked.reason, cause, pen)?;
        Ok(Ok(None))
    }

    /// Gives the market back to its hours.
    pub(super) fn resume(
        &mut self,
        cause: &Cause,
        pen: &mut Pen<'_>,
    ) -> Result<Verdict, Unwritable> {
        if !self.market.listed {
            return Ok(Err(Refusal::Halted.into()));
        }
        let phase = self.market.schedule.phase_at(pen.at);
        let session = phase.map_or(Session::Open, |phase| phase.session);
        self.change_session(session, "", cause, pen)?;
        Ok(Ok(None))
    }

    fn change_session(
        &mut self,
        session: Session,
        reason: &str,
        cause: &Cause,
        pen: &mut Pen<'_>,
    ) -> Result<(), Unwritable> {
        let old = self.book.session();
        let events = self.book.decide(pen.at, &Command::SetSession(session));
        // It is no request about an order, so it is not rejected.
        for event in events.unwrap_or_default() {
            self.book.evolve(&event);
            self.sessions += 1;
            let changed = SessionChangedEvent {
                symbol: self.market.symbol.clone(),
                old_state: state_of(old).into(),
                new_state: state_of(session).into(),
                reason: reason.to_owned(),
                venue_sequence: self.book.venue_seq(),
            };
            pen.write_session(&changed, self.sessions, cause)?;
            self.row.halted = session == Session::Halted;
            self.row.session = state_of(session).into();
            reason.clone_into(&mut self.row.reason);
        }
        Ok(())
    }
}

/// A session as the contract has it.
pub(crate) fn state_of(session: Session) -> SessionState {
    match session {
        Session::Open => SessionState::Open,
        Session::Halted => SessionState::Halted,
        Session::CancelOnly => SessionState::CancelOnly,
        Session::PostOnly => SessionState::PostOnly,
        Session::Closed => SessionState::Closed,
    }
}

/// A session of the contract as the book has it.
pub(crate) fn session_of(state: SessionState) -> Option<Session> {
    match state {
        SessionState::Unspecified => None,
        SessionState::Open => Some(Session::Open),
        SessionState::Halted => Some(Session::Halted),
        SessionState::CancelOnly => Some(Session::CancelOnly),
        SessionState::PostOnly => Some(Session::PostOnly),
        SessionState::Closed => Some(Session::Closed),
    }
}
