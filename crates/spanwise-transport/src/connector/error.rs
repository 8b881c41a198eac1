//! The stage at which connecting failed.

use std::error::Error;
use std::fmt;
use std::io;

use crate::tcp::ConnectProblem;

/// The stage at which connecting failed; the reason is its source.
#[derive(Debug)]
pub(crate) enum ConnectError {
    Socket(ConnectProblem),
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "plain text only"))]
    Tls(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socket(_) => "no connection",
            Self::Tls(_) => "no TLS session",
        })
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Socket(problem) => problem,
            Self::Tls(error) => error,
        })
    }
}
