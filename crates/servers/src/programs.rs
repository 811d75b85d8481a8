//! Where servers are installed.

use std::path::{Path, PathBuf};

use crate::ServerError;

/// Where RabbitMQ's own scripts are. They come before `PATH`, where packages put a wrapper that
/// insists on an account of its own.
const RABBITMQ: [&str; 3] = [
    "/usr/lib/rabbitmq/bin",
    "/opt/homebrew/sbin",
    "/usr/local/sbin",
];

/// Where packages put versions of PostgreSQL, each in a folder with `bin` in it.
const POSTGRES: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

/// Where Erlang is when it is not in `PATH`.
const ERLANG: [&str; 3] = [
    "/usr/lib/erlang/bin",
    "/usr/local/lib/erlang/bin",
    "/opt/homebrew/bin",
];

/// The folder with PostgreSQL's programs.
pub(crate) fn postgres() -> Result<PathBuf, ServerError> {
    let places = path().into_iter().chain(POSTGRES.iter().flat_map(versions));
    first(places, &["postgres", "initdb"]).ok_or(ServerError::Missing("PostgreSQL"))
}

/// The folder with RabbitMQ's scripts.
pub(crate) fn rabbitmq() -> Result<PathBuf, ServerError> {
    let places = RABBITMQ.iter().map(PathBuf::from).chain(path());
    first(places, &["rabbitmq-server"]).ok_or(ServerError::Missing("RabbitMQ"))
}

/// The folder with Erlang's port mapper.
pub(crate) fn erlang() -> Result<PathBuf, ServerError> {
    let places = path().into_iter().chain(ERLANG.iter().map(PathBuf::from));
    first(places, &["epmd", "erl"]).ok_or(ServerError::Missing("Erlang"))
}

/// Names of what is not installed.
pub(crate) fn missing() -> Vec<&'static str> {
    [postgres(), rabbitmq(), erlang()]
        .into_iter()
        .filter_map(|place| match place {
            Err(ServerError::Missing(name)) => Some(name),
            _ => None,
        })
        .collect()
}

fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

/// `bin` folders below a folder of versions, newest first.
fn versions(folder: &&str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(folder)).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let number = |path: &PathBuf| {
        let digits: String = path
            .to_string_lossy()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        digits.parse::<u64>().unwrap_or(0)
    };
    found.sort_by_key(|path| std::cmp::Reverse(number(path)));
    found.into_iter().map(|path| path.join("bin")).collect()
}

fn first(mut places: impl Iterator<Item = PathBuf>, programs: &[&str]) -> Option<PathBuf> {
    places.find(|place| programs.iter().all(|name| place.join(name).is_file()))
}
