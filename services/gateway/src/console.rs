//! The console: one page for people, served from the binary beside what it calls.
//!
//! Files are those below `console/`, as they are written: there is no build step. Everything they
//! show comes by the public port's own calls, with the rights of whoever has signed in.

mod contract;

use std::hash::{DefaultHasher, Hasher};
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
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

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
    "account.js": SCRIPT,
    "audit.js": SCRIPT,
    "book.js": SCRIPT,
    "bytes.js": SCRIPT,
    "calls.js": SCRIPT,
    "catalog.js": SCRIPT,
    "chart.js": SCRIPT,
    "element.js": SCRIPT,
    "events.js": SCRIPT,
    "feed.js": SCRIPT,
    "flow.js": SCRIPT,
    "form.js": SCRIPT,
    "health.js": SCRIPT,
    "inspector.js": SCRIPT,
    "invariants.js": SCRIPT,
    "lanes.js": SCRIPT,
    "letters.js": SCRIPT,
    "map.js": SCRIPT,
    "mark.svg": SVG,
    "market.js": SCRIPT,
    "money.js": SCRIPT,
    "orders.js": SCRIPT,
    "page.js": SCRIPT,
    "problem.js": SCRIPT,
    "session.js": SCRIPT,
    "sign_in.js": SCRIPT,
    "standing.js": SCRIPT,
    "story.js": SCRIPT,
    "style.css": CSS,
    "table.js": SCRIPT,
    "theme.js": SCRIPT,
    "ticket.js": SCRIPT,
    "tints.js": SCRIPT,
    "wire.js": SCRIPT,
    "words.js": SCRIPT,
};

/// What the page needs to know of the contract, made once.
static CONTRACT: LazyLock<String> = LazyLock::new(|| contract::compact().to_string());

/// The pages.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { shown(&ALL[0], &headers) }),
        )
        .route("/console/contract.json", get(contract_file))
        .route("/console/{file}", get(file))
}

/// Whether a path is one of the console's, or looks like one of its files.
pub(crate) fn is_page(path: &str) -> bool {
    let name = path.strip_prefix(FILES).unwrap_or_default();
    path == "/" || (!name.is_empty() && !name.contains('/'))
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
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)));
    if asked.get(IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        return (StatusCode::NOT_MODIFIED, fixed, [(ETAG, tag)]).into_response();
    }
    (fixed, [(ETAG, tag)], content).into_response()
}

/// Names the content. Whoever serves the same binary gives it the same name.
fn tag(content: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    // Sixteen digits in quotes are always a header's value.
    HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish()))
        .unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What a first visit may load, in bytes.
    const FIRST_LOAD_MAX: usize = 300_000;

    fn text(file: &File) -> &'static str {
        std::str::from_utf8(file.content).unwrap()
    }

    #[test]
    fn every_file_of_the_folder_is_served_and_no_other() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let listed: BTreeSet<String> = ALL.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(listed, there);
        assert_eq!(listed.len(), ALL.len(), "a file is listed twice");
    }

    #[test]
    fn files_are_of_the_kind_that_their_names_say() {
        for file in ALL {
            let ending = file.name.rsplit('.').next().unwrap();
            let kind = match ending {
                "html" => HTML,
                "css" => CSS,
                "js" => SCRIPT,
                "svg" => SVG,
                _ => panic!("{} is of no kind that the console has", file.name),
            };
            assert_eq!(file.kind, kind, "{}", file.name);
        }
    }

    /// Names of scripts that a script imports, from the start or later.
    fn imports(file: &File) -> Vec<&'static str> {
        [" from \"./", "import(\"./"]
            .iter()
            .flat_map(|before| text(file).split(before).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect()
    }

    #[test]
    fn a_first_visit_is_small_and_asks_for_all_it_needs_at_once() {
        let page = text(&ALL[0]);
        let (named, later): (Vec<&File>, Vec<&File>) = ALL
            .iter()
            .partition(|file| page.contains(&format!("=\"{FILES}{}\"", file.name)));
        let files: usize = named.iter().map(|file| file.content.len()).sum();
        let all = ALL[0].content.len() + files + CONTRACT.len();
        assert!(all < FIRST_LOAD_MAX, "{all} bytes");
        for file in named.iter().filter(|file| file.kind == SCRIPT) {
            for one in text(file).split(" from \"./").skip(1) {
                let waits = later.iter().any(|other| one.starts_with(other.name));
                assert!(
                    !waits,
                    "{} has an import that index.html does not name",
                    file.name
                );
            }
        }
    }

    #[test]
    fn scripts_import_only_what_is_served_and_all_of_it() {
        let imported: BTreeSet<&str> = ALL.iter().flat_map(imports).collect();
        let scripts = ALL.iter().filter(|file| file.kind == SCRIPT);
        let served: BTreeSet<&str> = scripts.map(|file| file.name).collect();
        let wrong: Vec<&&str> = imported.difference(&served).collect();
        assert!(wrong.is_empty(), "imported, but not served: {wrong:?}");
        let unused: Vec<&&str> = served.difference(&imported).collect();
        assert_eq!(unused, [&"page.js"], "served, but not imported");
    }

    #[test]
    fn the_page_has_nothing_that_its_policy_forbids() {
        for file in ALL
            .iter()
            .filter(|file| file.kind == HTML || file.kind == SVG)
        {
            let page = text(file);
            for forbidden in [
                " style=",
                "<style",
                " onclick=",
                " onload=",
                "javascript:",
                "://",
            ] {
                let there = page
                    .replace("http://www.w3.org/2000/svg", "")
                    .contains(forbidden);
                assert!(!there, "{} has {forbidden}", file.name);
            }
            for script in page.split("<script").skip(1) {
                let tag = script.split('>').next().unwrap();
                assert!(
                    tag.contains(" src=\"/console/"),
                    "{}: <script{tag}>",
                    file.name
                );
            }
        }
    }

    #[test]
    fn other_content_has_another_tag() {
        assert_eq!(tag(b"one"), tag(b"one"));
        assert_ne!(tag(b"one"), tag(b"other"));
        assert_eq!(tag(b"").len(), "\"0123456789abcdef\"".len());
    }

    #[test]
    fn only_the_console_is_the_consoles() {
        for path in ["/", "/console/page.js", "/console/contract.json"] {
            assert!(is_page(path), "{path}");
        }
        for path in [
            "/healthz",
            "/outcry.users.v1.UserService/GetMe",
            "/console",
            "/console/",
            "/console/../Cargo.toml",
        ] {
            assert!(!is_page(path), "{path}");
        }
    }
}
