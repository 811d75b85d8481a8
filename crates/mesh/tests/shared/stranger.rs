//! A client that keeps to no rule: frames written by hand, sockets that say what they like.

#![allow(dead_code, reason = "each story needs some of it")]

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The code of a peer that does more than it should.
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A connection whose frames are written by hand.
pub struct Stranger {
    writer: OwnedWriteHalf,
    reader: OwnedReadHalf,
}

impl Stranger {
    /// Connects, and says what an HTTP/2 client says first.
    pub async fn connect(address: SocketAddr) -> Stranger {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let mut stranger = Stranger { writer, reader };
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        stranger.send(&hello).await.unwrap();
        stranger
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    /// Waits until everything sent so far has been taken; false when the connection has ended.
    pub async fn is_heard(&mut self) -> bool {
        if self.send(&frame(PING, 0, 0, &[7; 8])).await.is_err() {
            return false;
        }
        while let Some((kind, flags, content)) = next(&mut self.reader).await {
            if kind == PING && flags == ACK && content == [7; 8] {
                return true;
            }
            if kind == GOAWAY {
                return false;
            }
        }
        false
    }

    /// Begins to listen for the end: the code it is given, if it is given any.
    pub fn listening(self) -> (OwnedWriteHalf, JoinHandle<Option<u32>>) {
        let mut reader = self.reader;
        let goodbye = tokio::spawn(async move {
            let mut code = None;
            while let Some((kind, _, content)) = next(&mut reader).await {
                if kind == GOAWAY {
                    code = Some(u32::from_be_bytes(content[4..8].try_into().unwrap()));
                }
            }
            code
        });
        (self.writer, goodbye)
    }
}

async fn next(reader: &mut OwnedReadHalf) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut content = vec![0; length as usize];
    reader.read_exact(&mut content).await.ok()?;
    Some((head[3], head[4], content))
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(content);
    bytes
}

/// Begins a gRPC call of `path` on a stream; its message never comes.
pub fn call(stream: u32, path: &str) -> Vec<u8> {
    // POST and http from the static table, then path, authority and content type as they are.
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x01x");
    block.extend(b"\x0f\x10\x10application/grpc");
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// Gives a stream up.
pub fn reset(stream: u32) -> Vec<u8> {
    const CANCEL: u32 = 8;
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// Begins headers that do not end.
pub fn endless_headers(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM, stream, &[0x83])
}

/// More of them: a field nobody asked for, as long as a frame may be.
pub fn more_headers(stream: u32) -> Vec<u8> {
    let mut block = b"\x00\x01a\x7f\x80\x7d".to_vec();
    // The length above says 16,127 bytes: 127 and 125 · 128.
    block.resize(block.len() + 127 + 125 * 128, b'a');
    frame(CONTINUATION, 0, stream, &block)
}

/// Bytes of memory this process holds.
pub fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * PAGE
}
