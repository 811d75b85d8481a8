//! A private mail server keeps mails, and misbehaves when told to.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use outcry_servers::smtp::{self, Behaviour, Smtp};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Speaks to the server line by line; its last answer, or none when it hung up.
async fn send(server: &Smtp, text: &str) -> Option<String> {
    let address = server.url().replace("smtp://", "");
    let stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let mut lines = stream.lines();
    let mut answer = lines.next_line().await.ok()??;
    for said in [
        "HELO me\r\n",
        "MAIL FROM:<a@example.com>\r\n",
        "RCPT TO:<b@example.com>\r\n",
        "DATA\r\n",
        &format!("{text}\r\n.\r\n"),
    ] {
        lines.get_mut().write_all(said.as_bytes()).await.ok()?;
        answer = lines.next_line().await.ok()??;
    }
    Some(answer)
}

#[tokio::test]
async fn mails_are_kept_across_a_restart_and_refused_or_cut_off_as_told() {
    if !smtp::present() {
        return;
    }
    let server = Smtp::start().await.unwrap();
    let kept = send(&server, "Subject: one\r\n\r\nfirst").await.unwrap();
    assert!(kept.starts_with("250"), "{kept}");

    server.behave(Behaviour::Answer(451)).unwrap();
    let refused = send(&server, "second").await.unwrap();
    assert!(refused.starts_with("451"), "{refused}");

    server.behave(Behaviour::Cut).unwrap();
    assert_eq!(send(&server, "third").await, None);

    server.kill().await.unwrap();
    server.behave(Behaviour::Keep).unwrap();
    server.restart().await.unwrap();
    send(&server, "fourth").await.unwrap();

    let mails = server.mails().unwrap();
    let texts: Vec<&str> = mails.iter().map(|mail| mail.text.trim_end()).collect();
    assert_eq!(texts, ["Subject: one\r\n\r\nfirst", "third", "fourth"]);
    assert_eq!(mails[0].from, "a@example.com");
    assert_eq!(mails[0].to, ["b@example.com"]);
}
