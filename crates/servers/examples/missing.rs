//! Prints the servers that are not installed, one a line; for the test command.

fn main() {
    for name in outcry_servers::missing() {
        println!("{name}");
    }
}
