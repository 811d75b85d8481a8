//! Messages as e-mail, handed to one mail server.

use std::error::Error as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use url::{Host, Url};

use crate::config::{EmailConfig, Encryption, StartError};
use crate::deliveries::Failure;
use crate::letter::Letter;

/// How long handing a mail over may take: mail servers look at what they get, but a timer's
/// handler has half a minute for everything.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// Says that no person wrote the mail, so that no vacation notice answers it.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Hands mails to a server.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

// === impl Mailer ===

impl Mailer {
    /// The mailer of a configuration; none when that has no server.
    ///
    /// # Errors
    /// The configuration does not make sense, or a file of it cannot be read.
    pub(crate) fn new(config: &EmailConfig) -> Result<Option<Self>, StartError> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let (host, port) = server(config)?;
        let from: Mailbox = config.from.parse().map_err(StartError::MailFrom)?;
        let tls = match config.encryption {
            Encryption::None => Tls::None,
            Encryption::Starttls => Tls::Required(parameters(&host, &config.ca_file)?),
            Encryption::Tls => Tls::Wrapper(parameters(&host, &config.ca_file)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
            .port(port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(CONNECT_WITHIN));
        if let Some(credentials) = credentials(config, &host)? {
            builder = builder.credentials(credentials);
        }
        Ok(Some(Self {
            transport: builder.build(),
            from,
        }))
    }

    /// Hands a mail over. Done when the server says that it has it: what becomes of the mail then
    /// is the server's business.
    pub(crate) async fn send(
        &self,
        target: &str,
        letter: &Letter,
        now: SystemTime,
    ) -> Result<(), Failure> {
        let to: Address = target
            .parse()
            .map_err(|_| Failure::lasting("the address is none"))?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()])
            .map_err(|_| Failure::lasting("the mail has no recipient"))?;
        let mail = self
            .write(to, letter, now)
            .map_err(|_| Failure::lasting("the mail cannot be written"))?;
        let bytes = mail.formatted();
        let sending = self.transport.send_raw(&envelope, &bytes);
        match tokio::time::timeout(SEND_WITHIN, sending).await {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_elapsed) => Err(Failure::passing("the mail server did not answer in time")),
        }
    }

    fn write(
        &self,
        to: Address,
        letter: &Letter,
        now: SystemTime,
    ) -> Result<Mail, lettre::error::Error> {
        let id = format!("<{}@{}>", letter.delivery_id, self.from.email.domain());
        let said = &letter.notification;
        let mut text = said.body.clone();
        if !said.reference.is_empty() {
            text.push_str("\n\nReference: ");
            text.push_str(&said.reference);
        }
        text.push('\n');
        Mail::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(said.title.clone())
            .date(now)
            .message_id(Some(id))
            .raw_header(HeaderValue::new(
                AUTO_SUBMITTED,
                "auto-generated".to_owned(),
            ))
            .header(lettre::message::header::ContentType::TEXT_PLAIN)
            .body(text)
    }
}

/// Whether a text is an address that mail can be sent to.
pub(crate) fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

fn server(config: &EmailConfig) -> Result<(String, u16), StartError> {
    let bad = || StartError::MailUrl {
        url: shown(&config.url),
    };
    let url = Url::parse(&config.url).map_err(|_| bad())?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host_str().filter(|host| !host.is_empty());
    let (Some(host), true, "smtp") = (host, is_bare, url.scheme()) else {
        return Err(bad());
    };
    let usual = match config.encryption {
        Encryption::Starttls => 587,
        Encryption::Tls => 465,
        Encryption::None => 25,
    };
    // An address of IPv6 stands in brackets in a URL only.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), url.port().unwrap_or(usual)))
}

/// A URL without what stands before an at sign: it may be a password.
fn shown(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}://***{}", &url[..start], &url[at..]),
        _ => url.to_owned(),
    }
}

fn credentials(config: &EmailConfig, host: &str) -> Result<Option<Credentials>, StartError> {
    if config.user.is_empty() {
        return Ok(None);
    }
    if config.encryption == Encryption::None && !is_here(host) {
        let host = host.to_owned();
        return Err(StartError::OpenPassword { host });
    }
    let has_file = !config.password_file.as_os_str().is_empty();
    let password = match (config.password.is_empty(), has_file) {
        (false, true) => return Err(StartError::TwoPasswords),
        (_, false) => config.password.clone(),
        (true, true) => {
            let bytes = read("email.password_file", &config.password_file)?;
            // Editors end files with a line break; passwords do not.
            let text = String::from_utf8_lossy(&bytes);
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    Ok(Some(Credentials::new(config.user.clone(), password)))
}

fn is_here(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        _ => host == "::1",
    }
}

fn parameters(host: &str, ca_file: &Path) -> Result<TlsParameters, StartError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if !ca_file.as_os_str().is_empty() {
        let setting = "email.ca_file";
        let pem = read(setting, ca_file)?;
        let none = || StartError::Certificates {
            setting,
            path: ca_file.to_owned(),
        };
        let certificate = Certificate::from_pem(&pem).map_err(|_| none())?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(StartError::MailTls)
}

/// A file named in the settings.
pub(crate) fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, StartError> {
    fs::read(path).map_err(|source| StartError::File {
        setting,
        path: path.to_owned(),
        source,
    })
}

/// What an error means. Servers repeat addresses in their answers, so only the code is told.
fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let code = error.status().map(u16::from);
    match code {
        // They do not know us: nothing is wrong with the mail.
        Some(530..=539) => {
            Failure::passing("the mail server does not let this platform in; tell its operators")
        }
        Some(code) if error.is_permanent() => {
            Failure::lasting(format!("the mail server refused with {code}"))
        }
        Some(code) => Failure::passing(format!("the mail server answered {code}")),
        None if is_about_encryption(error) => {
            Failure::passing("no encrypted connection to the mail server could be made")
        }
        None if error.is_timeout() => Failure::passing("the mail server did not answer in time"),
        None => Failure::passing("the connection to the mail server failed"),
    }
}

fn is_about_encryption(error: &lettre::transport::smtp::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let broken = cause.downcast_ref::<io::Error>();
        if broken.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        source = cause.source();
    }
    error.is_tls()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, encryption: Encryption) -> EmailConfig {
        EmailConfig {
            url: url.to_owned(),
            encryption,
            from: "Outcry <notices@example.com>".to_owned(),
            ..EmailConfig::default()
        }
    }

    #[test]
    fn the_port_is_the_usual_one_of_the_encryption_unless_given() {
        for (url, encryption, expected) in [
            ("smtp://mail.example.com", Encryption::Starttls, 587),
            ("smtp://mail.example.com", Encryption::Tls, 465),
            ("smtp://mail.example.com", Encryption::None, 25),
            ("smtp://mail.example.com:2525", Encryption::Tls, 2525),
        ] {
            let (host, port) = server(&config(url, encryption)).unwrap();
            assert_eq!((host.as_str(), port), ("mail.example.com", expected));
        }
        let (host, _) = server(&config("smtp://[::1]:25", Encryption::None)).unwrap();
        assert_eq!(host, "::1");
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_showing_a_password() {
        for url in ["mail.example.com", "smtp://", "http://a", "smtp://a/b"] {
            let refused = Mailer::new(&config(url, Encryption::None)).err().unwrap();
            assert!(matches!(refused, StartError::MailUrl { .. }), "{url}");
        }
        let refused = Mailer::new(&config("smtp://me:secret@a", Encryption::None));
        assert!(!refused.err().unwrap().to_string().contains("secret"));
    }

    #[test]
    fn a_password_is_sent_in_the_clear_to_this_machine_only() {
        let with_user = |url| EmailConfig {
            user: "me".to_owned(),
            password: "secret".to_owned(),
            ..config(url, Encryption::None)
        };
        let refused = Mailer::new(&with_user("smtp://mail.example.com"));
        assert!(matches!(
            refused.err(),
            Some(StartError::OpenPassword { .. })
        ));
        assert!(Mailer::new(&with_user("smtp://127.0.0.1")).is_ok());
        assert!(!format!("{:?}", with_user("smtp://a")).contains("secret"));
    }

    #[test]
    fn a_line_break_in_a_title_makes_no_header() {
        let mailer = Mailer::new(&config("smtp://127.0.0.1", Encryption::None));
        let mailer = mailer.unwrap().unwrap();
        let letter = Letter {
            delivery_id: "d".to_owned(),
            event_id: "e".to_owned(),
            user_id: "u".to_owned(),
            notification: crate::letter::Contents {
                notification_id: "n".to_owned(),
                sequence: 1,
                topic: "order.filled".to_owned(),
                priority: "HIGH",
                title: "Filled\r\nBcc: everybody@example.com".to_owned(),
                body: "At 10.00 USD.".to_owned(),
                reference: "o-1".to_owned(),
                at: String::new(),
            },
        };
        let to = "ann@example.org".parse().unwrap();
        let mail = mailer.write(to, &letter, SystemTime::UNIX_EPOCH).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
        assert!(text.contains("Message-ID: <d@example.com>"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
    }
}
