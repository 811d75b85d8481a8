//! The bounds on messages, checked on the frames' length prefixes before anything is buffered.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use outcry_mesh::refusal;
use tonic::body::Body;
use tonic::{Code, Status};

use super::shape;

/// A gRPC message is preceded by one flag byte and four bytes of length.
const PREFIX: usize = 5;

/// What was wrong with a request's body, for whoever waits for the answer.
pub(super) type Fault = Arc<OnceLock<Status>>;

/// A request body that holds one plain message of bounded size, or fails as soon as it does not.
pub(super) struct OneMessage {
    inner: Body,
    meter: Meter,
    fault: Fault,
    ended: bool,
}

impl OneMessage {
    pub(super) fn new(inner: Body, bytes_max: u32, fault: Fault) -> OneMessage {
        OneMessage {
            inner,
            meter: Meter::new(bytes_max),
            fault,
            ended: false,
        }
    }

    fn fail(&mut self, status: Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.ended = true;
        self.inner = Body::empty();
        // The first fault is the one that counts.
        let status = self.fault.get_or_init(|| status).clone();
        Poll::Ready(Some(Err(status)))
    }
}

impl HttpBody for OneMessage {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let frame = match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            // Broken off, or not the base64 it claims to be: nothing in here failed.
            Some(Err(_broken)) => return this.fail(malformed("the request's body is broken")),
            None => match this.meter.end() {
                Ok(()) => {
                    this.ended = true;
                    return Poll::Ready(None);
                }
                Err(status) => return this.fail(status),
            },
        };
        let passed = match frame.data_ref() {
            Some(data) => this.meter.pass_request(data),
            None => Ok(()),
        };
        match passed {
            Ok(()) => Poll::Ready(Some(Ok(frame))),
            Err(status) => this.fail(status),
        }
    }

    fn is_end_stream(&self) -> bool {
        // Not before the end was looked at: a message may be missing.
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Follows the messages of a body however they are cut.
pub(super) struct Meter {
    bytes_max: u32,
    prefix: [u8; PREFIX],
    /// Bytes of the prefix seen so far.
    seen: usize,
    /// Bytes of the message still to come.
    rest: usize,
    /// Messages that have begun.
    messages: u64,
}

/// What precedes a message.
#[derive(Debug, Clone, Copy)]
struct Announced {
    flag: u8,
    length: u32,
    /// Its number in the body, from 1.
    number: u64,
}

impl Meter {
    pub(super) fn new(bytes_max: u32) -> Meter {
        Meter {
            bytes_max,
            prefix: [0; PREFIX],
            seen: 0,
            rest: 0,
            messages: 0,
        }
    }

    /// Passes data of an answer.
    ///
    /// # Errors
    /// A message that is larger than clients take.
    pub(super) fn pass_answer(&mut self, data: &[u8]) -> Result<(), Status> {
        let bytes_max = self.bytes_max;
        self.pass(data, |announced| {
            if announced.length > bytes_max {
                return Err(refusal::with_metadata(
                    Code::ResourceExhausted,
                    "ANSWER_TOO_LARGE",
                    format!(
                        "the answer has {} bytes, and this gateway sends {bytes_max} at most: ask for less at a time",
                        announced.length
                    ),
                    [("bytes_max".to_owned(), bytes_max.to_string())],
                ));
            }
            Ok(())
        })
    }

    /// Passes data of a request.
    fn pass_request(&mut self, data: &[u8]) -> Result<(), Status> {
        let bytes_max = self.bytes_max;
        self.pass(data, |announced| match announced.flag {
            0 if announced.length > bytes_max => Err(too_large(announced.length, bytes_max)),
            0 if announced.number > 1 => Err(malformed("send one message for each call")),
            0 => Ok(()),
            1 => Err(shape::compressed()),
            _ => Err(malformed("the message's first byte must be 0")),
        })
    }

    /// The end of a request's body.
    fn end(&self) -> Result<(), Status> {
        if self.seen > 0 || self.rest > 0 {
            return Err(malformed("the body ends in the middle of a message"));
        }
        if self.messages == 0 {
            return Err(malformed("the body holds no message"));
        }
        Ok(())
    }

    fn pass(
        &mut self,
        mut data: &[u8],
        judge: impl Fn(Announced) -> Result<(), Status>,
    ) -> Result<(), Status> {
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
                self.messages += 1;
                let [flag, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length);
                judge(Announced {
                    flag,
                    length,
                    number: self.messages,
                })?;
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

fn malformed(message: &str) -> Status {
    refusal::with_reason(Code::InvalidArgument, "MALFORMED_BODY", message)
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use proptest::prelude::*;

    use super::*;

    fn framed(flag: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![flag];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.extend(vec![9; length]);
        bytes
    }

    proptest! {
        #[test]
        fn however_an_answer_is_cut_only_its_largest_message_decides(
            lengths in prop::collection::vec(0usize..130, 0..6),
            cut in 1usize..40,
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| framed(0, *length)).collect();
            let mut meter = Meter::new(100);
            let passed = bytes.chunks(cut).try_for_each(|part| meter.pass_answer(part));
            prop_assert_eq!(passed.is_ok(), lengths.iter().all(|length| *length <= 100));
        }

        #[test]
        fn however_a_request_is_cut_it_holds_one_whole_plain_message(
            flag in prop_oneof![4 => Just(0u8), 1 => 1u8..],
            length in 0usize..130,
            missing in 0usize..3,
            cut in 1usize..40,
        ) {
            let mut bytes = framed(flag, length);
            bytes.truncate(bytes.len() - missing);
            let mut meter = Meter::new(100);
            let passed = bytes
                .chunks(cut)
                .try_for_each(|part| meter.pass_request(part))
                .and_then(|()| meter.end());
            prop_assert_eq!(passed.is_ok(), flag == 0 && length <= 100 && missing == 0);
        }
    }

    #[test]
    fn an_announced_size_is_refused_before_the_message_comes() {
        let mut meter = Meter::new(100);
        let refused = meter
            .pass_request(&[0, 0xff, 0xff, 0xff, 0xff])
            .unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(
            refused.message().contains("at most 100"),
            "{}",
            refused.message()
        );
    }

    #[tokio::test]
    async fn a_body_that_is_not_one_message_fails_and_says_so_to_whoever_waits() {
        let two = [framed(0, 1), framed(0, 1)].concat();
        let cases: [(Vec<u8>, Option<Code>); 6] = [
            (framed(0, 3), None),
            (Vec::new(), Some(Code::InvalidArgument)),
            (two, Some(Code::InvalidArgument)),
            (framed(0, 3)[..6].to_vec(), Some(Code::InvalidArgument)),
            (framed(1, 3), Some(Code::Unimplemented)),
            (framed(0x80, 3), Some(Code::InvalidArgument)),
        ];
        for (bytes, expected) in cases {
            let fault = Fault::default();
            let inner = Body::new(Full::new(Bytes::from(bytes.clone())));
            let body = OneMessage::new(inner, 100, Arc::clone(&fault));
            let collected = body.collect().await.map_err(|status| status.code());
            assert_eq!(collected.err(), expected, "{bytes:?}");
            assert_eq!(fault.get().map(Status::code), expected, "{bytes:?}");
        }
    }
}
