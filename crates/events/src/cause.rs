//! What led to an event.

use uuid::Uuid;

/// Length of a version 00 `traceparent`.
const TRACEPARENT_LEN: usize = 55;

/// What led to the events of one decision; goes into each of their envelopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Id of the command that started the flow: the same in every event of it.
    pub correlation_id: Uuid,
    /// Id of the event that led here directly; none for the flow's first command.
    pub causation_id: Option<Uuid>,
    /// Who acts: `user:<id>`, `service:<name>` or `provider:<name>`.
    pub actor: String,
    /// W3C trace context of the flow's origin; empty when there is none.
    pub traceparent: String,
}

impl Cause {
    /// The start of a flow.
    #[must_use]
    pub fn root(correlation_id: Uuid, actor: impl Into<String>) -> Cause {
        Cause {
            correlation_id,
            causation_id: None,
            actor: actor.into(),
            traceparent: String::new(),
        }
    }

    /// With this trace context. One that is not well-formed is left out: tracing is never a
    /// reason to refuse an event.
    #[must_use]
    pub fn traced(mut self, traceparent: &str) -> Cause {
        self.traceparent = if is_traceparent(traceparent) {
            traceparent.to_owned()
        } else {
            String::new()
        };
        self
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, in lower case, as the envelope's rule demands.
fn is_traceparent(text: &str) -> bool {
    text.len() == TRACEPARENT_LEN
        && text.starts_with("00-")
        && text.bytes().enumerate().all(|(index, byte)| match index {
            2 | 35 | 52 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_trace_context_is_left_out() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let root = Cause::root(Uuid::nil(), "service:orders");
        assert_eq!(root.clone().traced(good).traceparent, good);
        for bad in [
            "",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(root.clone().traced(bad).traceparent, "", "{bad}");
        }
    }
}
