//! A place in a trace, as the W3C writes it.

use std::fmt;

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

use crate::correlation::TRACE_HEADER;

/// Length of a `traceparent` of version 00, and of the part of later ones that is understood.
const LENGTH: usize = 55;

/// A place in a trace: the trace, the span in it, and whether that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

impl TraceContext {
    /// Reads a `traceparent`; `None` when it is not well-formed.
    ///
    /// Of a later version than 00 the part is read that all versions have in common.
    pub fn parse(text: &str) -> Option<TraceContext> {
        let (known, further) = text.split_at_checked(LENGTH)?;
        let well_formed = known.bytes().enumerate().all(|(index, byte)| match index {
            2 | 35 | 52 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
        if !well_formed {
            return None;
        }
        let complete = match &known[..2] {
            "00" => further.is_empty(),
            "ff" => false,
            _ => further.is_empty() || further.starts_with('-'),
        };
        if !complete {
            return None;
        }
        let context = TraceContext {
            trace: TraceId::from_hex(&known[3..35]).ok()?,
            span: SpanId::from_hex(&known[36..52]).ok()?,
            // What other bits may mean is not known here, so they are not handed on.
            flags: TraceFlags::new(u8::from_str_radix(&known[53..], 16).ok()?)
                & TraceFlags::SAMPLED,
        };
        context.is_valid().then_some(context)
    }

    /// The context of request headers; `None` also when there are several.
    pub fn in_headers(headers: &HeaderMap) -> Option<TraceContext> {
        let mut values = headers.get_all(TRACE_HEADER).iter();
        let only = values.next().filter(|_| values.next().is_none())?;
        TraceContext::parse(only.to_str().ok()?)
    }

    /// Writes it into request headers, in the place of any other.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        // It is plain ASCII.
        if let Ok(value) = HeaderValue::from_str(&self.to_string()) {
            headers.insert(TRACE_HEADER, value);
        }
    }

    pub(super) fn of(context: &SpanContext) -> Option<TraceContext> {
        context.is_valid().then(|| TraceContext {
            trace: context.trace_id(),
            span: context.span_id(),
            flags: context.trace_flags(),
        })
    }

    /// As the parent of a span.
    pub(super) fn remote(self) -> Context {
        Context::new().with_remote_span_context(SpanContext::new(
            self.trace,
            self.span,
            self.flags,
            true,
            TraceState::default(),
        ))
    }

    pub(super) fn is_of_the_trace_of(&self, other: &TraceContext) -> bool {
        self.trace == other.trace
    }

    fn is_valid(&self) -> bool {
        self.trace != TraceId::INVALID && self.span != SpanId::INVALID
    }
}

impl fmt::Display for TraceContext {
    /// As a `traceparent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags.to_u8();
        write!(f, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in [
            SAMPLED,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-00000000000000000000000000000001-0000000000000001-01",
        ] {
            assert_eq!(TraceContext::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for text in [
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-what-comes",
        ] {
            assert_eq!(TraceContext::parse(text).unwrap().to_string(), SAMPLED);
        }
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\u{e4}",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn of_two_contexts_in_the_headers_neither_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::in_headers(&headers), None);
        headers.append(TRACE_HEADER, HeaderValue::from_static(SAMPLED));
        let read = TraceContext::in_headers(&headers);
        assert_eq!(read, TraceContext::parse(SAMPLED));
        headers.append(TRACE_HEADER, HeaderValue::from_static(SAMPLED));
        assert_eq!(TraceContext::in_headers(&headers), None);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(text in "\\PC{0,80}") {
            let read = TraceContext::parse(&text).map(|context| context.to_string());
            prop_assert!(read.is_none_or(|written| TraceContext::parse(&written).is_some()));
        }
    }
}
