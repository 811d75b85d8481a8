//! People: they act through the public API, as impatient as clients are, and repeat what was not
//! answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{
    IssueSharesRequest, ListTransactionsRequest, ReverseTransactionRequest, WithdrawRequest,
};
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    CancelAllOrdersRequest, CancelOrderRequest, OrderTerms, OrderType, PlaceOrderRequest,
    ReplaceOrderRequest, SelfTradePrevention, Side, TimeInForce,
};
use outcry_contracts::payments::v1::CreatePaymentRequest;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::portfolio::v1::CreatePortfolioRequest;
use outcry_contracts::portfolio::v1::portfolio_service_client::PortfolioServiceClient;
use outcry_contracts::reports::v1::report_service_client::ReportServiceClient;
use outcry_contracts::reports::v1::{ReportFormat, ReportType, RequestReportRequest};
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::trades::v1::{HaltSymbolRequest, ResumeSymbolRequest};
use outcry_contracts::types::v1::{Money, Shares};
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::{SetUserStatusRequest, UserStatus};
use outcry_mesh::{Directory, EDGE, Role, User};
use outcry_service::Clock;
use outcry_service::testing::Caller;
use prost_types::Timestamp;
use tonic::{Code, Request, Status};

use crate::clock::SimulatedClock;
use crate::plan::{Act, Deed, SYMBOLS, Wish};

/// Tries of one request: after the last, its user gives up and does not know what came of it.
const TRIES: u32 = 8;

/// Wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a good-till-date order of a simulated user lives.
pub(crate) const DATE_AFTER: Duration = Duration::from_secs(10);

/// Ten-thousandths of a cent, in billionths of a unit.
const NANOS_PER_CENT: i64 = 10_000_000;

/// Name of the administrator in events.
const ADMIN: &str = "admin";

/// Everybody who acts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct People {
    directory: Directory,
    clock: Arc<SimulatedClock>,
    /// Ids of the users.
    users: Arc<Vec<String>>,
    known: Arc<Mutex<Known>>,
}

/// What people remember.
#[derive(Default)]
struct Known {
    /// Orders of each user, the oldest first.
    orders: BTreeMap<usize, Vec<String>>,
    portfolios: BTreeMap<usize, String>,
    /// Answers by status code.
    answers: BTreeMap<i32, u64>,
    /// Answers that no request may get.
    problems: Vec<String>,
}

// === impl People ===

impl People {
    pub(crate) fn new(
        directory: Directory,
        clock: Arc<SimulatedClock>,
        users: Vec<String>,
    ) -> People {
        People {
            directory,
            clock,
            users: Arc::new(users),
            known: Arc::default(),
        }
    }

    /// What was answered that may not be.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.known().problems.clone()
    }

    /// Answers by status code.
    pub(crate) fn answers(&self) -> BTreeMap<i32, u64> {
        self.known().answers.clone()
    }

    /// Somebody with a role, in front of a service.
    pub(crate) fn caller(&self, id: &str, role: Role, target: &'static str) -> Caller {
        let user = User {
            id: id.to_owned(),
            roles: vec![role],
        };
        Caller::new(self.directory.channel(EDGE, target), Some(user))
    }

    pub(crate) fn admin(&self, target: &'static str) -> Caller {
        self.caller(ADMIN, Role::Admin, target)
    }

    fn user(&self, user: usize, target: &'static str) -> Caller {
        self.caller(self.id(user), Role::User, target)
    }

    fn id(&self, user: usize) -> &str {
        self.users.get(user).map_or("", String::as_str)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something, until there is an answer or patience is at its end.
    pub(crate) async fn act(&self, act: &Act) {
        let request_id = self.clock.new_id().to_string();
        let (user, id) = (act.user, self.id(act.user).to_owned());
        match &act.deed {
            Deed::Place(wish) => self.place(user, wish, request_id).await,
            Deed::Cancel(back) => {
                let Some(order_id) = self.order(user, *back) else {
                    return;
                };
                let orders = OrderServiceClient::new(self.user(user, "orders"));
                let ask = CancelOrderRequest {
                    request_id,
                    order_id,
                };
                let call = |ask| {
                    let mut orders = orders.clone();
                    async move { orders.cancel_order(ask).await }
                };
                self.asked("CancelOrder", ask, call).await;
            }
            Deed::Replace {
                back,
                quantity,
                ticks,
            } => {
                let Some(order_id) = self.order(user, *back) else {
                    return;
                };
                let orders = OrderServiceClient::new(self.user(user, "orders"));
                let ask = ReplaceOrderRequest {
                    request_id,
                    order_id,
                    quantity: *quantity,
                    limit_price: ticks.map(cents),
                    stop_price: None,
                };
                let call = |ask| {
                    let mut orders = orders.clone();
                    async move { orders.replace_order(ask).await }
                };
                self.asked("ReplaceOrder", ask, call).await;
            }
            Deed::CancelAll => {
                let orders = OrderServiceClient::new(self.user(user, "orders"));
                let ask = CancelAllOrdersRequest {
                    request_id,
                    symbol: String::new(),
                };
                let call = |ask| {
                    let mut orders = orders.clone();
                    async move { orders.cancel_all_orders(ask).await }
                };
                self.asked("CancelAllOrders", ask, call).await;
            }
            Deed::Deposit(amount) => {
                let payments = PaymentServiceClient::new(self.user(user, "payments"));
                let ask = CreatePaymentRequest {
                    request_id,
                    amount: Some(cents(*amount)),
                };
                let call = |ask| {
                    let mut payments = payments.clone();
                    async move { payments.create_payment(ask).await }
                };
                self.asked("CreatePayment", ask, call).await;
            }
            Deed::Withdraw(amount) => {
                let funds = FundsServiceClient::new(self.user(user, "funds"));
                let ask = WithdrawRequest {
                    request_id,
                    amount: Some(cents(*amount)),
                    destination_last4: "4321".to_owned(),
                };
                let call = |ask| {
                    let mut funds = funds.clone();
                    async move { funds.withdraw(ask).await }
                };
                self.asked("Withdraw", ask, call).await;
            }
            Deed::Issue { symbol, quantity } => {
                self.issue(&id, SYMBOLS[*symbol], *quantity, request_id)
                    .await;
            }
            Deed::Halt(symbol) => {
                let trades = TradeServiceClient::new(self.admin("trades"));
                let ask = HaltSymbolRequest {
                    symbol: SYMBOLS[*symbol].to_owned(),
                    reason: "news".to_owned(),
                };
                let call = |ask| {
                    let mut trades = trades.clone();
                    async move { trades.halt_symbol(ask).await }
                };
                self.asked("HaltSymbol", ask, call).await;
            }
            Deed::Resume(symbol) => self.resume(*symbol).await,
            Deed::Suspend => {
                self.set_status(&id, UserStatus::Suspended, request_id)
                    .await
            }
            Deed::Reinstate => self.set_status(&id, UserStatus::Active, request_id).await,
            Deed::Report => {
                let reports = ReportServiceClient::new(self.user(user, "reports"));
                let ask = RequestReportRequest {
                    request_id,
                    r#type: ReportType::Statement.into(),
                    format: ReportFormat::Csv.into(),
                    ..RequestReportRequest::default()
                };
                let call = |ask| {
                    let mut reports = reports.clone();
                    async move { reports.request_report(ask).await }
                };
                self.asked("RequestReport", ask, call).await;
            }
            Deed::OpenPortfolio => {
                let portfolios = PortfolioServiceClient::new(self.user(user, "portfolio"));
                let ask = CreatePortfolioRequest {
                    request_id,
                    name: "another one".to_owned(),
                };
                let call = |ask| {
                    let mut portfolios = portfolios.clone();
                    async move { portfolios.create_portfolio(ask).await }
                };
                let opened = self.asked("CreatePortfolio", ask, call).await;
                if let Some(portfolio) = opened.and_then(|answer| answer.portfolio) {
                    self.known().portfolios.insert(user, portfolio.portfolio_id);
                }
            }
            Deed::Reverse => self.reverse(&id, request_id).await,
        }
    }

    async fn place(&self, user: usize, wish: &Wish, request_id: String) {
        let orders = OrderServiceClient::new(self.user(user, "orders"));
        let portfolio = self.known().portfolios.get(&user).cloned();
        let portfolio_id = portfolio.filter(|_| wish.in_portfolio).unwrap_or_default();
        let ask = PlaceOrderRequest {
            request_id,
            client_order_id: String::new(),
            terms: Some(wish.terms(self.clock.now(), portfolio_id)),
        };
        let call = |ask| {
            let mut orders = orders.clone();
            async move { orders.place_order(ask).await }
        };
        let placed = self.asked("PlaceOrder", ask, call).await;
        if let Some(order) = placed.and_then(|answer| answer.order) {
            let mut known = self.known();
            known.orders.entry(user).or_default().push(order.order_id);
        }
    }

    /// Lets a symbol go on.
    pub(crate) async fn resume(&self, symbol: usize) {
        let trades = TradeServiceClient::new(self.admin("trades"));
        let ask = ResumeSymbolRequest {
            symbol: SYMBOLS[symbol].to_owned(),
        };
        let call = |ask| {
            let mut trades = trades.clone();
            async move { trades.resume_symbol(ask).await }
        };
        self.asked("ResumeSymbol", ask, call).await;
    }

    /// Issues shares to a user; whether that was answered well.
    pub(crate) async fn issue(
        &self,
        user_id: &str,
        symbol: &str,
        quantity: i64,
        request_id: String,
    ) -> bool {
        let funds = FundsServiceClient::new(self.admin("funds"));
        let ask = IssueSharesRequest {
            request_id,
            user_id: user_id.to_owned(),
            shares: Some(Shares {
                symbol: symbol.to_owned(),
                quantity,
            }),
        };
        let call = |ask| {
            let mut funds = funds.clone();
            async move { funds.issue_shares(ask).await }
        };
        self.asked("IssueShares", ask, call).await.is_some()
    }

    async fn set_status(&self, user_id: &str, status: UserStatus, request_id: String) {
        let users = UserServiceClient::new(self.admin("users"));
        let ask = SetUserStatusRequest {
            request_id,
            user_id: user_id.to_owned(),
            status: status.into(),
            reason: "simulated".to_owned(),
        };
        let call = |ask| {
            let mut users = users.clone();
            async move { users.set_user_status(ask).await }
        };
        self.asked("SetUserStatus", ask, call).await;
    }

    /// Takes the newest deposit of a user back.
    async fn reverse(&self, user_id: &str, request_id: String) {
        let funds = FundsServiceClient::new(self.admin("funds"));
        let ask = ListTransactionsRequest {
            user_id: user_id.to_owned(),
            ..ListTransactionsRequest::default()
        };
        let call = |ask| {
            let mut funds = funds.clone();
            async move { funds.list_transactions(ask).await }
        };
        let listed = self.asked("ListTransactions", ask, call).await;
        let listed = listed.map(|page| page.transactions).unwrap_or_default();
        let deposit = listed.iter().find(|one| one.r#type == "funds.deposited");
        let Some(deposit) = deposit else { return };
        let ask = ReverseTransactionRequest {
            request_id,
            event_id: deposit.event_id.clone(),
            reason: "simulated".to_owned(),
        };
        let call = |ask| {
            let mut funds = funds.clone();
            async move { funds.reverse_transaction(ask).await }
        };
        self.asked("ReverseTransaction", ask, call).await;
    }

    fn order(&self, user: usize, back: usize) -> Option<String> {
        let known = self.known();
        let orders = known.orders.get(&user)?;
        let place = orders.len().checked_sub(back + 1)?;
        orders.get(place).cloned()
    }

    /// Asks until there is an answer that is worth keeping.
    pub(crate) async fn asked<A, R, Answer>(
        &self,
        what: &str,
        ask: A,
        call: impl Fn(Request<A>) -> Answer,
    ) -> Option<R>
    where
        A: Clone,
        Answer: Future<Output = Result<tonic::Response<R>, Status>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 0..TRIES {
            let mut request = Request::new(ask.clone());
            request.set_timeout(PATIENCE);
            match call(request).await {
                Ok(answer) => {
                    *self.known().answers.entry(0).or_default() += 1;
                    return Some(answer.into_inner());
                }
                Err(status) if may_pass(status.code()) => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(status) => {
                    let mut known = self.known();
                    *known.answers.entry(status.code() as i32).or_default() += 1;
                    if is_ours(status.code()) {
                        let problem = format!("{what} was answered {}", text(&status));
                        known.problems.push(problem);
                    }
                    return None;
                }
            }
        }
        None
    }
}

impl Wish {
    fn terms(&self, now: SystemTime, portfolio_id: String) -> OrderTerms {
        let kind = match (self.limit, self.stop) {
            (Some(_), None) => OrderType::Limit,
            (None, None) => OrderType::Market,
            (None, Some(_)) => OrderType::Stop,
            (Some(_), Some(_)) => OrderType::StopLimit,
        };
        let lives = match self.lives {
            0 => TimeInForce::Day,
            1 => TimeInForce::Gtc,
            2 => TimeInForce::Ioc,
            3 => TimeInForce::Fok,
            _ => TimeInForce::Gtd,
        };
        let expires_at = (lives == TimeInForce::Gtd).then(|| Timestamp::from(now + DATE_AFTER));
        OrderTerms {
            symbol: SYMBOLS[self.symbol].to_owned(),
            side: if self.buys { Side::Buy } else { Side::Sell }.into(),
            r#type: kind.into(),
            quantity: self.quantity,
            limit_price: self.limit.map(cents),
            time_in_force: lives.into(),
            post_only: self.post_only,
            stop_price: self.stop.map(cents),
            expires_at,
            self_trade_prevention: SelfTradePrevention::try_from(i32::from(self.self_trade))
                .unwrap_or_default()
                .into(),
            portfolio_id,
        }
    }
}

/// Whether trying again may help.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::ResourceExhausted
            | Code::Cancelled
    )
}

/// Whether the fault is the platform's: no request may be answered so.
fn is_ours(code: Code) -> bool {
    matches!(
        code,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Unimplemented
    )
}

fn text(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// An amount of cents.
pub(crate) fn cents(cents: i64) -> Money {
    Money {
        currency_code: "USD".to_owned(),
        units: cents / 100,
        nanos: i32::try_from(cents % 100 * NANOS_PER_CENT).unwrap_or(0),
    }
}
