//! The frames of an HTTP/2 connection, counted along as bytes go by: no copy, no content.

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes in front of every frame's content.
const HEAD_BYTES: usize = 9;
/// The frame by which a stream is given up.
pub(super) const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
/// What a peer is told that does more than it should.
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The beginning of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) stream: u32,
}

/// Follows the frames of one direction.
#[derive(Debug)]
pub(super) struct Frames(State);

#[derive(Debug)]
enum State {
    /// So many bytes of the preface have come.
    Preface(usize),
    /// So many bytes of a frame's head have come.
    Head([u8; HEAD_BYTES], usize),
    /// So many bytes of a frame's content are still to come.
    Content(usize),
    /// This is not HTTP/2.
    Foreign,
}

const NEXT: State = State::Head([0; HEAD_BYTES], 0);

impl Frames {
    /// What a client says.
    pub(super) fn of_a_client() -> Frames {
        Frames(State::Preface(0))
    }

    /// What a server says.
    pub(super) fn of_a_server() -> Frames {
        Frames(NEXT)
    }

    /// Whether frames are spoken at all, as far as is known.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.0, State::Head(..) | State::Content(_))
    }

    /// Whether the last frame is complete, so that another may follow.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.0, State::Head(_, 0))
    }

    /// Reads on, and shows every frame that begins.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut begins: impl FnMut(Head)) {
        while !bytes.is_empty() {
            let taken = match &mut self.0 {
                State::Foreign => return,
                State::Preface(known) => {
                    let rest = &PREFACE[*known..];
                    let count = rest.len().min(bytes.len());
                    self.0 = if rest[..count] != bytes[..count] {
                        State::Foreign
                    } else if count == rest.len() {
                        NEXT
                    } else {
                        State::Preface(*known + count)
                    };
                    count
                }
                State::Head(head, filled) => {
                    let count = (HEAD_BYTES - *filled).min(bytes.len());
                    head[*filled..*filled + count].copy_from_slice(&bytes[..count]);
                    *filled += count;
                    if *filled == HEAD_BYTES {
                        let [a, b, c, kind, _, s, t, u, v] = *head;
                        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                        let stream = u32::from_be_bytes([s & 0x7f, t, u, v]);
                        begins(Head { kind, stream });
                        self.0 = if length == 0 {
                            NEXT
                        } else {
                            State::Content(length)
                        };
                    }
                    count
                }
                State::Content(left) => {
                    let count = (*left).min(bytes.len());
                    *left -= count;
                    if *left == 0 {
                        self.0 = NEXT;
                    }
                    count
                }
            };
            bytes = &bytes[taken..];
        }
    }
}

/// A frame that ends a connection for doing too much; streams after `last_stream` were not begun.
pub(super) fn calm_down(last_stream: u32) -> Vec<u8> {
    let said = b"too_many_resets";
    let mut frame = Vec::with_capacity(HEAD_BYTES + 8 + said.len());
    // The content is far shorter than one byte of length can say.
    frame.extend([0, 0, 8 + said.len() as u8, GOAWAY, 0, 0, 0, 0, 0]);
    frame.extend(last_stream.to_be_bytes());
    frame.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    frame.extend(said);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, stream: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(content.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([kind, 0]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(content);
        bytes
    }

    proptest! {
        #[test]
        fn every_frame_is_seen_once_however_the_bytes_come(
            sent in prop::collection::vec(
                (0..=12_u8, 0..1_u32 << 31, prop::collection::vec(any::<u8>(), 0..600)),
                0..20,
            ),
            piece in 1..700_usize,
        ) {
            let mut bytes = PREFACE.to_vec();
            for (kind, stream, content) in &sent {
                bytes.extend(frame(*kind, *stream, content));
            }
            let mut frames = Frames::of_a_client();
            let mut seen = Vec::new();
            for piece in bytes.chunks(piece) {
                frames.read(piece, |head| seen.push((head.kind, head.stream)));
            }
            let expected: Vec<_> = sent.iter().map(|(kind, stream, _)| (*kind, *stream)).collect();
            prop_assert_eq!(seen, expected);
            prop_assert!(frames.is_between() && frames.has_begun());
        }

        #[test]
        fn what_is_no_preface_has_no_frames(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assume!(!PREFACE.starts_with(&bytes[..bytes.len().min(PREFACE.len())]));
            let mut frames = Frames::of_a_client();
            frames.read(&bytes, |head| panic!("{head:?}"));
            prop_assert!(!frames.has_begun());
        }
    }

    #[test]
    fn a_frame_under_way_is_not_interrupted() {
        let mut frames = Frames::of_a_server();
        let sent = frame(0, 1, b"abc");
        for end in 1..sent.len() {
            frames.read(&sent[end - 1..end], |_| ());
            assert!(!frames.is_between(), "after {end} bytes");
        }
        frames.read(&sent[sent.len() - 1..], |_| ());
        assert!(frames.is_between());
        frames.read(&calm_down(7), |head| {
            assert_eq!(
                head,
                Head {
                    kind: GOAWAY,
                    stream: 0
                }
            );
        });
        assert!(frames.is_between());
    }
}
