//! Orders, and the requests about them.

use std::time::SystemTime;

use outcry_contracts::orders::v1::{
    CancelReason, OrderTerms, OrderType, SelfTradePrevention, Side, TimeInForce,
};
use outcry_contracts::trades::v1::{CancelTradeRequest, ReplaceTradeRequest, SubmitOrderRequest};
use outcry_contracts::types::v1::Money;
use outcry_events::Cause;
use outcry_mesh::correlate;
use tonic::Request;
use uuid::Uuid;

use crate::floor::{ACME, wire};

/// An order of its own flow and owner, made from a small number.
#[derive(Clone)]
pub struct Order {
    pub id: Uuid,
    pub owner: Uuid,
    pub flow: Uuid,
    pub terms: OrderTerms,
    pub protection: Option<Money>,
}

pub fn buy(number: u128, quantity: i64, price: &str) -> Order {
    order(number, Side::Buy, quantity, price)
}

pub fn sell(number: u128, quantity: i64, price: &str) -> Order {
    order(number, Side::Sell, quantity, price)
}

fn order(number: u128, side: Side, quantity: i64, price: &str) -> Order {
    Order {
        id: Uuid::from_u128(0xa000 + number),
        owner: Uuid::from_u128(0xb000 + number),
        flow: Uuid::from_u128(0xc000 + number),
        terms: OrderTerms {
            symbol: ACME.into(),
            side: side.into(),
            r#type: OrderType::Limit.into(),
            quantity,
            limit_price: wire(price),
            time_in_force: TimeInForce::Gtc.into(),
            post_only: false,
            ..Default::default()
        },
        protection: wire(price),
    }
}

impl Order {
    pub fn tif(mut self, tif: TimeInForce) -> Order {
        self.terms.time_in_force = tif.into();
        self
    }

    pub fn market(mut self) -> Order {
        self.terms.r#type = OrderType::Market.into();
        self.terms.limit_price = None;
        self
    }

    pub fn post_only(mut self) -> Order {
        self.terms.post_only = true;
        self
    }

    /// Waits for the price.
    pub fn stop(mut self, price: &str) -> Order {
        let is_market = self.terms.r#type() == OrderType::Market;
        let kind = match is_market {
            true => OrderType::Stop,
            false => OrderType::StopLimit,
        };
        self.terms.r#type = kind.into();
        self.terms.stop_price = wire(price);
        self
    }

    pub fn until(mut self, at: SystemTime) -> Order {
        self.terms.expires_at = Some(at.into());
        self.tif(TimeInForce::Gtd)
    }

    pub fn prevents(mut self, prevention: SelfTradePrevention) -> Order {
        self.terms.self_trade_prevention = prevention.into();
        self
    }

    pub fn of_portfolio(mut self, portfolio: Uuid) -> Order {
        self.terms.portfolio_id = portfolio.to_string();
        self
    }

    pub fn symbol(mut self, symbol: &str) -> Order {
        self.terms.symbol = symbol.into();
        self
    }

    pub fn owned_by(mut self, other: &Order) -> Order {
        self.owner = other.owner;
        self
    }

    fn request<T>(&self, body: T) -> Request<T> {
        let mut request = Request::new(body);
        let mut cause = Cause::root(self.flow, "service:orders");
        cause.causation_id = Some(self.validated_id());
        correlate(&mut request, &cause);
        request
    }

    /// Hands the order to the venue.
    pub fn submission(&self) -> Request<SubmitOrderRequest> {
        self.request(SubmitOrderRequest {
            order_id: self.id.to_string(),
            user_id: self.owner.to_string(),
            terms: Some(self.terms.clone()),
            protection_price: self.protection.clone(),
        })
    }

    /// Takes the order out.
    pub fn cancellation(&self) -> Request<CancelTradeRequest> {
        self.request(CancelTradeRequest {
            order_id: self.id.to_string(),
            user_id: self.owner.to_string(),
            symbol: self.terms.symbol.clone(),
            reason: CancelReason::User.into(),
        })
    }

    /// Gives the order new terms.
    pub fn replacement(
        &self,
        revision: u32,
        quantity: i64,
        price: &str,
    ) -> Request<ReplaceTradeRequest> {
        self.request(ReplaceTradeRequest {
            order_id: self.id.to_string(),
            user_id: self.owner.to_string(),
            symbol: self.terms.symbol.clone(),
            revision,
            quantity,
            limit_price: wire(price),
            ..Default::default()
        })
    }

    /// Gives a stop order that waits new terms.
    pub fn stop_replacement(
        &self,
        revision: u32,
        quantity: i64,
        price: &str,
        stop: &str,
    ) -> Request<ReplaceTradeRequest> {
        let mut request = self.replacement(revision, quantity, price);
        request.get_mut().stop_price = wire(stop);
        request
    }

    /// Id of the event that sends the order to the venue.
    pub fn validated_id(&self) -> Uuid {
        Uuid::from_u128(self.flow.as_u128() << 64)
    }
}
