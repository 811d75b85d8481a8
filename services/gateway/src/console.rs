//! The console: one page for people, served from the binary beside what it calls.
//!
//! Files are those below `console/`, as they are written: there is no build step. Everything they
//! show comes by the public port's own calls, with the rights of whoever has signed in.

mod contract;

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Where the page's files are.
const FILES: &str = "/console/";

/// What the page may do: load its own files and call where it came from, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Browsers ask whether a file is still the same each time, since it may change with the binary.
const CACHED: &str = "no-cache";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

/// One file of the console.
struct File {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        [$(File {
            name: $name,
            kind: $kind,
            content: include_bytes!(concat!("../console/", $name)),
        }),*]
    };
}

/// All of them; the page itself comes first.
static ALL: &[File] = &files! {
    "index.html": HTML,
    "calls.js": SCRIPT,
    "wire.js": SCRIPT,
};

/// What the page needs to know of the contract, made once.
static CONTRACT: LazyLock<String> = LazyLock::new(|| contract::compact().to_string());

/// The pages.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { shown(&ALL[0], &headers) }))
        .route("/console/contract.json", get(contract_file))
        .route("/console/{file}", get(file))
}

/// Whether a path is one of the console's.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with(FILES)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ALL.iter().find(|file| file.name == name) {
        Some(file) => shown(file, &headers),
        None => (StatusCode::NOT_FOUND, "The console has no such file.\n").into_response(),
    }
}

async fn contract_file(headers: HeaderMap) -> Response {
    answer(JSON, CONTRACT.as_bytes(), &headers)
}

fn shown(file: &File, headers: &HeaderMap) -> Response {
    answer(file.kind, file.content, headers)
}

fn answer(kind: &'static str, content: &'static [u8], asked: &HeaderMap) -> Response {
    let tag = tag(content);
    let fixed = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, CACHED),
        (HeaderName::from_static("content-security-policy"), POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)));
    if asked.get(IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        return (StatusCode::NOT_MODIFIED, fixed, [(ETAG, tag)]).into_response();
    }
    (fixed, [(ETAG, tag)], content).into_response()
}
