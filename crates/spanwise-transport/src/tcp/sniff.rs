//! Detects a port's protocol from the first bytes its peer sends.

#[cfg(feature = "tokio")]
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "tokio")]
use std::time::SystemTime;

/// The protocol observed of the peers of a connector. Clones share it.
///
/// One endpoint is one kind of peer: the observation of its newest connection holds for all.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerObservations(Arc<Observations>);

#[derive(Debug, Default)]
struct Observations {
    state: Mutex<PeerState>,
    /// Connections that are open. Apart from the state, because a forked child reads it, and another thread may
    /// have held the lock at the fork.
    #[cfg(feature = "tokio")]
    open: AtomicUsize,
}

/// A connection that is open until this is dropped.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct OpenConnection(PeerObservations);

/// A snapshot of [`PeerObservations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PeerState {
    /// Connections that were made.
    pub(crate) connected: u64,
    /// TLS sessions that were made.
    #[cfg(feature = "tokio")]
    pub(crate) tls_sessions: u64,
    /// The `Date` of the newest response that has one.
    #[cfg(feature = "tokio")]
    pub(crate) date: Option<SystemTime>,
    /// The protocol of the peer that was the last to send its first bytes.
    pub(crate) protocol: Option<PeerProtocol>,
    /// The TLS alert by which the peer rejected our certificate, until it sends data on a TLS session.
    pub(crate) rejection: Option<u8>,
}

/// The protocol that a peer's first bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerProtocol {
    /// The beginning of an HTTP/1 response.
    Http1,
    /// The frame that begins, or ends, an HTTP/2 connection.
    Http2,
    /// A TLS record: an alert or a handshake message.
    Tls,
    /// Something else.
    Other,
    /// None: the peer closed before it sent a byte.
    Nothing,
}

impl PeerObservations {
    pub(crate) fn state(&self) -> PeerState {
        *self.lock()
    }

    /// Counts a new connection and returns its sniffer, which reports here.
    pub(crate) fn connected(&self) -> ProtocolSniffer {
        let mut state = self.lock();
        state.connected = state.connected.saturating_add(1);
        ProtocolSniffer { observations: Some(self.clone()), bytes: [0; SNIFFED_BYTES], len: 0 }
    }

    /// Counts a connection as open until the result is dropped.
    #[cfg(feature = "tokio")]
    pub(crate) fn opened(&self) -> OpenConnection {
        self.0.open.fetch_add(1, Relaxed);
        OpenConnection(self.clone())
    }

    /// Connections that are open now.
    #[cfg(feature = "tokio")]
    pub(crate) fn open(&self) -> usize {
        self.0.open.load(Relaxed)
    }

    /// Counts a new TLS session.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_session(&self) {
        let mut state = self.lock();
        state.tls_sessions = state.tls_sessions.saturating_add(1);
    }

    /// Records the `Date` of a response.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_date(&self, date: SystemTime) {
        self.lock().date = Some(date);
    }

    /// Records the TLS alert by which the peer rejected our certificate, or that it accepts it.
    #[cfg(feature = "tls")]
    pub(crate) fn set_rejection(&self, alert: Option<u8>) {
        self.lock().rejection = alert;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PeerState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "tokio")]
impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Relaxed);
    }
}

/// Collects the first bytes of one connection until they identify its protocol.
#[derive(Debug)]
pub(crate) struct ProtocolSniffer {
    /// `None` once enough bytes were observed.
    observations: Option<PeerObservations>,
    bytes: [u8; SNIFFED_BYTES],
    len: usize,
}

impl ProtocolSniffer {
    #[cfg(feature = "tokio")]
    pub(super) fn is_over(&self) -> bool {
        self.observations.is_none()
    }

    /// Classifies `waiting`, bytes of the receive buffer that remain to be read.
    #[cfg(feature = "tokio")]
    pub(super) fn observe_pending(&self, waiting: &[u8]) {
        let mut ahead = Self { observations: self.observations.clone(), ..*self };
        ahead.observe(waiting);
    }

    /// Takes `read` as the next bytes of the connection; an empty slice is its end.
    pub(crate) fn observe(&mut self, read: &[u8]) {
        let Some(observations) = &self.observations else { return };
        let space = self.bytes.get_mut(self.len..).unwrap_or_default();
        let taken = space.len().min(read.len());
        for (to, from) in space.iter_mut().zip(read) {
            *to = *from;
        }
        self.len += taken;
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        let protocol = if bytes.is_empty() { PeerProtocol::Nothing } else { classify(bytes) };
        observations.lock().protocol = Some(protocol);
        if read.is_empty() || self.len == SNIFFED_BYTES || protocol != PeerProtocol::Other {
            self.observations = None;
        }
    }
}

fn classify(bytes: &[u8]) -> PeerProtocol {
    match *bytes {
        [b'H', b'T', b'T', b'P', b'/', ..] => PeerProtocol::Http1,
        // RFC 8446, 5.1: alert or handshake, major version 3.
        [0x15 | 0x16, 3, ..] => PeerProtocol::Tls,
        // RFC 9113, 4.1: 24 bits of length, SETTINGS or GOAWAY, flags, stream 0.
        [0, _, _, 4 | 7, _, 0, 0, 0, 0] => PeerProtocol::Http2,
        _ => PeerProtocol::Other,
    }
}

/// The length of an HTTP/2 frame header; the other patterns are shorter.
pub(super) const SNIFFED_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9112, 4; RFC 9113, 3.4 and 6.8; RFC 8446, 5.1 and 6.
    #[test]
    fn the_first_bytes_identify_the_protocol_at_any_split() {
        let cases: [(&[u8], PeerProtocol); 8] = [
            (b"HTTP/1.1 400 Bad Request\r\n", PeerProtocol::Http1),
            (b"HTTP/1.0 200 OK\r\n", PeerProtocol::Http1),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", PeerProtocol::Http2),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01", PeerProtocol::Http2),
            (b"\x15\x03\x01\0\x02\x02P", PeerProtocol::Tls),
            (b"\x16\x03\x03\0\x7a", PeerProtocol::Tls),
            (b"SSH-2.0-OpenSSH_9.6\r\n", PeerProtocol::Other),
            (b"", PeerProtocol::Nothing),
        ];
        for (bytes, protocol) in cases {
            for at in 0..=bytes.len().min(12) {
                let observations = PeerObservations::default();
                let mut sniffer = observations.connected();
                let (one, other) = bytes.split_at(at);
                if !one.is_empty() {
                    sniffer.observe(one);
                }
                sniffer.observe(other);
                assert_eq!(
                    observations.state(),
                    PeerState { connected: 1, protocol: Some(protocol), ..PeerState::default() },
                    "{bytes:?}"
                );
            }
        }
    }
}
