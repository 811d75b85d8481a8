//! E-mail over a real mail server.

use std::path::Path;

use outcry_contracts::notifications::v1::{ChannelKind, DeliveryStatus};
use outcry_notifications::{Config, EmailConfig, Encryption};
use outcry_servers::smtp::{self, Behaviour, Identity, Smtp, SmtpEncryption, SmtpOptions};

use crate::house::House;

const ANN: &str = "ann@example.org";

fn config(server: &Smtp) -> EmailConfig {
    EmailConfig {
        url: server.url(),
        encryption: Encryption::None,
        from: "Outcry <notices@example.com>".to_owned(),
        ..EmailConfig::default()
    }
}

async fn open(email: EmailConfig) -> House {
    let config = Config {
        email,
        ..Config::default()
    };
    let house = House::with(config).await;
    house.uses(ChannelKind::Email, ANN).await;
    house
}

#[tokio::test]
async fn a_message_is_mailed_once_with_an_id_that_stays() {
    if !smtp::present() {
        return;
    }
    let server = Smtp::start().await.unwrap();
    let house = open(config(&server)).await;
    house
        .reject("The balance does not cover it – not by far.")
        .await;
    let delivery = house.delivery(DeliveryStatus::Delivered, 1).await;
    let mails = server.mails().unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].from, "notices@example.com");
    assert_eq!(mails[0].to, [ANN]);
    let text = &mails[0].text;
    for line in [
        "From: Outcry <notices@example.com>".to_owned(),
        format!("To: {ANN}"),
        "Subject: Buy AAPL rejected".to_owned(),
        format!("Message-ID: <{}@example.com>", delivery.delivery_id),
        "Date: Mon, 05 Jan 2026 14:30:00 +0000".to_owned(),
        "Auto-Submitted: auto-generated".to_owned(),
    ] {
        assert!(text.lines().any(|said| said == line), "{line}\n{text}");
    }
    let request = house.channel(ChannelKind::Email, "not an address");
    let refused = house.set(&request).await.unwrap_err();
    assert!(refused.message().contains("e-mail address"), "{refused}");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_mail_server_that_fails_for_now_gets_the_mail_again_and_one_that_refuses_does_not() {
    if !smtp::present() {
        return;
    }
    let server = Smtp::start().await.unwrap();
    let house = open(config(&server)).await;
    server.kill().await.unwrap();
    house.reject("patience").await;
    let failed = house.delivery(DeliveryStatus::Pending, 1).await;
    assert!(failed.last_error.contains("connection"), "{failed:?}");

    server.restart().await.unwrap();
    server.behave(Behaviour::Answer(451)).unwrap();
    let failed = house.tried(2).await;
    assert_eq!(failed.last_error, "the mail server answered 451");
    server.behave(Behaviour::Answer(550)).unwrap();
    house.clock.advance(crate::house::LONG);
    let dead = house.delivery(DeliveryStatus::Dead, 3).await;
    assert_eq!(dead.last_error, "the mail server refused with 550");
    assert!(server.mails().unwrap().is_empty());

    server.behave(Behaviour::Keep).unwrap();
    house.retry(&dead.delivery_id).await.unwrap();
    house.delivery(DeliveryStatus::Delivered, 1).await;
    assert_eq!(server.mails().unwrap().len(), 1);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_connection_cut_before_the_answer_sends_the_mail_again_under_the_same_id() {
    if !smtp::present() {
        return;
    }
    let server = Smtp::start().await.unwrap();
    let house = open(config(&server)).await;
    server.behave(Behaviour::Cut).unwrap();
    house.reject("cut").await;
    house.delivery(DeliveryStatus::Pending, 1).await;
    server.behave(Behaviour::Keep).unwrap();
    house.clock.advance(crate::house::LONG);
    let delivery = house.delivery(DeliveryStatus::Delivered, 2).await;
    let mails = server.mails().unwrap();
    assert_eq!(mails.len(), 2);
    let id = format!("Message-ID: <{}@example.com>", delivery.delivery_id);
    for mail in &mails {
        assert!(mail.text.lines().any(|line| line == id), "{}", mail.text);
    }
    house.platform.stop().await;
}

#[tokio::test]
async fn a_mail_server_that_does_not_answer_is_asked_again_later() {
    if !smtp::present() {
        return;
    }
    let server = Smtp::start().await.unwrap();
    let house = open(config(&server)).await;
    server.behave(Behaviour::Stall).unwrap();
    house.reject("slow").await;
    let failed = house.delivery(DeliveryStatus::Pending, 1).await;
    assert_eq!(failed.last_error, "the mail server did not answer in time");
    server.behave(Behaviour::Keep).unwrap();
    house.clock.advance(crate::house::LONG);
    house.delivery(DeliveryStatus::Delivered, 2).await;
    assert_eq!(server.mails().unwrap().len(), 1);
    house.platform.stop().await;
}

#[tokio::test]
async fn mails_leave_encrypted_and_signed_in_and_not_when_the_server_is_not_trusted() {
    if !smtp::present() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = Identity {
        certificate: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    };
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca_file = write("ca.pem", &identity.certificate);
    let password_file = write("password", "open sesame\n");
    for (encryption, demanded) in [
        (
            Encryption::Starttls,
            SmtpEncryption::Starttls(identity.clone()),
        ),
        (Encryption::Tls, SmtpEncryption::Tls(identity.clone())),
    ] {
        let login = ("outcry".to_owned(), "open sesame".to_owned());
        let options = SmtpOptions {
            encryption: demanded,
            login: Some(login),
        };
        let server = Smtp::start_with(&options).await.unwrap();
        let email = EmailConfig {
            url: server.url().replace("127.0.0.1", "localhost"),
            encryption,
            user: "outcry".to_owned(),
            password_file: password_file.clone(),
            ..config(&server)
        };
        let house = open(email.clone()).await;
        house.reject("encrypted").await;
        let failed = house.delivery(DeliveryStatus::Pending, 1).await;
        assert!(failed.last_error.contains("encrypted"), "{failed:?}");
        assert!(server.mails().unwrap().is_empty());

        let email = EmailConfig {
            ca_file: ca_file.clone(),
            ..email
        };
        let trusting = Config {
            email: email.clone(),
            ..Config::default()
        };
        let house = house.reconfigured(trusting).await;
        house.clock.advance(crate::house::LONG);
        house.delivery(DeliveryStatus::Delivered, 2).await;
        assert_eq!(server.mails().unwrap().len(), 1);

        let wrong = write("wrong", "open barley");
        let stranger = Config {
            email: EmailConfig {
                password_file: wrong,
                ..email
            },
            ..Config::default()
        };
        let house = house.reconfigured(stranger).await;
        house.reject("not signed in").await;
        let failed = house.delivery(DeliveryStatus::Pending, 1).await;
        assert!(
            failed.last_error.contains("let this platform in"),
            "{failed:?}"
        );
        house.platform.stop().await;
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let complete = EmailConfig {
        url: "smtp://127.0.0.1:2525".to_owned(),
        encryption: Encryption::None,
        from: "notices@example.com".to_owned(),
        user: "outcry".to_owned(),
        ..EmailConfig::default()
    };
    let house = House::open().await;
    let refused = async |email: EmailConfig| {
        let config = Config {
            email,
            ..Config::default()
        };
        let made = outcry_notifications::service(house.ctx.clone(), config).await;
        made.err().map(|error| error.to_string())
    };
    let no_sender = EmailConfig {
        from: String::new(),
        ..complete.clone()
    };
    assert!(refused(no_sender).await.unwrap().contains("email.from"));
    let no_file = EmailConfig {
        password_file: missing.clone(),
        ..complete.clone()
    };
    let said = refused(no_file).await.unwrap();
    assert!(said.contains("email.password_file"), "{said}");
    let two = EmailConfig {
        password: "one".to_owned(),
        password_file: missing.clone(),
        ..complete.clone()
    };
    assert!(refused(two).await.unwrap().contains("both given"));
    let no_authority = EmailConfig {
        encryption: Encryption::Tls,
        ca_file: Path::new(&missing).to_owned(),
        ..complete.clone()
    };
    let said = refused(no_authority).await.unwrap();
    assert!(said.contains("email.ca_file"), "{said}");
    assert_eq!(refused(complete).await, None);
    house.platform.stop().await;
}
