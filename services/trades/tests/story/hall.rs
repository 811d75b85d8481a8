//! One replica of the venue among several.

use std::sync::Arc;

use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::trades::v1::{
    GetBookRequest, GetBookResponse, StreamBookRequest, StreamBookResponse, StreamTapeRequest,
    StreamTapeResponse, Trade,
};
use outcry_mesh::token::MeshKey;
use outcry_mesh::{Channel, Directory, listen};
use outcry_service::testing::{FakeClock, Platform, Replica};
use outcry_trades::Config;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tonic_types::StatusExt;

use crate::floor::{config, instrument};
use crate::order::Order;

pub const POOL: &str = "venue";

/// Enough of them that each of two replicas gets some.
pub const SYMBOLS: [&str; 8] = [
    "ACME", "BETA", "CETI", "DIGI", "ECHO", "FLUX", "GATE", "HALO",
];

/// One replica, and the port its peers reach it at.
pub struct Hall {
    pub replica: Replica,
    port: JoinHandle<()>,
    close: CancellationToken,
}

impl Hall {
    pub async fn open(platform: &Platform, clock: Arc<FakeClock>) -> Hall {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut ctx = platform.context("trades").await.with_address(address);
        (ctx.directory, ctx.clock) = (Directory::new(), clock);
        let (key, close) = (MeshKey::from_secret(&[7; 32]), CancellationToken::new());
        let port = tokio::spawn(listen(ctx.directory.clone(), listener, key, close.clone()));
        let config = Config {
            instruments: SYMBOLS.map(instrument).into(),
            ..config()
        };
        let service = outcry_trades::service(ctx.clone(), config).await.unwrap();
        let replica = Replica::start(ctx, |_| service, Arc::clone(platform.broker())).await;
        Hall {
            replica,
            port,
            close,
        }
    }

    pub fn client(&self) -> TradeServiceClient<Channel> {
        client(&self.replica.ctx.directory)
    }

    pub async fn book(&self, symbol: &str) -> Result<GetBookResponse, Status> {
        let request = GetBookRequest {
            symbol: symbol.into(),
            depth: 100,
        };
        Ok(self.client().get_book(request).await?.into_inner())
    }

    pub async fn books(&self) -> Vec<GetBookResponse> {
        let mut books = Vec::new();
        for symbol in SYMBOLS {
            books.push(self.book(symbol).await.unwrap());
        }
        books
    }

    /// The book and the tape of a symbol, as they change from now on and from the first on.
    pub async fn streams(
        &self,
        symbol: &str,
    ) -> (Streaming<StreamBookResponse>, Streaming<StreamTapeResponse>) {
        let book = StreamBookRequest {
            symbol: symbol.into(),
            depth: 100,
            after_venue_sequence: 0,
        };
        let tape = StreamTapeRequest {
            symbol: symbol.into(),
            after_venue_sequence: 0,
        };
        let mut client = self.client();
        let book = client.stream_book(book).await.unwrap().into_inner();
        let tape = client.stream_tape(tape).await.unwrap().into_inner();
        (book, tape)
    }

    pub async fn submit(&self, order: &Order) -> Trade {
        submit(&self.replica.ctx.directory, order).await.unwrap()
    }

    pub async fn close(self) {
        self.replica.stop().await;
        self.close.cancel();
        self.port.await.unwrap();
    }

    pub async fn crash(self) {
        self.port.abort();
        self.replica.crash().await;
    }
}

pub fn client(directory: &Directory) -> TradeServiceClient<Channel> {
    TradeServiceClient::new(directory.channel("orders", "trades"))
}

pub async fn submit(directory: &Directory, order: &Order) -> Result<Trade, Status> {
    let response = client(directory).submit_order(order.submission()).await?;
    Ok(response.into_inner().trade.unwrap())
}

pub fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}
