//! The TypeScript client in a page of a real browser, over gRPC-Web.

use tokio::process::Command;

use super::language::{is_there, lines, one, succeeds, turn};
use super::market::{Market, SYMBOL};
use super::same::traded;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_a_browser_trades_as_any_client_does() {
    let _turn = turn().await;
    if !outcry_servers::present() {
        return;
    }
    if !is_there("chromium").await {
        assert!(std::env::var_os("CI").is_none(), "there is no chromium");
        println!("no page is tried: there is no chromium");
        return;
    }
    let Some(typescript) = one("typescript").await else {
        return;
    };
    let market = Market::open().await;
    let mut browser = Command::new("npm");
    browser
        .args(["run", "--silent", "browser", "--", "--symbol", SYMBOL])
        .current_dir(typescript.folder())
        .envs(market.variables("page"))
        .env("OUTCRY_PAGE_PORT", market.page_port.to_string());
    let printed = succeeds(browser, "the page in a browser").await;
    traded("the page", &lines(&printed));
    market.close();
}
