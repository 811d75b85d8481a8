//! What of a client's headers goes on to a service: what gRPC itself needs, and nothing else.

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue};
use outcry_mesh::{TRACEPARENT, deadline, refusal};
use tonic::{Code, Status};

/// Header lines of one call at most: clients and proxies send a dozen.
const LINES_MAX: usize = 64;

/// Bytes of all names and values at most: a token and what proxies add take two or three kilobytes.
const BYTES_MAX: usize = 8 * 1024;

/// Vendor data that belongs to the trace context.
const TRACESTATE: &str = "tracestate";

/// Bytes of it at most, as much as W3C asks everybody to hand on.
const TRACESTATE_BYTES_MAX: usize = 512;

/// Whether the headers are few and small enough to look at.
///
/// # Errors
/// `RESOURCE_EXHAUSTED`.
pub(super) fn check_size(headers: &HeaderMap) -> Result<(), Status> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() <= LINES_MAX && bytes <= BYTES_MAX {
        return Ok(());
    }
    Err(refusal::with_metadata(
        Code::ResourceExhausted,
        "METADATA_TOO_LARGE",
        format!("send at most {LINES_MAX} metadata entries of {BYTES_MAX} bytes in all"),
        [
            ("entries_max".to_owned(), LINES_MAX.to_string()),
            ("bytes_max".to_owned(), BYTES_MAX.to_string()),
        ],
    ))
}

/// Takes everything away that is not known to be harmless: secrets no service needs, and whatever
/// somebody might take for the platform's own word, today or later.
pub(super) fn keep_harmless(headers: &mut HeaderMap) {
    let mut kept = HeaderMap::with_capacity(4);
    for name in [
        CONTENT_TYPE,
        TE,
        HeaderName::from_static(deadline::GRPC_TIMEOUT),
    ] {
        if let Some(value) = headers.remove(&name) {
            kept.insert(name, value);
        }
    }
    if let Some(traceparent) = only(headers, TRACEPARENT).filter(|value| is_traceparent(value)) {
        kept.insert(TRACEPARENT, traceparent.clone());
        if let Some(state) =
            only(headers, TRACESTATE).filter(|value| value.len() <= TRACESTATE_BYTES_MAX)
        {
            kept.insert(TRACESTATE, state.clone());
        }
    }
    *headers = kept;
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether it reads `00-<trace id>-<span id>-<flags>` in lower-case hexadecimal, neither id all zeros.
fn is_traceparent(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return false;
    };
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else {
        return false;
    };
    let is_hex = |text: &str, length: usize| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == length && text.bytes().all(digit)
    };
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    *version == "00" && is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_what_grpc_needs_goes_on() {
        let mut headers = HeaderMap::new();
        for name in [
            "outcry-correlation-id",
            "outcry-criticality",
            "outcry-fault",
            "outcry-anything-bin",
            "grpc-previous-rpc-attempts",
            "grpc-encoding",
            "grpc-accept-encoding",
            "x-forwarded-for",
            "forwarded",
            "x-user-id",
            "authorization",
            "cookie",
            "content-type",
            "te",
            "grpc-timeout",
        ] {
            headers.append(name, HeaderValue::from_static("x"));
            headers.append(name, HeaderValue::from_static("y"));
        }
        headers.append(TRACEPARENT, HeaderValue::from_static(TRACE));
        headers.append(TRACESTATE, HeaderValue::from_static("vendor=1"));
        keep_harmless(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let expected = [
            "content-type",
            "grpc-timeout",
            "te",
            TRACEPARENT,
            TRACESTATE,
        ];
        assert_eq!(left, expected);
        assert_eq!(headers.len(), expected.len(), "each of them once");
    }

    #[test]
    fn a_trace_context_that_is_none_is_dropped_with_all_that_belongs_to_it() {
        let long = "v".repeat(TRACESTATE_BYTES_MAX + 1);
        let table: &[(&[&str], &str, usize)] = &[
            (&[TRACE], "vendor=1", 2),
            (&[TRACE], &long, 1),
            (&[TRACE, TRACE], "vendor=1", 0),
            (
                &["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"],
                "vendor=1",
                0,
            ),
            (
                &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
                "vendor=1",
                0,
            ),
            (
                &["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"],
                "vendor=1",
                0,
            ),
            (
                &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
                "vendor=1",
                0,
            ),
            (&["00-4bf9-00f0-01"], "vendor=1", 0),
            (&["nonsense"], "vendor=1", 0),
            (&[], "vendor=1", 0),
        ];
        for (parents, state, left) in table {
            let mut headers = HeaderMap::new();
            for parent in *parents {
                headers.append(TRACEPARENT, HeaderValue::from_str(parent).unwrap());
            }
            headers.append(TRACESTATE, HeaderValue::from_str(state).unwrap());
            keep_harmless(&mut headers);
            assert_eq!(headers.len(), *left, "{parents:?}");
        }
    }

    #[test]
    fn metadata_is_bounded_in_number_and_in_bytes() {
        let filled = |lines: usize, bytes: usize| {
            let mut headers = HeaderMap::new();
            for number in 0..lines {
                let name = HeaderName::from_bytes(format!("x-{number:02}").as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_str(&"v".repeat(bytes)).unwrap());
            }
            check_size(&headers)
        };
        assert!(filled(LINES_MAX, 4).is_ok());
        for refused in [filled(LINES_MAX + 1, 4), filled(1, BYTES_MAX)] {
            assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
        }
    }
}
