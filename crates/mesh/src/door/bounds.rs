//! How much a door lets in: every number with its reason.

use std::time::Duration;

/// The bounds of one door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Open connections at most: each costs some 50 KB of buffers and a descriptor.
    pub connections_max: usize,
    /// Open connections of one remote address at most (of one /64 network in IPv6, which is what one
    /// customer gets), so that nobody alone takes all there are.
    pub connections_per_address_max: usize,
    /// TLS handshakes in progress at most: each costs a private key's operation, a thousand times
    /// the price of an accepted socket. Where strangers come, it should be more than one address may
    /// have connections: then nobody alone holds all turns by saying nothing.
    pub handshakes_max: usize,
    /// A TLS handshake that takes longer is given up, waiting for its turn included.
    pub handshake_within: Duration,
    /// Whether HTTP/1 is spoken, too: browsers' gRPC-Web, webhooks and probes need it, peers never do.
    pub http1: bool,
    /// Streams of one connection at a time.
    pub streams_per_connection_max: u32,
    /// Bytes of all headers of one request: tokens and metadata take a few kilobytes.
    pub header_bytes_max: u32,
    /// Bytes of one frame. With the bound on headers it also bounds the CONTINUATION frames of one
    /// request: more than a handful closes the connection.
    pub frame_bytes_max: u32,
    /// Streams a peer may reset before they were accepted, until it is cut off.
    pub pending_resets_max: usize,
    /// Streams that are reset for the peer's errors, until it is cut off.
    pub error_resets_max: usize,
    /// Streams a peer may reset at once, whatever their state: a client that gives up cancels all it
    /// has, and may have as many again a moment later.
    pub resets_at_once_max: u32,
    /// Streams a peer may reset in a second for ever. Beyond that the connection ends with
    /// `ENHANCE_YOUR_CALM` (rapid reset, CVE-2023-44487: work is begun and thrown away without end).
    pub resets_per_second_max: u32,
    /// A connection that asks for nothing by then is closed: it is a mistake or an attack.
    pub first_request_within: Duration,
    /// HTTP/1 headers must have come by then.
    pub headers_within: Duration,
    /// A connection without calls is closed after this time: clients open a new one when they need it.
    pub idle_max: Duration,
    /// How often a silent peer is asked whether it is there.
    pub ping_every: Duration,
    /// How long it may take to answer.
    pub ping_answer_within: Duration,
    /// Connections are closed in order after this time, a tenth more or less: that is how clients find
    /// new replicas, and how an old certificate goes out of use. Zero: never.
    pub age_max: Duration,
    /// How long calls and streams in progress may go on then; streams end with the advice to go on
    /// from their last position on a new connection.
    pub age_grace: Duration,
    /// What a connection that was told to close gets for it, after everything it may still do.
    pub close_within: Duration,
    /// How long streams may go on once the process drains; their readers then go on elsewhere.
    pub streams_end_after: Duration,
    /// How long the door goes on as before once the process is asked to stop and reports that it is
    /// not ready: balancers need a moment to notice.
    pub drain_delay: Duration,
    /// How long calls in progress may take to end once the process drains.
    pub drain_max: Duration,
}

/// How long calls in progress may take to end once the process drains: the time a call has that names
/// none, and shorter than an orchestrator waits before it kills.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

impl Bounds {
    /// Those of the port for operators: probes, a scraper, a person.
    pub fn of_operators() -> Bounds {
        Bounds {
            connections_max: 64,
            connections_per_address_max: 64,
            // Probes and pages are asked by HTTP/1, too.
            http1: true,
            streams_per_connection_max: 64,
            // Nobody balances over it.
            age_max: Duration::ZERO,
            ..Bounds::of_peers()
        }
    }

    /// Those of the port for the services of other processes.
    pub fn of_peers() -> Bounds {
        Bounds {
            // One per peer process, and probes.
            connections_max: 1024,
            // Behind a sidecar all peers come from one address.
            connections_per_address_max: 1024,
            handshakes_max: 512,
            handshake_within: Duration::from_secs(5),
            http1: false,
            // All calls of one peer process share one connection.
            streams_per_connection_max: 2048,
            header_bytes_max: 16 * 1024,
            frame_bytes_max: 16 * 1024,
            pending_resets_max: 20,
            error_resets_max: 1024,
            // A peer cancels what its own callers cancel, and what is past its deadline.
            resets_at_once_max: 4096,
            resets_per_second_max: 1000,
            first_request_within: Duration::from_secs(10),
            headers_within: Duration::from_secs(10),
            idle_max: Duration::from_secs(600),
            ping_every: Duration::from_secs(30),
            ping_answer_within: Duration::from_secs(20),
            age_max: Duration::from_secs(300),
            // Streams to users go through here: they should not end at each turn of the mesh.
            age_grace: Duration::from_secs(300),
            close_within: Duration::from_secs(5),
            streams_end_after: Duration::from_secs(2),
            drain_delay: Duration::ZERO,
            drain_max: DRAIN_MAX,
        }
    }
}
