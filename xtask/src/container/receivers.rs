//! The receivers: one of each state, on loopback, outside of the control group.

use spanwise_receiver::{Answer, Receiver};
use spanwise_testkit::{ClosedPort, Peer};
use std::net::TcpStream;
use std::time::Duration;

/// The state of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Alive,
    /// Each answer takes a second.
    Slow,
    /// It reads requests and answers none.
    Hung,
    /// It answers HTTP 503, which is retried.
    Refusing,
    /// It answers HTTP 400, which is final.
    Rejecting,
    /// Nothing listens.
    Dead,
}

impl State {
    pub(super) const ALL: [Self; 6] =
        [Self::Alive, Self::Slow, Self::Hung, Self::Refusing, Self::Rejecting, Self::Dead];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Slow => "slow: answers after 1 s",
            Self::Hung => "hung: never answers",
            Self::Refusing => "overloaded: HTTP 503",
            Self::Rejecting => "rejecting: HTTP 400",
            Self::Dead => "dead: no listener",
        }
    }
}

/// A receiver in each state.
pub(super) struct Receivers {
    alive: Receiver,
    slow: Receiver,
    hung: Peer,
    refusing: Receiver,
    rejecting: Receiver,
    dead: ClosedPort,
}

impl Receivers {
    /// # Errors
    /// The system has no socket or thread left.
    pub(super) fn start() -> Result<Self, String> {
        let receiver = |answer: Answer| {
            let builder = Receiver::builder().with_handler(move |_| answer.clone());
            builder.start().map_err(|error| error.to_string())
        };
        let refusal = |http_status, grpc_code| Answer::Refuse {
            http_status,
            grpc_code,
            message: "refused".to_owned(),
            retry_after: None,
        };
        Ok(Self {
            alive: receiver(Answer::Accept)?,
            slow: receiver(Answer::Accept.after(Duration::from_secs(1)))?,
            hung: Peer::start(read_only).map_err(|error| error.to_string())?,
            refusing: receiver(refusal(503, 14))?,
            rejecting: receiver(refusal(400, 3))?,
            dead: ClosedPort::new().map_err(|error| error.to_string())?,
        })
    }

    pub(super) fn endpoint(&self, state: State) -> Result<String, String> {
        match state {
            State::Alive => Ok(self.alive.http_endpoint()),
            State::Slow => Ok(self.slow.http_endpoint()),
            State::Hung => Ok(self.hung.endpoint()),
            State::Refusing => Ok(self.refusing.http_endpoint()),
            State::Rejecting => Ok(self.rejecting.http_endpoint()),
            State::Dead => self.dead.endpoint().map_err(|error| error.to_string()),
        }
    }

    /// The spans that were accepted so far; `None` if the receiver accepts none.
    pub(super) fn spans(&self, state: State) -> Option<u64> {
        match state {
            State::Alive => Some(self.alive.stats().spans),
            State::Slow => Some(self.slow.stats().spans),
            _ => None,
        }
    }
}

/// Reads until the client closes the connection, and answers nothing.
fn read_only(mut stream: TcpStream) {
    let _closed = std::io::copy(&mut stream, &mut std::io::sink());
}
