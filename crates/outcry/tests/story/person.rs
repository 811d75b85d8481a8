//! People as the platform knows them: signed in at the public edge, with nothing but its API.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{GetBalancesRequest, IssueSharesRequest};
use outcry_contracts::ledger::v1::ledger_service_client::LedgerServiceClient;
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    Order, OrderTerms, OrderType, PlaceOrderRequest, RejectReason, Side, TimeInForce,
};
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{CreatePaymentRequest, GetPaymentRequest, PaymentStatus};
use outcry_contracts::portfolio::v1::portfolio_service_client::PortfolioServiceClient;
use outcry_contracts::reports::v1::report_service_client::ReportServiceClient;
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money, Shares};
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::{LoginRequest, RegisterRequest};
use outcry_events::Amount;
use tokio::task::JoinHandle;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// How long what comes by events may take: generous, for a busy machine.
const ARRIVES_MAX: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A transport that signs every call.
pub type Signed = InterceptedService<Channel, Bearer>;

/// Adds the access token.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

/// Somebody who is signed in.
pub struct Person {
    pub user_id: String,
    signed: Signed,
}

/// What comes by a stream, kept as it comes until the stream is dropped.
pub struct Followed<T> {
    seen: Arc<Mutex<Vec<T>>>,
    task: JoinHandle<()>,
}

/// A connection to the platform that runs in this data folder.
pub async fn connect(data: &Path) -> Channel {
    let address = std::fs::read_to_string(data.join("address")).unwrap();
    let endpoint = Endpoint::from_shared(address.trim().to_owned()).unwrap();
    endpoint.connect().await.unwrap()
}

/// A fresh id for a request.
pub fn fresh() -> String {
    Uuid::now_v7().to_string()
}

/// An amount from its text.
pub fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// The same as it is sent.
pub fn money(text: &str) -> Option<Money> {
    Some(amount(text).to_money())
}

/// The reason a refusal names for programs.
pub fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

/// Looks until there is something.
pub async fn arrives<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + ARRIVES_MAX;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not arrive");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Pays cash in, until the provider has it.
pub async fn deposit(person: &Person, units: &str) {
    let request = CreatePaymentRequest {
        request_id: fresh(),
        amount: money(units),
    };
    let created = person.payments().create_payment(request).await.unwrap();
    let payment_id = created.into_inner().payment.unwrap().payment_id;
    arrives("the payment", async || {
        let payment_id = payment_id.clone();
        let shown = person
            .payments()
            .get_payment(GetPaymentRequest { payment_id })
            .await
            .unwrap();
        let status = shown.into_inner().payment.unwrap().status();
        (status == PaymentStatus::Success).then_some(())
    })
    .await;
}

/// Gives somebody shares, as an administrator may.
pub async fn issue(admin: &Person, to: &Person, symbol: &str, quantity: i64) {
    let request = IssueSharesRequest {
        request_id: fresh(),
        user_id: to.user_id.clone(),
        shares: Some(Shares {
            symbol: symbol.to_owned(),
            quantity,
        }),
    };
    admin.funds().issue_shares(request).await.unwrap();
}

/// A limit order that rests until it is cancelled.
pub fn limit(symbol: &str, side: Side, quantity: i64, price: &str) -> OrderTerms {
    OrderTerms {
        symbol: symbol.to_owned(),
        side: side.into(),
        r#type: OrderType::Limit.into(),
        quantity,
        limit_price: money(price),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    }
}

/// Places an order, again while the account is still being opened.
pub async fn place(person: &Person, terms: OrderTerms) -> Order {
    arrives("an open account", async || {
        let request = PlaceOrderRequest {
            request_id: fresh(),
            client_order_id: String::new(),
            terms: Some(terms.clone()),
        };
        let placed = person.orders().place_order(request).await.unwrap();
        let order = placed.into_inner().order.unwrap();
        (order.reject_reason() != RejectReason::AccountNotReady).then_some(order)
    })
    .await
}

/// Cash of an amount; none where it is of shares.
fn cash(amount: Option<&AssetAmount>) -> Option<Amount> {
    match amount?.asset.as_ref()? {
        Asset::Cash(cash) => Some(Amount::from_money(cash).unwrap()),
        Asset::Shares(_) => None,
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = self.0.clone();
        request.metadata_mut().insert("authorization", header);
        Ok(request)
    }
}

// === impl Person ===

impl Person {
    /// Signs in, or says why not.
    pub async fn try_sign_in(
        channel: &Channel,
        email: &str,
        password: &str,
    ) -> Result<Self, Status> {
        let request = LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        let mut users = UserServiceClient::new(channel.clone());
        let reply = users.login(request).await?.into_inner();
        let token = reply.tokens.unwrap().access_token;
        let bearer = Bearer(format!("Bearer {token}").parse().unwrap());
        Ok(Self {
            user_id: reply.user.unwrap().user_id,
            signed: InterceptedService::new(channel.clone(), bearer),
        })
    }

    /// Signs in.
    pub async fn sign_in(channel: &Channel, email: &str, password: &str) -> Self {
        Self::try_sign_in(channel, email, password).await.unwrap()
    }

    /// The administrator made at the first start.
    pub async fn administrator(channel: &Channel, data: &Path) -> Self {
        let text = std::fs::read_to_string(data.join("administrator.toml")).unwrap();
        let known: toml::Table = toml::from_str(&text).unwrap();
        let field = |name: &str| known[name].as_str().unwrap().to_owned();
        Self::sign_in(channel, &field("email"), &field("password")).await
    }

    /// Registers and signs in.
    pub async fn register(channel: &Channel, email: &str, password: &str, name: &str) -> Self {
        let request = RegisterRequest {
            request_id: fresh(),
            email: email.to_owned(),
            password: password.to_owned(),
            display_name: name.to_owned(),
        };
        let mut users = UserServiceClient::new(channel.clone());
        users.register(request).await.unwrap();
        Self::sign_in(channel, email, password).await
    }

    /// The transport that signs this person's calls.
    pub fn signed(&self) -> Signed {
        self.signed.clone()
    }

    pub fn users(&self) -> UserServiceClient<Signed> {
        UserServiceClient::new(self.signed.clone())
    }

    pub fn orders(&self) -> OrderServiceClient<Signed> {
        OrderServiceClient::new(self.signed.clone())
    }

    pub fn venue(&self) -> TradeServiceClient<Signed> {
        TradeServiceClient::new(self.signed.clone())
    }

    pub fn funds(&self) -> FundsServiceClient<Signed> {
        FundsServiceClient::new(self.signed.clone())
    }

    pub fn payments(&self) -> PaymentServiceClient<Signed> {
        PaymentServiceClient::new(self.signed.clone())
    }

    pub fn portfolios(&self) -> PortfolioServiceClient<Signed> {
        PortfolioServiceClient::new(self.signed.clone())
    }

    pub fn ledger(&self) -> LedgerServiceClient<Signed> {
        LedgerServiceClient::new(self.signed.clone())
    }

    pub fn reports(&self) -> ReportServiceClient<Signed> {
        ReportServiceClient::new(self.signed.clone())
    }

    /// Cash that is available and cash that is locked, once the account is open.
    pub async fn cash(&self) -> Option<(Amount, Amount)> {
        let asked = GetBalancesRequest::default();
        let balances = self.funds().get_balances(asked).await.ok()?.into_inner();
        balances.balances.iter().find_map(|balance| {
            let available = cash(balance.available.as_ref())?;
            let locked = cash(balance.locked.as_ref()).unwrap_or_default();
            Some((available, locked))
        })
    }

    /// Waits until the account has this much cash available and locked.
    pub async fn has_cash(&self, available: &str, locked: &str) {
        let wanted = (amount(available), amount(locked));
        let what = format!("cash of {wanted:?}");
        arrives(&what, async || {
            (self.cash().await == Some(wanted)).then_some(())
        })
        .await;
    }
}

// === impl Followed ===

impl<T: Clone + Send + 'static> Followed<T> {
    /// Follows a stream.
    pub fn from(mut stream: Streaming<T>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keeping = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok(Some(message)) = stream.message().await {
                keeping.lock().unwrap().push(message);
            }
        });
        Self { seen, task }
    }

    /// What has come so far.
    pub fn seen(&self) -> Vec<T> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until what has come so far is this.
    pub async fn until(&self, what: &str, is_there: impl Fn(&[T]) -> bool) -> Vec<T> {
        arrives(what, async || {
            let seen = self.seen();
            is_there(&seen).then_some(seen)
        })
        .await
    }
}

impl<T> Drop for Followed<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
