//! The bound on a client's messages, checked on the frames' length prefixes before anything is buffered.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use outcry_mesh::refusal;
use tonic::body::Body;
use tonic::{Code, Status};

/// A gRPC message is preceded by one flag byte and four bytes of length.
const PREFIX: usize = 5;

/// A request body that fails as soon as a message announces more bytes than allowed.
pub(super) struct BoundedMessages {
    inner: Body,
    meter: Meter,
}

impl BoundedMessages {
    pub(super) fn new(inner: Body, bytes_max: u32) -> BoundedMessages {
        BoundedMessages {
            inner,
            meter: Meter {
                bytes_max,
                prefix: [0; PREFIX],
                seen: 0,
                rest: 0,
            },
        }
    }
}

impl HttpBody for BoundedMessages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && let Err(too_large) = this.meter.pass(data)
        {
            this.inner = Body::empty();
            return Poll::Ready(Some(Err(too_large)));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Follows the frames of a body however they are cut.
struct Meter {
    bytes_max: u32,
    prefix: [u8; PREFIX],
    /// Bytes of the prefix seen so far.
    seen: usize,
    /// Bytes of the message still to come.
    rest: usize,
}

impl Meter {
    fn pass(&mut self, mut data: &[u8]) -> Result<(), Status> {
        while !data.is_empty() {
            if self.rest > 0 {
                let taken = self.rest.min(data.len());
                self.rest -= taken;
                data = &data[taken..];
                continue;
            }
            self.prefix[self.seen] = data[0];
            self.seen += 1;
            data = &data[1..];
            if self.seen == PREFIX {
                self.seen = 0;
                let [_, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length);
                if length > self.bytes_max {
                    return Err(too_large(length, self.bytes_max));
                }
                self.rest = length as usize;
            }
        }
        Ok(())
    }
}

fn too_large(length: u32, bytes_max: u32) -> Status {
    refusal::with_metadata(
        Code::ResourceExhausted,
        "MESSAGE_TOO_LARGE",
        format!("the message has {length} bytes; send at most {bytes_max}"),
        [("bytes_max".to_owned(), bytes_max.to_string())],
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.push(0);
            bytes.extend(u32::try_from(*length).unwrap().to_be_bytes());
            bytes.extend(vec![9; *length]);
        }
        bytes
    }

    fn meter() -> Meter {
        Meter {
            bytes_max: 100,
            prefix: [0; PREFIX],
            seen: 0,
            rest: 0,
        }
    }

    proptest! {
        #[test]
        fn however_a_body_is_cut_only_its_largest_message_decides(
            lengths in prop::collection::vec(0usize..130, 0..6),
            cut in 1usize..40,
        ) {
            let mut meter = meter();
            let passed = framed(&lengths).chunks(cut).try_for_each(|part| meter.pass(part));
            prop_assert_eq!(passed.is_ok(), lengths.iter().all(|length| *length <= 100));
        }
    }

    #[test]
    fn an_announced_size_is_refused_before_the_message_comes() {
        let refused = meter().pass(&[0, 0xff, 0xff, 0xff, 0xff]).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(
            refused.message().contains("at most 100"),
            "{}",
            refused.message()
        );
    }
}
