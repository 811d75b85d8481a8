//! A private mail server, which keeps what it is given and misbehaves when told to.

mod install;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::ServerError;
use crate::ports;
use crate::sandbox::{Ending, Sandbox};

pub use install::present;

/// How the server is called in errors.
const SERVER: &str = "mail server";

/// The server itself.
const PROGRAM: &str = include_str!("smtp/server.py");

/// How long it may take to accept a connection: an interpreter has to start.
const START_WITHIN: Duration = Duration::from_secs(60);

/// How long between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(20);

/// How connections to the server are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpEncryption {
    /// Not at all.
    None,
    /// With `STARTTLS`, which it insists on.
    Starttls(Identity),
    /// From the start.
    Tls(Identity),
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// What a mail server demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpOptions {
    /// How connections are encrypted.
    pub encryption: SmtpEncryption,
    /// User and password to sign in with; none takes mails from everybody.
    pub login: Option<(String, String)>,
}

/// What the server does with mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Keeps them.
    Keep,
    /// Refuses them with a code, and repeats the recipient's address in its words.
    Answer(u16),
    /// Keeps them and cuts the connection without an answer.
    Cut,
    /// Neither keeps nor answers.
    Stall,
}

/// A mail that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Sender of the envelope.
    pub from: String,
    /// Recipients of the envelope.
    pub to: Vec<String>,
    /// The mail: headers and body.
    pub text: String,
}

/// A private mail server: it goes when this is dropped or the process that holds it ends.
#[derive(Debug)]
pub struct Smtp {
    sandbox: Sandbox,
    python: PathBuf,
    library: PathBuf,
    port: u16,
}

// === impl Smtp ===

impl Smtp {
    /// Starts a server that takes mails from everybody, unencrypted.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub async fn start() -> Result<Self, ServerError> {
        let options = SmtpOptions {
            encryption: SmtpEncryption::None,
            login: None,
        };
        Self::start_with(&options).await
    }

    /// Starts a server and waits until it accepts connections.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub async fn start_with(options: &SmtpOptions) -> Result<Self, ServerError> {
        let (python, library) = install::installed()?;
        let sandbox = Sandbox::create(Ending::Kill)?;
        sandbox.folder("mails")?;
        sandbox.write("server.py", PROGRAM)?;
        let (encryption, identity) = match &options.encryption {
            SmtpEncryption::None => ("none", None),
            SmtpEncryption::Starttls(identity) => ("starttls", Some(identity)),
            SmtpEncryption::Tls(identity) => ("tls", Some(identity)),
        };
        if let Some(identity) = identity {
            sandbox.write("certificate.pem", &identity.certificate)?;
            sandbox.write("key.pem", &identity.key)?;
        }
        let (user, password) = options.login.clone().unwrap_or_default();
        let settings = json!({ "encryption": encryption, "user": user, "password": password });
        sandbox.write("settings.json", &settings.to_string())?;
        let mut server = Self {
            sandbox,
            python,
            library,
            port: 0,
        };
        server.behave(Behaviour::Keep)?;
        let mut starts = 1;
        loop {
            [server.port] = ports::free()?;
            match server.launch().await {
                // Somebody else may have got the port.
                Err(ServerError::Ended { .. }) if starts < ports::STARTS => starts += 1,
                started => return started.map(|()| server),
            }
        }
    }

    /// `smtp://` URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Changes what it does with mails from now on.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn behave(&self, behaviour: Behaviour) -> Result<(), ServerError> {
        let text = match behaviour {
            Behaviour::Keep => "keep".to_owned(),
            Behaviour::Answer(code) => format!("answer {code}"),
            Behaviour::Cut => "cut".to_owned(),
            Behaviour::Stall => "stall".to_owned(),
        };
        // Replaced whole: the server may be reading it.
        let draft = self.sandbox.write("behaviour.draft", &text)?;
        std::fs::rename(draft, self.sandbox.path().join("behaviour"))
            .map_err(ServerError::io("tell the mail server what to do"))
    }

    /// The mails it has kept so far, oldest first.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn mails(&self) -> Result<Vec<Mail>, ServerError> {
        let folder = self.sandbox.path().join("mails");
        let reading = || ServerError::io("read mails");
        let mut paths = std::fs::read_dir(folder)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<std::io::Result<Vec<PathBuf>>>()
            })
            .map_err(reading())?;
        paths.sort();
        let read = |path: &PathBuf| std::fs::read(path).and_then(|bytes| mail(&bytes));
        paths
            .iter()
            .map(read)
            .collect::<std::io::Result<_>>()
            .map_err(reading())
    }

    /// Kills it, and waits until it is gone. Mails that were kept stay.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&self) -> Result<(), ServerError> {
        self.sandbox.kill(SERVER).await
    }

    /// Starts it again on the same port, killing it first if it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self) -> Result<(), ServerError> {
        match self.kill().await {
            Ok(()) | Err(ServerError::Down(_)) => self.launch().await,
            Err(error) => Err(error),
        }
    }

    async fn launch(&self) -> Result<(), ServerError> {
        let folder: &Path = self.sandbox.path();
        let mut command = self.sandbox.own_command(&self.python);
        command
            .arg(folder.join("server.py"))
            .arg(folder)
            .arg(self.port.to_string())
            .env("PYTHONPATH", &self.library)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        self.sandbox.start(SERVER, command)?;
        let deadline = Instant::now() + START_WITHIN;
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            self.sandbox.runs(SERVER)?;
            if Instant::now() > deadline {
                return Err(self.sandbox.late(SERVER, "ready", START_WITHIN));
            }
            tokio::time::sleep(LOOK).await;
        }
        self.sandbox.runs(SERVER)
    }
}

fn mail(bytes: &[u8]) -> std::io::Result<Mail> {
    let value: Value = serde_json::from_slice(bytes)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let to = value["to"].as_array();
    Ok(Mail {
        from: text(&value["from"]),
        to: to
            .map(|to| to.iter().map(text).collect())
            .unwrap_or_default(),
        text: text(&value["text"]),
    })
}
