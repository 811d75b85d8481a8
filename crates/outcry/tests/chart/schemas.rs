//! What Kubernetes and the operators say of their objects, made once from their Go modules.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

use super::tools::{Tool, prints, root, tool};

/// How long it may take to fetch seven modules, and to make files of them.
const MAKE_MAX: Duration = Duration::from_secs(900);

/// The folder: one folder for each version of Kubernetes, `operators`, and `definitions`.
pub async fn schemas() -> &'static Path {
    static MADE: OnceCell<PathBuf> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        let mut schemas = Command::new(tool(Tool::Schemas).await);
        schemas.arg(root().join(".tools/chart/kinds"));
        PathBuf::from(prints(schemas, MAKE_MAX, "making schemas").await.trim())
    })
    .await
}

/// The versions of Kubernetes that there are schemas of, oldest first.
pub async fn versions() -> Vec<String> {
    let mut versions: Vec<String> = std::fs::read_dir(schemas().await)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_prefix('v').map(str::to_owned))
        .collect();
    versions.sort();
    assert_eq!(versions.len(), 3, "{versions:?}");
    versions
}

/// The newest of them, which the API server is.
pub async fn newest() -> String {
    versions().await.pop().expect("there are three")
}
