//! Every view of the console, driven as a person does it; `browser/` has the steps.

use super::chromium::Package;
use super::floor::Floor;

/// Stories that the package tells at least: fewer would mean that some were not found.
const STORIES_MIN: u32 = 12;

/// How many stories the summary of the runner counts as told.
fn told(printed: &str) -> u32 {
    let mut lines = printed.lines();
    let count = lines.find_map(|line| line.strip_prefix("ℹ pass "));
    count.unwrap_or_default().trim().parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_works_for_a_person_in_a_browser_and_the_books_add_up_afterwards() {
    let Some(package) = Package::ready().await else {
        return;
    };
    let floor = Floor::open().await;
    let printed = package.tries(&floor.variables()).await;
    println!("{printed}");
    assert!(told(&printed) >= STORIES_MIN, "{printed}");
    floor.close();
}
