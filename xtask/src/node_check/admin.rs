//! The admin endpoint of a node.

use super::account::Account;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// The port of an admin endpoint of 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admin {
    pub(super) port: u16,
}

impl Admin {
    /// The account of the process.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn account(self) -> Result<Account, String> {
        let text = self.get("/account")?;
        serde_json::from_str(&text).map(Account).map_err(|error| format!("/account: {error}"))
    }

    /// Whether the process is ready for requests.
    pub(super) fn is_ready(self) -> bool {
        self.get("/readyz").is_ok()
    }

    /// The body of an answer with the status 200.
    ///
    /// # Errors
    /// There is no answer, or it has another status.
    pub(super) fn get(self, path: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{path}: {error}");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let (head, body) =
            answer.split_once("\r\n\r\n").ok_or_else(|| format!("{path}: no answer"))?;
        if head.starts_with("HTTP/1.1 200") {
            Ok(body.to_owned())
        } else {
            Err(format!("{path}: {head}"))
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
