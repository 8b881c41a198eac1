//! What a peer says first tells which protocol its port speaks, also when we speak another.

use std::sync::{Arc, Mutex, PoisonError};

/// What the peers of a connector said. Clones share it.
///
/// One endpoint is one kind of peer: what its newest connection heard holds for all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<State>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    /// Connections that were made.
    pub(crate) connected: u64,
    /// What came first over the connection that was the last to begin to speak.
    pub(crate) first: Option<First>,
}

/// What came first over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The beginning of an HTTP/1 answer.
    Http1,
    /// The frame that begins, or ends, an HTTP/2 connection.
    Http2,
    /// A TLS record: an alert or a handshake message.
    Tls,
    /// Something else.
    Other,
    /// The end.
    Nothing,
}

impl Heard {
    pub(crate) fn state(&self) -> State {
        *self.lock()
    }

    /// A connection was made, and will tell what it hears.
    pub(super) fn connected(&self) -> Listening {
        let mut state = self.lock();
        state.connected = state.connected.saturating_add(1);
        Listening { heard: Some(self.clone()), bytes: [0; ENOUGH], len: 0 }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's first bytes.
#[derive(Debug)]
pub(super) struct Listening {
    /// `None` once enough was heard.
    heard: Option<Heard>,
    bytes: [u8; ENOUGH],
    len: usize,
}

impl Listening {
    pub(super) fn is_over(&self) -> bool {
        self.heard.is_none()
    }

    /// `waiting` is there to be read next.
    pub(super) fn foresee(&self, waiting: &[u8]) {
        let mut ahead = Self { heard: self.heard.clone(), ..*self };
        ahead.hear(waiting);
    }

    /// `read` came next; nothing is the end.
    pub(super) fn hear(&mut self, read: &[u8]) {
        let Some(heard) = &self.heard else { return };
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let taken = room.len().min(read.len());
        for (to, from) in room.iter_mut().zip(read) {
            *to = *from;
        }
        self.len += taken;
        let said = self.bytes.get(..self.len).unwrap_or_default();
        let first = if said.is_empty() { First::Nothing } else { classify(said) };
        heard.lock().first = Some(first);
        if read.is_empty() || self.len == ENOUGH || first != First::Other {
            self.heard = None;
        }
    }
}

fn classify(said: &[u8]) -> First {
    match *said {
        [b'H', b'T', b'T', b'P', b'/', ..] => First::Http1,
        // RFC 8446, 5.1: alert or handshake, major version 3.
        [0x15 | 0x16, 3, ..] => First::Tls,
        // RFC 9113, 4.1: 24 bits of length, SETTINGS or GOAWAY, flags, stream 0.
        [0, _, _, 4 | 7, _, 0, 0, 0, 0] => First::Http2,
        _ => First::Other,
    }
}

/// The head of an HTTP/2 frame; the others are shorter.
pub(super) const ENOUGH: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9112, 4; RFC 9113, 3.4 and 6.8; RFC 8446, 5.1 and 6.
    #[test]
    fn the_first_bytes_tell_the_protocol_however_they_are_cut() {
        let cases: [(&[u8], First); 8] = [
            (b"HTTP/1.1 400 Bad Request\r\n", First::Http1),
            (b"HTTP/1.0 200 OK\r\n", First::Http1),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", First::Http2),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01", First::Http2),
            (b"\x15\x03\x01\0\x02\x02P", First::Tls),
            (b"\x16\x03\x03\0\x7a", First::Tls),
            (b"SSH-2.0-OpenSSH_9.6\r\n", First::Other),
            (b"", First::Nothing),
        ];
        for (said, first) in cases {
            for at in 0..=said.len().min(12) {
                let heard = Heard::default();
                let mut listening = heard.connected();
                let (one, other) = said.split_at(at);
                if !one.is_empty() {
                    listening.hear(one);
                }
                listening.hear(other);
                assert_eq!(heard.state(), State { connected: 1, first: Some(first) }, "{said:?}");
            }
        }
    }
}
