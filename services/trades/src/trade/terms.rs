//! What a trade's terms mean to the book.

use outcry_contracts::orders::v1::{OrderType, Side, TimeInForce};

use super::Trade;
use crate::book;
use crate::session::SessionEnd;

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
}

impl Trade {
    /// Its terms as the book takes them. `tick` is the least price step, in ten-thousandths.
    pub(crate) fn book_terms(
        &self,
        session: SessionEnd,
        tick: i64,
    ) -> Result<book::Terms, BadTerms> {
        let side = match self.side() {
            Side::Buy => book::Side::Buy,
            Side::Sell => book::Side::Sell,
            Side::Unspecified => return Err(BadTerms::Incomplete),
        };
        let pricing = match self.order_type() {
            OrderType::Limit => book::Pricing::Limit(self.limit_price.ok_or(BadTerms::NoLimit)?),
            OrderType::Market => book::Pricing::Market {
                collar: self.collar(side, tick).ok_or(BadTerms::NoProtection)?,
            },
            OrderType::Unspecified | OrderType::Stop | OrderType::StopLimit => {
                return Err(BadTerms::Incomplete);
            }
        };
        let time_in_force = match self.time_in_force() {
            TimeInForce::Day => book::TimeInForce::GoodUntil(session.after(self.created_at())),
            TimeInForce::Gtc => book::TimeInForce::GoodTillCancel,
            TimeInForce::Ioc => book::TimeInForce::ImmediateOrCancel,
            TimeInForce::Fok => book::TimeInForce::FillOrKill,
            TimeInForce::Unspecified | TimeInForce::Gtd => return Err(BadTerms::Incomplete),
        };
        Ok(book::Terms {
            order_id: self.order_id,
            owner: self.user_id,
            side,
            pricing,
            quantity: self.quantity,
            time_in_force,
            post_only: self.post_only,
        })
    }

    /// The worst price a market order may trade at: its protection price, drawn in to the tick.
    /// A sell without protection takes whatever there is.
    fn collar(&self, side: book::Side, tick: i64) -> Option<i64> {
        let beyond = |price: i64| price.rem_euclid(tick);
        match (side, self.protection_price) {
            (book::Side::Buy, price) => price.map(|price| price - beyond(price)),
            (book::Side::Sell, Some(price)) if beyond(price) > 0 => {
                price.checked_add(tick - beyond(price))
            }
            (book::Side::Sell, Some(price)) => Some(price),
            (book::Side::Sell, None) => Some(tick),
        }
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
    use crate::trade::trade_id;

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
            received(side, kind, limit, protection).book_terms(SessionEnd::default(), 100)?;
        Ok(terms.limit())
    }

    #[test]
    fn a_day_order_is_good_until_the_session_it_came_in_ends() {
        let trade = received(Side::Buy, OrderType::Limit, "10.00", "");
        let terms = trade.book_terms("00:00:03".parse().unwrap(), 100).unwrap();
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
