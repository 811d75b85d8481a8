//! What a trade's terms mean to the book.

use outcry_contracts::orders::v1::{OrderType, SelfTradePrevention, Side, TimeInForce};
use outcry_store::timer;

use super::Trade;
use crate::book::{self, SelfTrade};
use crate::calendar::Schedule;

/// Terms the book has no meaning for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTerms {
    /// Neither side, type nor time in force may be left open.
    #[error("side, type and time in force must be given")]
    Incomplete,
    /// A limit order without a usable limit.
    #[error("a limit order needs a limit price with at most four decimals")]
    NoLimit,
    /// A market order that could pay any price.
    #[error("a market buy needs a protection price")]
    NoProtection,
    /// A stop order without a usable stop price.
    #[error("a stop order needs a stop price with at most four decimals")]
    NoStop,
    /// A stop price for an order that does not wait.
    #[error("only a stop order has a stop price")]
    StrayStop,
    /// A good-till-date order without a date.
    #[error("a good-till-date order needs the time at which it expires")]
    NoExpiry,
    /// A date for an order with another end.
    #[error("only a good-till-date order has a time at which it expires")]
    StrayExpiry,
    /// A day order of a venue that never opens.
    #[error("there is no session that a day order could be good for")]
    NoSession,
}

impl Trade {
    /// Its terms as the book takes them. `tick` is the least price step, in ten-thousandths.
    pub(crate) fn book_terms(
        &self,
        schedule: &Schedule,
        tick: i64,
    ) -> Result<book::Terms, BadTerms> {
        let side = match self.side() {
            Side::Buy => book::Side::Buy,
            Side::Sell => book::Side::Sell,
            Side::Unspecified => return Err(BadTerms::Incomplete),
        };
        let (is_limit, waits) = match self.order_type() {
            OrderType::Limit => (true, false),
            OrderType::StopLimit => (true, true),
            OrderType::Market => (false, false),
            OrderType::Stop => (false, true),
            OrderType::Unspecified => return Err(BadTerms::Incomplete),
        };
        let pricing = if is_limit {
            book::Pricing::Limit(self.limit_price.ok_or(BadTerms::NoLimit)?)
        } else {
            let collar = self.collar(side, tick).ok_or(BadTerms::NoProtection)?;
            book::Pricing::Market { collar }
        };
        let stop = match (waits, self.stop_price) {
            (true, None) => return Err(BadTerms::NoStop),
            (false, Some(_)) => return Err(BadTerms::StrayStop),
            (_, stop) => stop,
        };
        Ok(book::Terms {
            order_id: self.order_id,
            owner: self.user_id,
            side,
            pricing,
            stop,
            quantity: self.quantity,
            time_in_force: self.book_time_in_force(schedule)?,
            post_only: self.post_only,
            self_trade: match self.self_trade_prevention() {
                SelfTradePrevention::Unspecified | SelfTradePrevention::CancelNewest => {
                    SelfTrade::CancelNewest
                }
                SelfTradePrevention::CancelOldest => SelfTrade::CancelOldest,
                SelfTradePrevention::CancelBoth => SelfTrade::CancelBoth,
                SelfTradePrevention::Decrement => SelfTrade::Decrement,
            },
        })
    }

    fn book_time_in_force(&self, schedule: &Schedule) -> Result<book::TimeInForce, BadTerms> {
        let time_in_force = self.time_in_force();
        if self.expires_ns.is_some() && time_in_force != TimeInForce::Gtd {
            return Err(BadTerms::StrayExpiry);
        }
        Ok(match time_in_force {
            TimeInForce::Day => {
                let close = schedule.close_after(self.created_at());
                book::TimeInForce::GoodUntil(close.ok_or(BadTerms::NoSession)?)
            }
            TimeInForce::Gtd => {
                let expires = self.expires_ns.ok_or(BadTerms::NoExpiry)?;
                book::TimeInForce::GoodUntil(timer::time_of(expires))
            }
            TimeInForce::Gtc => book::TimeInForce::GoodTillCancel,
            TimeInForce::Ioc => book::TimeInForce::ImmediateOrCancel,
            TimeInForce::Fok => book::TimeInForce::FillOrKill,
            TimeInForce::Unspecified => return Err(BadTerms::Incomplete),
        })
    }

    /// The worst price a market order may trade at: its protection price, drawn in to the tick.
    /// A sell without protection takes whatever there is.
    fn collar(&self, side: book::Side, tick: i64) -> Option<i64> {
        match (side, self.protection_price) {
            (_, Some(price)) => Some(drawn_in(side, price, tick)),
            (book::Side::Buy, None) => None,
            (book::Side::Sell, None) => Some(tick),
        }
    }

    /// A new price for the order: a limit as it is, a collar drawn in to the tick.
    pub(crate) fn price_in_tick(&self, price: i64, tick: i64) -> i64 {
        match (self.order_type(), self.side()) {
            (OrderType::Limit | OrderType::StopLimit | OrderType::Unspecified, _) => price,
            (OrderType::Market | OrderType::Stop, Side::Sell) => {
                drawn_in(book::Side::Sell, price, tick)
            }
            (OrderType::Market | OrderType::Stop, Side::Buy | Side::Unspecified) => {
                drawn_in(book::Side::Buy, price, tick)
            }
        }
    }
}

/// The nearest price in whole ticks that is no worse for the owner.
fn drawn_in(side: book::Side, price: i64, tick: i64) -> i64 {
    let beyond = price.rem_euclid(tick);
    match side {
        book::Side::Sell if beyond > 0 => price.saturating_add(tick - beyond),
        book::Side::Sell => price,
        book::Side::Buy => price - beyond,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use outcry_contracts::orders::v1::OrderTerms;
    use outcry_contracts::trades::v1::TradeCreatedEvent;
    use outcry_events::{Amount, Cause, Stamp, seal};
    use uuid::Uuid;

    use super::*;
    use crate::calendar::Calendar;
    use crate::trade::trade_id;

    /// Days that end at a time.
    fn schedule(end: &str) -> Schedule {
        Schedule {
            calendar: Calendar::default(),
            session_end: end.parse().unwrap(),
        }
    }

    /// An order received in the second second, with amounts as text.
    fn received(side: Side, kind: OrderType, limit: &str, protection: &str) -> Trade {
        let money = |text: &str| match text {
            "" => None,
            text => Some(text.parse::<Amount>().unwrap().to_money()),
        };
        let order_id = Uuid::from_u128(7);
        let created = TradeCreatedEvent {
            trade_id: trade_id(order_id).to_string(),
            order_id: order_id.to_string(),
            user_id: Uuid::from_u128(8).to_string(),
            symbol: "ACME".into(),
            terms: Some(OrderTerms {
                symbol: "ACME".into(),
                side: side.into(),
                r#type: kind.into(),
                quantity: 10,
                limit_price: money(limit),
                time_in_force: TimeInForce::Day.into(),
                post_only: false,
                ..Default::default()
            }),
            protection_price: money(protection),
        };
        let at = UNIX_EPOCH + Duration::from_secs(2);
        let stamp = Stamp {
            event_id: Uuid::from_u128(1),
            sequence: 1,
            occurred_at: at,
            recorded_at: at,
            cause: &Cause::root(Uuid::from_u128(9), "service:orders"),
        };
        Trade::born(&seal(&created, stamp).unwrap(), &created).unwrap()
    }

    fn pricing(
        side: Side,
        kind: OrderType,
        limit: &str,
        protection: &str,
    ) -> Result<i64, BadTerms> {
        let terms =
            received(side, kind, limit, protection).book_terms(&schedule("00:00:00"), 100)?;
        Ok(terms.limit())
    }

    #[test]
    fn a_day_order_is_good_until_the_session_it_came_in_ends() {
        let trade = received(Side::Buy, OrderType::Limit, "10.00", "");
        let terms = trade.book_terms(&schedule("00:00:03"), 100).unwrap();
        assert_eq!(
            terms.expires_at(),
            Some(UNIX_EPOCH + Duration::from_secs(3))
        );
    }

    #[test]
    fn a_collar_is_drawn_in_to_the_tick() {
        use OrderType::{Limit, Market};
        assert_eq!(pricing(Side::Buy, Limit, "10.00", "11.00"), Ok(100_000));
        assert_eq!(pricing(Side::Buy, Market, "", "10.0099"), Ok(100_000));
        assert_eq!(pricing(Side::Sell, Market, "", "10.0001"), Ok(100_100));
        assert_eq!(pricing(Side::Sell, Market, "", "10.00"), Ok(100_000));
        assert_eq!(pricing(Side::Sell, Market, "", ""), Ok(100));
    }

    #[test]
    fn an_order_without_the_price_it_needs_has_bad_terms() {
        assert_eq!(
            pricing(Side::Buy, OrderType::Market, "", ""),
            Err(BadTerms::NoProtection)
        );
        assert_eq!(
            pricing(Side::Sell, OrderType::Limit, "", "9.00"),
            Err(BadTerms::NoLimit)
        );
    }
}
