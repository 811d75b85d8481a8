//! What a process is told on its standard input.

use tokio::sync::mpsc;

/// The lines of the standard input, as they come. A thread reads them: the runtime would wait for a read that has
/// begun.
pub fn told() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}
