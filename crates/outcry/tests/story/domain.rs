//! A working day: everything that a trader and an administrator can do, through the public API of
//! one platform, and what it adds up to.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use outcry_contracts::funds::v1::{
    GetWithdrawalRequest, ListAccountsRequest, VerifyAccountRequest, WithdrawRequest,
    WithdrawalStatus,
};
use outcry_contracts::ledger::v1::{ReconcileRequest, VerifyJournalRequest};
use outcry_contracts::orders::v1::{
    CancelAllOrdersRequest, CancelReason, GetOrderRequest, ListOrdersRequest, Order, OrderStatus,
    OrderTerms, OrderType, RejectReason, SelfTradePrevention, Side, StreamOrderUpdatesRequest,
    StreamOrderUpdatesResponse, TimeInForce,
};
use outcry_contracts::portfolio::v1::{CreatePortfolioRequest, ListPositionsRequest};
use outcry_contracts::trades::v1::{
    BookLevel, GetBookRequest, HaltSymbolRequest, ListExecutionsRequest, ResumeSymbolRequest,
    SessionState, StreamBookRequest, StreamBookResponse, StreamTapeRequest, StreamTapeResponse,
};
use outcry_contracts::users::v1::{GetMeRequest, SetUserStatusRequest, UserStatus};
use outcry_events::Amount;
use tonic::Code;
use tonic::transport::Channel;

use super::outcry::Outcry;
use super::person::{
    self, Followed, Person, amount, arrives, connect, deposit, fresh, issue, money, place, reason,
};

/// What is traded.
const SYMBOL: &str = "AAPL";

/// Cash each trader deposits.
const CASH: &str = "100000";

/// How long the order that expires is good for.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// Signs the seller in.
const BOB: (&str, &str) = ("bob@story.example", "correct horse battery");

/// Who is there.
struct Market {
    channel: Channel,
    admin: Person,
    /// Buys.
    ada: Person,
    /// Sells.
    bob: Person,
}

/// Streams that go on through the day.
struct Watching {
    updates: Followed<StreamOrderUpdatesResponse>,
    tape: Followed<StreamTapeResponse>,
    book: Followed<StreamBookResponse>,
}

/// Shares by price, in ten-thousandths.
type Levels = BTreeMap<i64, i64>;

/// A book put together from a stream.
struct Book {
    bids: Levels,
    asks: Levels,
    sequence: u64,
}

/// A limit order that rests until it is cancelled.
fn limit(side: Side, quantity: i64, price: &str) -> OrderTerms {
    person::limit(SYMBOL, side, quantity, price)
}

/// An order once it has this status.
async fn order_with(person: &Person, order_id: &str, status: OrderStatus) -> Order {
    let request = GetOrderRequest {
        order_id: order_id.to_owned(),
    };
    arrives(status.as_str_name(), async || {
        let shown = person.orders().get_order(request.clone()).await.unwrap();
        let order = shown.into_inner().order.unwrap();
        (order.status() == status).then_some(order)
    })
    .await
}

fn average(order: &Order) -> Amount {
    Amount::from_required(order.average_price.as_ref()).unwrap()
}

async fn open_orders(person: &Person, user_id: &str) -> Vec<Order> {
    let request = ListOrdersRequest {
        open_only: true,
        user_id: user_id.to_owned(),
        ..ListOrdersRequest::default()
    };
    let listed = person.orders().list_orders(request).await.unwrap();
    listed.into_inner().orders
}

fn withdrawal(units: &str) -> WithdrawRequest {
    WithdrawRequest {
        request_id: fresh(),
        amount: money(units),
        destination_last4: "4711".to_owned(),
    }
}

async fn withdraw_until_done(person: &Person, units: &str) {
    let asked = person.funds().withdraw(withdrawal(units)).await.unwrap();
    let withdrawal_id = asked.into_inner().withdrawal_id;
    arrives("the payout", async || {
        let withdrawal_id = withdrawal_id.clone();
        let shown = person
            .funds()
            .get_withdrawal(GetWithdrawalRequest { withdrawal_id })
            .await
            .unwrap();
        let status = shown.into_inner().withdrawal.unwrap().status();
        assert_ne!(status, WithdrawalStatus::Void);
        (status == WithdrawalStatus::Done).then_some(())
    })
    .await;
}

// === impl Market ===

impl Market {
    /// Registers everybody; money and shares come in.
    async fn open(outcry: &Outcry) -> Self {
        let channel = connect(&outcry.data()).await;
        let admin = Person::administrator(&channel, &outcry.data()).await;
        let password = "wrong staple battery";
        let ada = Person::register(&channel, "ada@story.example", password, "Ada").await;
        let bob = Person::register(&channel, BOB.0, BOB.1, "Bob").await;
        for person in [&ada, &bob] {
            deposit(person, CASH).await;
            person.has_cash(CASH, "0").await;
        }
        issue(&admin, &bob, SYMBOL, 1_000).await;
        Self {
            channel,
            admin,
            ada,
            bob,
        }
    }

    /// A withdrawal is paid out; one of more than there is, is refused.
    async fn money_leaves(&self) {
        withdraw_until_done(&self.ada, "250").await;
        self.ada.has_cash("99750", "0").await;
        let refused = self.ada.funds().withdraw(withdrawal("99750.01")).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        self.ada.has_cash("99750", "0").await;
    }

    /// A stop order sleeps until a trade at its price, then it is filled.
    async fn a_stop_order_is_woken_and_filled(&self) {
        let first = place(&self.bob, limit(Side::Sell, 10, "100")).await;
        let second = place(&self.bob, limit(Side::Sell, 10, "101")).await;
        let stop = OrderTerms {
            r#type: OrderType::Stop.into(),
            limit_price: None,
            stop_price: money("100"),
            ..limit(Side::Buy, 5, "100")
        };
        let stop = place(&self.ada, stop).await;
        let asleep = order_with(&self.ada, &stop.order_id, OrderStatus::Open).await;
        assert!(!asleep.triggered, "{asleep:?}");

        let buy = place(&self.ada, limit(Side::Buy, 10, "100")).await;

        let bought = order_with(&self.ada, &buy.order_id, OrderStatus::Filled).await;
        assert_eq!(average(&bought), amount("100"));
        let woken = order_with(&self.ada, &stop.order_id, OrderStatus::Filled).await;
        assert!(woken.triggered, "{woken:?}");
        assert_eq!(average(&woken), amount("101"));
        order_with(&self.bob, &first.order_id, OrderStatus::Filled).await;
        let rest = order_with(&self.bob, &second.order_id, OrderStatus::PartiallyFilled).await;
        assert_eq!(rest.leaves_quantity, 5);
    }

    /// An order that is good until a time ends then, by itself, and nothing stays locked.
    async fn an_order_expires(&self) {
        let terms = OrderTerms {
            time_in_force: TimeInForce::Gtd.into(),
            expires_at: Some((SystemTime::now() + GOOD_FOR).into()),
            ..limit(Side::Buy, 1, "50")
        };
        let placed = place(&self.ada, terms).await;
        let expired = order_with(&self.ada, &placed.order_id, OrderStatus::Expired).await;
        assert_eq!(expired.cumulative_quantity, 0);
        self.ada_has_paid_for_fifteen_shares().await;
    }

    /// 10 × 100 and 5 × 101, and ten basis points of each as the taker, of what was left.
    async fn ada_has_paid_for_fifteen_shares(&self) {
        self.ada.has_cash("98243.495", "0").await;
    }

    /// An order that must not take is refused where it would.
    async fn an_order_that_must_not_take_is_refused(&self) {
        let terms = OrderTerms {
            post_only: true,
            ..limit(Side::Buy, 1, "101")
        };
        let placed = place(&self.ada, terms).await;
        let refused = order_with(&self.ada, &placed.order_id, OrderStatus::Rejected).await;
        assert_eq!(refused.reject_reason(), RejectReason::WouldTake);
    }

    /// Nobody trades with themselves: the incoming order goes, the resting one stays.
    async fn nobody_trades_with_themselves(&self) {
        let terms = OrderTerms {
            self_trade_prevention: SelfTradePrevention::CancelNewest.into(),
            ..limit(Side::Buy, 5, "101")
        };
        let placed = place(&self.bob, terms).await;
        let cancelled = order_with(&self.bob, &placed.order_id, OrderStatus::Cancelled).await;
        assert_eq!(cancelled.cancel_reason(), CancelReason::SelfTrade);
        assert_eq!(cancelled.cumulative_quantity, 0);
        let resting = open_orders(&self.bob, "").await;
        let [resting] = resting.as_slice() else {
            panic!("{resting:?}")
        };
        assert_eq!(resting.leaves_quantity, 5);
    }

    /// While trading is halted, orders are refused; then they are taken again.
    async fn trading_is_halted_and_resumed(&self) {
        let halt = HaltSymbolRequest {
            symbol: SYMBOL.to_owned(),
            reason: "news pending".to_owned(),
        };
        self.admin.venue().halt_symbol(halt).await.unwrap();
        assert_eq!(self.session().await, SessionState::Halted);
        let placed = place(&self.ada, limit(Side::Buy, 1, "90")).await;
        let refused = order_with(&self.ada, &placed.order_id, OrderStatus::Rejected).await;
        assert_eq!(refused.reject_reason(), RejectReason::SymbolHalted);

        let resume = ResumeSymbolRequest {
            symbol: SYMBOL.to_owned(),
        };
        self.admin.venue().resume_symbol(resume).await.unwrap();
        assert_eq!(self.session().await, SessionState::Open);
        let placed = place(&self.ada, limit(Side::Buy, 1, "90")).await;
        order_with(&self.ada, &placed.order_id, OrderStatus::Open).await;
    }

    async fn session(&self) -> SessionState {
        let asked = GetBookRequest {
            symbol: SYMBOL.to_owned(),
            depth: 1,
        };
        let book = self.ada.venue().get_book(asked).await.unwrap();
        book.into_inner().session()
    }

    /// One call cancels all orders, and what they had locked is available again.
    async fn all_orders_are_cancelled_at_once(&self) {
        for price in ["91", "92"] {
            let placed = place(&self.ada, limit(Side::Buy, 2, price)).await;
            order_with(&self.ada, &placed.order_id, OrderStatus::Open).await;
        }
        let request = CancelAllOrdersRequest {
            request_id: fresh(),
            symbol: String::new(),
        };
        let cancelled = self.ada.orders().cancel_all_orders(request).await.unwrap();
        let cancelled = cancelled.into_inner();
        assert_eq!((cancelled.orders.len(), cancelled.remaining), (3, 0));
        for order in &cancelled.orders {
            let order = order_with(&self.ada, &order.order_id, OrderStatus::Cancelled).await;
            assert_eq!(order.cancel_reason(), CancelReason::User);
        }
        assert!(open_orders(&self.ada, "").await.is_empty());
        self.ada_has_paid_for_fifteen_shares().await;
    }

    /// What an order for a second portfolio buys is held there.
    async fn a_second_portfolio_has_its_own_shares(&self) {
        let request = CreatePortfolioRequest {
            request_id: fresh(),
            name: "Growth".to_owned(),
        };
        let created = self.ada.portfolios().create_portfolio(request).await;
        let growth = created.unwrap().into_inner().portfolio.unwrap();
        assert!(!growth.is_main);
        let terms = OrderTerms {
            portfolio_id: growth.portfolio_id.clone(),
            ..limit(Side::Buy, 5, "101")
        };
        let placed = place(&self.ada, terms).await;
        order_with(&self.ada, &placed.order_id, OrderStatus::Filled).await;
        for (portfolio_id, quantity) in [(growth.portfolio_id, 5), (String::new(), 20)] {
            let asked = ListPositionsRequest {
                user_id: String::new(),
                portfolio_id,
            };
            arrives("the shares", async || {
                let listed = self.ada.portfolios().list_positions(asked.clone()).await;
                let positions = listed.unwrap().into_inner().positions;
                let held = positions.iter().find(|one| one.symbol == SYMBOL)?;
                (held.quantity == quantity).then_some(())
            })
            .await;
        }
    }

    async fn set_bob(&self, status: UserStatus) {
        let request = SetUserStatusRequest {
            request_id: fresh(),
            user_id: self.bob.user_id.clone(),
            status: status.into(),
            reason: "asked for by the story".to_owned(),
        };
        self.admin.users().set_user_status(request).await.unwrap();
    }

    /// A suspended user's orders are cancelled and their money stays where it is; afterwards they
    /// go on where they were.
    async fn a_suspended_user_neither_trades_nor_withdraws(&self) {
        let mut resting = Vec::new();
        for price in ["110", "111"] {
            let placed = place(&self.bob, limit(Side::Sell, 7, price)).await;
            resting.push(order_with(&self.bob, &placed.order_id, OrderStatus::Open).await);
        }
        self.set_bob(UserStatus::Suspended).await;
        for order in &resting {
            let order = order_with(&self.admin, &order.order_id, OrderStatus::Cancelled).await;
            assert_eq!(order.cancel_reason(), CancelReason::UserSuspended);
        }
        assert!(open_orders(&self.admin, &self.bob.user_id).await.is_empty());
        arrives("the end of the session", async || {
            self.bob.users().get_me(GetMeRequest {}).await.err()
        })
        .await;
        let refused = self.bob.funds().withdraw(withdrawal("1")).await;
        assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
        let refused = Person::try_sign_in(&self.channel, BOB.0, BOB.1).await;
        let refused = refused.err().expect("nobody who is suspended signs in");
        assert_eq!(reason(&refused), "USER_SUSPENDED", "{refused}");
        arrives("the suspension of the account", async || {
            let request = ListAccountsRequest::default();
            let listed = self.admin.funds().list_accounts(request).await.unwrap();
            let accounts = listed.into_inner().accounts;
            let of_bob = |one: &&_| -> bool {
                let one: &outcry_contracts::funds::v1::Account = one;
                one.user_id == self.bob.user_id
            };
            let account = accounts.iter().find(of_bob)?;
            account.suspended.then_some(())
        })
        .await;

        self.set_bob(UserStatus::Active).await;
        let bob = arrives("the way back", async || {
            Person::try_sign_in(&self.channel, BOB.0, BOB.1).await.ok()
        })
        .await;
        arrives("the open account", async || {
            bob.funds().withdraw(withdrawal("1")).await.ok()
        })
        .await;
        let placed = place_again(&bob, limit(Side::Sell, 1, "120")).await;
        order_with(&bob, &placed.order_id, OrderStatus::Open).await;
    }

    /// The ledger agrees with custody, its journal is whole, and every account is what its events
    /// make of it.
    async fn the_books_agree(&self) {
        arrives("agreement of ledger and custody", async || {
            let found = self.admin.ledger().reconcile(ReconcileRequest {}).await;
            let found = found.unwrap().into_inner();
            (found.differences.is_empty() && found.accounts > 0).then_some(())
        })
        .await;
        let mut ledger = self.admin.ledger();
        let verified = ledger.verify_journal(VerifyJournalRequest {}).await;
        let verified = verified.unwrap().into_inner();
        assert!(verified.intact, "{verified:?}");
        for person in [&self.ada, &self.bob] {
            let user_id = person.user_id.clone();
            let asked = VerifyAccountRequest { user_id };
            let verified = self.admin.funds().verify_account(asked).await.unwrap();
            let verified = verified.into_inner();
            assert!(verified.intact && verified.events > 0, "{verified:?}");
        }
    }
}

/// Places an order, again until the user is known to be active again.
async fn place_again(person: &Person, terms: OrderTerms) -> Order {
    arrives("an active user", async || {
        let order = place(person, terms.clone()).await;
        (order.reject_reason() != RejectReason::UserNotActive).then_some(order)
    })
    .await
}

// === impl Watching ===

impl Watching {
    /// Follows Ada's orders and the market, behind what has been seen already.
    async fn begin(market: &Market, sequence: u64, tape: u64, book: u64) -> Self {
        let symbol = SYMBOL.to_owned();
        let updates = StreamOrderUpdatesRequest {
            after_sequence: sequence,
            symbol: String::new(),
        };
        let updates = market.ada.orders().stream_order_updates(updates).await;
        let of_tape = StreamTapeRequest {
            symbol: symbol.clone(),
            after_venue_sequence: tape,
        };
        let of_book = StreamBookRequest {
            symbol,
            depth: 10,
            after_venue_sequence: book,
        };
        let tape = market.ada.venue().stream_tape(of_tape).await;
        let book = market.ada.venue().stream_book(of_book).await;
        Self {
            updates: Followed::from(updates.unwrap().into_inner()),
            tape: Followed::from(tape.unwrap().into_inner()),
            book: Followed::from(book.unwrap().into_inner()),
        }
    }

    /// Waits until there are as many changes of each topic; they have no gaps behind `after`. The
    /// sequence of the last one.
    async fn updates(&self, after: u64, what: &str, topics: &[(&str, usize)]) -> u64 {
        let seen = self
            .updates
            .until(what, |seen| {
                let count = |topic| seen.iter().filter(|one| one.topic == topic).count();
                topics.iter().all(|(topic, most)| count(*topic) >= *most)
            })
            .await;
        for (expected, update) in (after + 1..).zip(&seen) {
            assert_eq!(update.sequence, expected, "updates have no gaps");
        }
        seen.last().map_or(after, |update| update.sequence)
    }

    /// Matches behind `after` by their sequence, once there are as many.
    async fn matches(&self, after: u64, count: usize) -> Vec<u64> {
        let seen = self.tape.until("the tape", |seen| seen.len() >= count);
        let sequences: Vec<u64> = seen
            .await
            .iter()
            .map(|one| one.execution.as_ref().unwrap().venue_sequence)
            .collect();
        assert!(sequences.is_sorted() && sequences[0] > after);
        sequences
    }

    /// Waits until the book that was streamed is the one that is shown; its sequence.
    async fn book_is_current(&self, market: &Market, mut bids: Levels, mut asks: Levels) -> Book {
        let asked = GetBookRequest {
            symbol: SYMBOL.to_owned(),
            depth: 10,
        };
        let mut taken = 0;
        arrives("the book", async || {
            let seen = self.book.seen();
            for message in &seen[taken..] {
                if message.snapshot {
                    bids.clear();
                    asks.clear();
                }
                change(&mut bids, &message.bids);
                change(&mut asks, &message.asks);
            }
            taken = seen.len();
            let shown = market.ada.venue().get_book(asked.clone()).await.unwrap();
            let shown = shown.into_inner();
            let is_equal = levels(&shown.bids) == bids && levels(&shown.asks) == asks;
            let sequence = seen.last()?.venue_sequence;
            (is_equal && sequence == shown.venue_sequence).then(|| Book {
                bids: bids.clone(),
                asks: asks.clone(),
                sequence,
            })
        })
        .await
    }
}

fn levels(levels: &[BookLevel]) -> Levels {
    let mut side = Levels::new();
    change(&mut side, levels);
    side
}

fn change(side: &mut Levels, levels: &[BookLevel]) {
    for level in levels {
        let price = Amount::from_required(level.price.as_ref()).unwrap().raw();
        match level.quantity {
            0 => side.remove(&price),
            quantity => side.insert(price, quantity),
        };
    }
}

#[tokio::test]
async fn a_working_day_through_the_public_api_adds_up() {
    let mut outcry = Outcry::new();
    outcry.up();
    let market = Market::open(&outcry).await;
    let watching = Watching::begin(&market, 0, 0, 0).await;

    market.money_leaves().await;
    market.a_stop_order_is_woken_and_filled().await;
    market.an_order_expires().await;
    market.an_order_that_must_not_take_is_refused().await;
    market.nobody_trades_with_themselves().await;

    let ended = [
        ("order.filled", 2),
        ("order.expired", 1),
        ("order.rejected", 1),
    ];
    let seen = watching.updates(0, "the first half's updates", &ended);
    let seen = seen.await;
    let matches = watching.matches(0, 2).await;
    let book = watching.book_is_current(&market, Levels::new(), Levels::new());
    let book = book.await;
    assert_eq!(book.asks, Levels::from([(101_0000, 5)]));
    assert_eq!(book.bids, Levels::new());
    drop(watching);
    let last = *matches.last().unwrap();
    let watching = Watching::begin(&market, seen, last, book.sequence).await;

    market.trading_is_halted_and_resumed().await;
    market.all_orders_are_cancelled_at_once().await;
    market.a_second_portfolio_has_its_own_shares().await;
    market.a_suspended_user_neither_trades_nor_withdraws().await;

    let ended = [("order.filled", 1), ("order.cancelled", 3)];
    watching
        .updates(seen, "the second half's updates", &ended)
        .await;
    let later = watching.matches(last, 1).await;
    let book = watching.book_is_current(&market, book.bids, book.asks);
    assert_eq!(book.await.asks, Levels::from([(120_0000, 1)]));
    let asked = ListExecutionsRequest {
        symbol: SYMBOL.to_owned(),
        ..ListExecutionsRequest::default()
    };
    let listed = market.ada.venue().list_executions(asked).await.unwrap();
    let listed: Vec<u64> = listed
        .into_inner()
        .executions
        .iter()
        .map(|one| one.venue_sequence)
        .collect();
    assert_eq!(listed, [matches, later].concat());

    let report = outcry.quiet_audit();
    let topics = report["topics"].as_array().unwrap();
    assert!(topics.iter().any(|row| row["topic"] == "session.changed"));
    market.the_books_agree().await;
    drop(watching);
    outcry.stop();
    outcry.audit();
}
