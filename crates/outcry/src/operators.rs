//! What a process says at its port for operators, read by the command line: pages, and the numbers on one of them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

/// How long one page may take: the port is near, and answers from memory.
const PAGE_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of a page at most: every metric of ten services is a hundredth of it.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The port of an `http` address that names none.
const HTTP_PORT: u16 = 80;

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Status of the answer.
    pub status: u16,
    /// The text.
    pub body: String,
}

/// The numbers of a process at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    samples: BTreeMap<String, Vec<Sample>>,
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What tells it apart from others of its name.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: f64,
}

/// A call that took long, as the process shows it that answered it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowCall {
    /// `outcry.orders.v1.OrderService/PlaceOrder`
    pub method: String,
    /// The flow it belongs to, for `outcry trace`.
    pub correlation_id: String,
    /// How long it took.
    pub milliseconds: f64,
    /// `OK`, `ABORTED`, …
    pub status: String,
    /// How long ago it ended.
    pub seconds_ago: u64,
}

/// The slowest calls of late.
#[derive(Debug, Deserialize)]
pub struct Slowest {
    /// The slowest first.
    pub calls: Vec<SlowCall>,
}

/// The address of a port for operators, from `http://host:port` or `host:port`.
///
/// # Errors
/// It is something else.
pub fn origin(address: &str) -> anyhow::Result<String> {
    let whole = if address.contains("://") {
        address.trim_end_matches('/').to_owned()
    } else {
        format!("http://{address}")
    };
    let uri: Option<Uri> = whole.parse().ok();
    let is_one = uri.is_some_and(|uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some() && uri.path() == "/"
    });
    ensure!(
        is_one,
        "`{address}` is no port for operators: write http://host:port, as [admin] of the process has it"
    );
    Ok(whole)
}

/// Asks for a page.
///
/// # Errors
/// Nobody answers there in time, or not in HTTP.
pub async fn page(origin: &str, path: &str) -> anyhow::Result<Page> {
    let asking = async {
        let uri: Uri = origin.parse().context("not an address")?;
        let host = uri.host().context("no host is named")?;
        let port = uri.port_u16().unwrap_or(HTTP_PORT);
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender.
        let connection = tokio::spawn(connection);
        let request = Request::get(path)
            .header(header::HOST, format!("{host}:{port}"))
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), PAGE_BYTES_MAX)
            .collect()
            .await;
        connection.abort();
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        Ok(Page {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    };
    let asked = tokio::time::timeout(PAGE_WITHIN, asking).await;
    let answered = match asked {
        Ok(answered) => answered,
        Err(_) => Err(anyhow::anyhow!("no answer within {PAGE_WITHIN:?}")),
    };
    answered.with_context(|| format!("asking for {origin}{path}"))
}

/// A time as HTTP has it, `Sun, 29 Nov 2026 08:00:00 GMT`.
pub fn http_date(text: &str) -> Option<SystemTime> {
    let parsed = DateTimeParser::new().parse_timestamp(text).ok()?;
    let seconds = u64::try_from(parsed.as_second()).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

// === impl Reading ===

impl Reading {
    /// Reads what Prometheus reads. Lines that are no numbers are passed over.
    pub fn parse(text: &str) -> Self {
        let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, sample)) = sample(line) {
                samples.entry(name.to_owned()).or_default().push(sample);
            }
        }
        Self { samples }
    }

    /// All numbers of a name.
    pub fn of(&self, name: &str) -> &[Sample] {
        self.samples.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sum of all numbers of a name.
    pub fn sum(&self, name: &str) -> f64 {
        self.of(name).iter().map(|sample| sample.value).sum()
    }

    /// The largest number of a name; 0 when there is none.
    pub fn max(&self, name: &str) -> f64 {
        let values = self.of(name).iter().map(|sample| sample.value);
        values.fold(0.0, f64::max)
    }

    /// The version of the process.
    pub fn version(&self) -> Option<&str> {
        let build = self.of("outcry_build_info").first()?;
        build.labels.get("version").map(String::as_str)
    }
}

impl Sample {
    /// The value of a label; empty when there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> Option<(&str, Sample)> {
    let end = line.find(['{', ' '])?;
    let name = &line[..end];
    let (labels, rest) = match line[end..].strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), &line[end..]),
    };
    // A time may follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name, Sample { labels, value }))
}

/// The labels up to the closing brace, and what is behind it.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.trim_start_matches(',').split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (place, '"') => break place,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        text = &rest[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_labels() {
        let reading = Reading::parse(
            "# HELP a Something\n# TYPE a counter\na_total{x=\"1\",y=\"a \\\"b\\\" }\\n\"} 3\na_total{x=\"2\"} 4.5 17\n\
             plain 7\nempty{} 1\nnonsense\nhalf{x=\"\noutcry_build_info{version=\"0.1.0\"} 1\n# EOF\n",
        );
        assert_eq!(reading.sum("a_total"), 7.5);
        assert_eq!(reading.max("a_total"), 4.5);
        assert_eq!(reading.of("a_total")[0].label("y"), "a \"b\" }\n");
        assert_eq!(reading.of("a_total")[1].label("y"), "");
        assert_eq!(reading.sum("plain"), 7.0);
        assert_eq!(reading.sum("empty"), 1.0);
        assert_eq!(reading.version(), Some("0.1.0"));
        assert!(reading.of("half").is_empty() && reading.of("nonsense").is_empty());
    }

    #[test]
    fn addresses_may_leave_out_what_they_all_begin_with() {
        for (address, expected) in [
            ("127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://orders:9000/", "http://orders:9000"),
            ("http://[::1]:9000", "http://[::1]:9000"),
        ] {
            assert_eq!(origin(address).unwrap(), expected);
        }
        for wrong in [
            "https://orders:9000",
            "http://orders:9000/metrics",
            "",
            "a b",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let at = http_date("Fri, 15 Jan 2027 08:00:00 GMT").unwrap();
        assert_eq!(at, UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        assert_eq!(http_date("soon"), None);
    }
}
