//! What helm itself says about the chart.

use std::time::Duration;

use tokio::process::Command;

use super::render::{chart, of_kind, rendered, values_files};
use super::tools::{Tool, present, prints, tool};

/// How long helm may take.
const LINT_MAX: Duration = Duration::from_secs(120);

#[tokio::test]
async fn every_file_of_values_passes_the_strict_lint_and_renders() {
    if !present().await {
        return;
    }
    for values in values_files() {
        let mut lint = Command::new(tool(Tool::Helm).await);
        lint.args(["lint", "--strict", "--values"])
            .arg(&values)
            .arg(chart());
        prints(lint, LINT_MAX, &format!("linting {}", values.display())).await;
        let objects = rendered(&values).await;
        let workloads =
            of_kind(&objects, "Deployment").len() + of_kind(&objects, "StatefulSet").len();
        assert!(
            workloads == 1 || workloads == 10,
            "{}: {workloads} workloads",
            values.display()
        );
    }
}
